"""Tables of what is exploratory: more methods and tasks, numbers of steers, corrections that real people made.

Made from the committed results alone, like the headline's, and marked as what they are.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from midcourse.evaluate.intervals import ENOUGH
from midcourse.workflows.study.cell import IN_PROMPT, OURS, Cell
from midcourse.workflows.study.cells import Study
from midcourse.workflows.study.later import methods_of
from midcourse.workflows.study.shown import NAMES, Found, apart, by_fork, curves, measures, percent, plain, table
from midcourse.workflows.study.statistics import Difference, over_seeds

__all__ = ["imported", "more_methods", "steer_counts"]

_MEASURES = {"recurrence": "recurrence", "flawed": "again or unsound"}


def more_methods(study: Study) -> list[str]:
    """Methods beside those of the headline, and tasks beside its two; one seed."""
    first, parts = study.steers[0], []
    shown = [(task, [*study.extra_methods, IN_PROMPT]) for task in study.headline]
    shown += [(task, ["base", *study.wider]) for task in study.exploratory]
    for task, methods in shown:
        cells = {
            one: Cell("headline", task, one, first, study.seeds[0]) for one in dict.fromkeys((OURS, study.ablated))
        }
        rows = []
        for method in methods:
            who = "base" if method == "base" else "steered"
            found = study.result(Cell("exploratory", task, method, first if who == "steered" else 0, 0))
            if found is not None:
                own = measures([found], who, over_seeds(by_fork([found], who)))
                others = [study.result(cell) if one != method else None for one, cell in cells.items()]
                rows.append([method, *own, *(said for other in others for said in _less(other, found, who))])
        if rows:
            head = ["method", *NAMES, *(f"{one} − it, {said}" for one in cells for said in _MEASURES.values())]
            parts += [f"## {task}, {first} steers: more methods, one seed (exploratory)", table(head, rows)]
    return parts


def _less(one: dict[str, Any] | None, found: dict[str, Any], who: str) -> list[str]:
    """Both measures of one result less those of another, paired by fork; empty where there is none."""
    if one is None:
        return [""] * len(_MEASURES)
    pairs = [(by_fork([one], measure=m), by_fork([found], who, measure=m)) for m in _MEASURES]
    return [percent(over_seeds(a, b), sign="+") for a, b in pairs]


def steer_counts(study: Study, folder: Path) -> list[str]:
    """Recurrence by number of steers, seed 0: what ten, thirty, a hundred and three hundred are worth."""
    counts = sorted({*study.steers, *study.extra_steers, *study.further_steers})
    parts = []
    for task in study.headline:
        rows, points = [], []
        for method in study.methods:
            found = [study.result(Cell("headline", task, method, n, 0)) for n in counts]
            row = [percent(over_seeds(by_fork([f]))) if f is not None else "not run" for f in found]
            if any(f is not None for f in found):
                rows.append([method, *row])
            points += [
                {"method": method, "steers": n, "recurrence": f["metrics"]["recurrence"]["steered"]["mean"]}
                for n, f in zip(counts, found, strict=True)
                if f is not None
            ]
        if len({p["steers"] for p in points}) > 1:
            drawn = curves(folder, f"{task}-steers", points)
            head = ["recurrence", *(f"{n} steers" for n in counts)]
            parts += [f"## {task}: number of steers, seed 0 (exploratory)", table(head, rows), drawn]
    return parts


def imported(study: Study) -> list[str]:
    """Corrections that people made: how likely both sides are on held-out problems or writers, and the drift."""
    given, parts = study.imported, []
    for name, corpus in given.get("corpora", {}).items():
        folds = range(corpus.get("folds") or 1)
        runs = {
            method: [
                f
                for n in folds
                if (f := study.result(Cell("imported", name, method, int(given.get("steers", 100)), n))) is not None
            ]
            for method in methods_of(study, name)
        }
        for label in given.get("ablations", {}).get(name, {}):
            cell = Cell("imported", name, study.ablated, int(given.get("steers", 100)), 0, label=label)
            runs[f"{study.ablated}, {label}"] = [f for f in [study.result(cell)] if f is not None]
        if any(runs.values()):
            steers = int(given.get("steers", 100))
            parts.append(f"## Real corrections: {name}, {steers} steers to learn from, one seed (exploratory)")
            parts += _corpus(runs, corpus.get("folds"))
            parts += [_against(runs, one) for one in dict.fromkeys((study.ablated, OURS)) if runs.get(one)]
    return parts


_HEADS = (
    *("likelier per token", "likelier first token", "margin, nats a token", "Δ log π(chosen)"),
    *("drift where let stand", "drift on answers"),
)


def _corpus(runs: dict[str, Found], folds: int | None) -> list[str]:
    most = max(runs.values(), key=len)
    rows = [["base", *_likely(most, "base"), "", "0", "0"]]
    for method, found in runs.items():
        if not found:
            rows.append([method, *["not run"] + [""] * (len(_HEADS) - 1)])
            continue
        drift = [_mean(found, f"drift/{kind}") for kind in ("kl_retained", "kl_answers")]
        rows.append([method, *_likely(found, "steered"), _moved(found), *drift])
    compared = _together(most, "base", "margin")
    prompts = {prompt for prompt, _ in compared.values()}
    said = [
        f"{len(_together(most, 'base', 'logp_chosen'))} held-out steers; {len(compared)} of them, in {len(prompts)} "
        "clusters, have a rejected side to compare with."
    ]
    if len(prompts) < ENOUGH:
        said.append(f"Too few clusters for a claim, which needs {ENOUGH}.")
    if folds:
        said.append(f"Each writer is held out once ({folds} folds, {len(most)} run); clusters are writers.")
        said += [_one_by_one(found, method) for method, found in runs.items() if found]
    return [table(["method", *_HEADS], rows), " ".join(said)]


def _likelier(margin: float) -> float:
    return float(margin > 0)


_LIKELY: tuple[tuple[str, Callable[[float], float], Callable[..., str]], ...] = (
    ("margin", _likelier, percent),
    ("first_token_log_odds", _likelier, percent),
    ("margin", float, plain),
)
"""Shares of forks at which the chosen side, and its first token, are the likelier; the margin."""


def _likely(found: Found, who: str) -> list[str]:
    return [shown(_one(_together(found, who, measure, read))) for measure, read, shown in _LIKELY]


def _against(runs: dict[str, Found], one: str) -> str:
    """A method minus each of the others, and minus the base, at the forks that both were measured at; bold where the
    interval leaves out nought."""
    rows = []
    for method, found in {"base": runs[one], **runs}.items():
        if method == one or not found:
            continue
        who = "base" if method == "base" else "steered"
        row = [method]
        for measure, read, shown in _LIKELY:
            mine, its = _together(runs[one], "steered", measure, read), _together(found, who, measure, read)
            row.append(apart(_paired(mine, its), shown))
        rows.append(row)
    return table(["against", *(f"{one} − it: {head}" for head in _HEADS[:3])], rows)


def _moved(found: Found) -> str:
    """The change of log π(chosen) against the base, paired by fork."""
    both = [_together(found, who, "logp_chosen") for who in ("steered", "base")]
    return plain(_paired(both[0], both[1]), sign="+")


def _mean(found: Found, metric: str) -> str:
    values = [f["metrics"][metric]["steered"] for f in found]
    return "" if None in values else f"{np.mean([v['mean'] for v in values]):.4f}"


def _together(
    found: Found, who: str, measure: str, read: Callable[[float], float] = lambda value: value
) -> dict[str, tuple[str, float]]:
    """The forks of all folds: none is in two of them."""
    return {fork: value for run in by_fork(found, who, measure, read) for fork, value in run.items()}


def _one(forks: dict[str, tuple[str, float]]) -> Difference | None:
    return over_seeds([forks]) if forks else None


def _paired(ours: dict[str, tuple[str, float]], theirs: dict[str, tuple[str, float]]) -> Difference | None:
    return over_seeds([ours], [theirs]) if ours and theirs else None


def _one_by_one(found: Found, method: str) -> str:
    """For how many writers the margin rose."""
    after, before = (_together(found, who, "margin") for who in ("steered", "base"))
    gains: dict[str, list[float]] = {}
    for fork, (writer, value) in after.items():
        if fork in before:
            gains.setdefault(writer, []).append(value - before[fork][1])
    rose = sum(float(np.mean(g)) > 0 for g in gains.values())
    return f"{method}: the margin rose for {rose} of {len(gains)} writers."
