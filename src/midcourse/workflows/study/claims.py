"""What the study set out to show, and what came of it: its primary comparisons and its targets.

Decided from results alone by the rules that PROTOCOL.md fixed before the headline ran; nothing else is a claim.
"""

import math
from operator import itemgetter

from midcourse.workflows.study.cell import OURS, WHOLE, Cell
from midcourse.workflows.study.cells import Study
from midcourse.workflows.study.shown import Found, by_fork, by_text, percent, plain, table
from midcourse.workflows.study.statistics import Difference, over_seeds

__all__ = ["against", "arms", "claims", "least_drift", "of_seeds", "verdict"]

DRIFT = 0.01
"""Nats per token on answers to unrelated prompts."""
BROKEN = 0.1
"""Of the base's broken rules per 100 tokens that may be left."""
FORK = "fork"
"""The method that the package trains with where nothing else is asked."""
WITHIN = 0.05
"""By which share of the base's distinct 3-grams and lengths may differ."""


def arms(study: Study) -> list[tuple[str, str]]:
    """Arm and method of all that a table of the headline shows, in its order."""
    same = [("same", m) for m in (*study.methods, *study.contenders)]
    return same + [("own", m) for m in WHOLE if m in study.methods]


def of_seeds(study: Study, task: str, method: str, steers: int, arm: str = "same") -> Found:
    """Results of a method in the headline, one for each seed that ran."""
    cells = [Cell("headline", task, method, steers, s, arm) for s in (*study.seeds, *study.more_seeds)]
    return [f for c in cells if (f := study.result(c)) is not None]


def against(ours: Found, theirs: Found) -> list[Difference | None]:
    """Ours less theirs at the same forks: recurrence, and again or unsound. A model that is destroyed makes no error
    again, and says nothing either."""
    pairs = [(by_fork(ours, measure=m), by_fork(theirs, measure=m)) for m in ("recurrence", "flawed")]
    return [over_seeds(a, b) if ours and theirs else None for a, b in pairs]


def claims(study: Study) -> list[str]:
    """Both tables of each method, and the comparison with fewer steers; empty before ours and a baseline ran."""
    steers = study.steers[0]
    said = []
    heads = {OURS: f"## The primary comparison, {steers} steers"}
    if FORK in study.methods:
        heads[FORK] = f"## The same for `{FORK}`, which the package trains with by default; no claim hangs on it"
    heads |= {one: f"## `{one}`, found after the headline had begun; no claim hangs on it" for one in study.contenders}
    for one, head in heads.items():
        compared = _comparisons(study, steers, one)
        said += [*([head, *compared] if compared else []), *_targets(study, study.headline[0], steers, one)]
        for fewer in study.steers[1:]:
            compared = _comparisons(study, fewer, one)
            said += [f"### {one} with {fewer} steers", *compared] if compared else []
    return said


def verdict(recurrence: Difference | None, flawed: Difference | None) -> str:
    """Lower on both is a win; no difference is less than the interval."""
    if recurrence is None or flawed is None:
        return "not run"
    lower, higher = (sum(found) for found in zip(*((d.high < 0, d.low > 0) for d in (recurrence, flawed)), strict=True))
    words = ("", " on one", " on both")
    said = [f"lower{words[lower]}"] if lower else []
    said += [f"**higher{words[higher]}**"] if higher else []
    return ", ".join(said) or "no difference"


def _comparisons(study: Study, steers: int, one: str) -> list[str]:
    """One method against each other; empty where nothing can be compared."""
    rows = []
    arms = [("same", m) for m in study.methods if m != one] + [("own", m) for m in WHOLE if m in study.methods]
    for task in study.headline:
        ours = of_seeds(study, task, one, steers)
        for arm, method in arms:
            theirs = of_seeds(study, task, method, steers, arm)
            both = against(ours, theirs)
            seeds = f"{len(ours)} / {len(theirs)}"
            rows.append([task, f"{arm} session", method, seeds, *(percent(d, "+") for d in both), verdict(*both)])
    if all(row[-1] == "not run" for row in rows):
        return []
    head = ["task", "arm", "against", "seeds", f"{one} − it, recurrence", f"{one} − it, again or unsound", f"{one} is"]
    return [table(head, rows)]


def _targets(study: Study, task: str, steers: int, one: str) -> list[str]:
    ours, base = of_seeds(study, task, one, steers), study.result(Cell("headline", task, "base", 0, 0))
    if not ours or base is None:
        return []
    drift = max(f["metrics"]["drift/kl_answers"]["steered"]["mean"] for f in ours)
    rows = [["drift on answers, worst seed", f"{drift:.4f}", "0", f"at most {DRIFT:g}", _kept(drift <= DRIFT)]]
    broken = [by_text(found, lambda t: 100 * t["broken"] / max(1, t["tokens"])) for found in (ours, [base])]
    left, before = (over_seeds(values) for values in broken)
    if left and before:
        most = BROKEN * before.mean
        said = f"at most {most:.2f}, its interval too"
        rows.append(["broken rules per 100 tokens", plain(left), plain(before), said, _kept(left.high <= most)])
    for name, read in (("distinct 3-grams", "distinct_3"), ("tokens of a text", "tokens")):
        now, then = (over_seeds(by_text(found, itemgetter(read))) for found in (ours, [base]))
        if now and then:
            kept = abs(now.mean - then.mean) <= WITHIN * then.mean
            rows.append([name, plain(now), plain(then), f"within {WITHIN:.0%}", _kept(kept)])
    parts = [f"### Targets: {task}, {steers} steers, {one}", table(["", one, "base", "target", ""], rows)]
    often = base.get("answers", {}).get("broken_per_100_tokens", 0.0)
    if often and one == OURS:
        least = f"{least_drift(often, BROKEN):.4f} nats per token"
        parts.append(
            f"In its answers to unrelated prompts the base breaks these rules too, {often:.2f} times per 100 tokens. A "
            f"model that breaks them {1 - BROKEN:.0%} less there has moved by at least {least} on those answers, "
            "whatever it was trained with."
        )
    return parts


def least_drift(broken_per_100_tokens: float, left: float) -> float:
    """The least KL(base ‖ model), in nats per token, of a model that breaks rules `left` as often as the base.

    Where the base breaks a rule with chance p and the model with chance ρp, the KL between what they say next is at
    least that of the two coins (data processing), and that is at least p(−log ρ − 1 + ρ), since log x ≥ 1 − 1/x. It is
    convex in ρ: to obey unevenly costs more. Summed over tokens, the p are the broken rules.

    Args:
        broken_per_100_tokens: In the base's own text.
        left: ρ, above 0 and at most 1.
    """
    return broken_per_100_tokens / 100 * (-math.log(left) - 1 + left)


def _kept(kept: bool) -> str:
    return "kept" if kept else "**missed**"
