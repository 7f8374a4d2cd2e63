"""Tables and plots of a study, made from the committed results alone: nothing is run and no model is needed.

What was not run is listed as such. A figure without its drift and its text is not shown.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from midcourse.workflows.study.cells import OURS, WHOLE, Cell, Study
from midcourse.workflows.study.queue import left
from midcourse.workflows.study.statistics import Difference, over_seeds

__all__ = ["write_tables"]

Found = list[dict[str, Any]]
_ENOUGH = 30


def write_tables(study: Study, folder: Path) -> Path:
    """`study.md` and a drawing for each headline task; returns the page."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = ["# The study", "Made by `midcourse study --tables` from the results in this folder."]
    for task in study.headline:
        for steers in study.steers:
            parts += _block(study, task, steers, folder)
    parts += _ablations(study)
    parts += _development(study)
    missing = left(study)
    parts.append(f"## Not run\n\n{len(missing)} cells." if missing else "## Not run\n\nNothing: all cells ran.")
    parts += ["\n".join(f"- `{c.path}`" for c in missing)]
    page = folder / "study.md"
    page.write_text("\n\n".join(p for p in parts if p) + "\n", encoding="utf-8")
    return page


def _seeds(study: Study, task: str, method: str, steers: int, arm: str) -> Found:
    cells = [Cell("headline", task, method, steers, s, arm) for s in (*study.seeds, *study.more_seeds)]
    return [f for c in cells if (f := study.result(c)) is not None]


def _block(study: Study, task: str, steers: int, folder: Path) -> list[str]:
    """One task at one number of steers: every method, both arms, with the paired difference to ours."""
    base = study.result(Cell("headline", task, "base", 0, 0))
    ours = _seeds(study, task, OURS, steers, "same")
    rows, dots = [], []
    if base is not None:
        rows.append(["base", "", "0", *_measures([base], "base"), ""])
    arms = [("same", m) for m in study.methods] + [("own", m) for m in WHOLE if m in study.methods]
    for arm, method in arms:
        found = _seeds(study, task, method, steers, arm)
        if found:
            name = method if arm == "same" else f"{method}, own session"
            minutes = f"{np.mean([f['lesson']['seconds'] for f in found]) / 60:.0f}"
            against = "" if method == OURS else _shown(over_seeds(_forks(ours), _forks(found)), sign="+")
            rows.append([name, str(len(found)), minutes, *_measures(found, "steered"), against])
            dots.append({"method": name, **_dot(found)})
    if not rows:
        return []
    head = ["method", "seeds", "minutes", *_NAMES, "ours − it, recurrence"]
    plot = _plot(folder, f"{task}-{steers}", dots)
    said = [f"## {task}, {steers} steers", _table(head, rows), plot]
    prompts = len({f["prompt"] for f in (base or (ours or [{"forks": []}])[0])["forks"]})
    if prompts < _ENOUGH:
        said.append(f"{prompts} test prompts: too few for a claim, which needs {_ENOUGH}.")
    return [*said, *_signs(study, task, steers)]


_NAMES = (
    *("recurrence", "steers to finish", "broken per 100 tokens", "Δ log π(chosen)", "drift on answers", "sound"),
    *("distinct 3-grams", "tokens"),
)


def _measures(found: Found, who: str) -> list[str]:
    """The cells of a row."""

    def mean(read: Callable[[dict[str, Any]], float]) -> float:
        return float(np.mean([read(f) for f in found]))

    change = [f["metrics"]["logp_chosen"]["change"] for f in found]
    return [
        _shown(over_seeds(_forks(found, who))),
        f"{mean(lambda f: f['effort']['steers_per_task']['mean']):.2f}",
        f"{mean(lambda f: f['unsteered']['broken_per_100_tokens']):.2f}",
        "" if None in change else f"{np.mean([c['mean'] for c in change]):+.2f}",
        f"{mean(lambda f: f['metrics']['drift/kl_answers'][who]['mean']):.4f}",
        f"{mean(lambda f: f['metrics']['valid'][who]['mean']):.0%}",
        f"{mean(lambda f: f['unsteered']['distinct_3']):.2f}",
        f"{mean(lambda f: f['unsteered']['tokens']):.0f}",
    ]


def _forks(found: Found, who: str = "steered", measure: str = "recurrence") -> list[dict[str, tuple[str, float]]]:
    return [
        {
            x["steer"]: (x["prompt"], float(x[who][measure]))
            for x in f["forks"]
            if x.get(who, {}).get(measure) is not None
        }
        for f in found
    ]


def _dot(found: Found) -> dict[str, float]:
    return {
        "recurrence": float(np.mean([f["metrics"]["recurrence"]["steered"]["mean"] for f in found])),
        "drift": float(np.mean([f["metrics"]["drift/kl_answers"]["steered"]["mean"] for f in found])),
    }


def _signs(study: Study, task: str, steers: int) -> list[str]:
    """What looks broken, and a text of each method: a count alone proves nothing."""
    said = []
    for method in study.methods:
        found = _seeds(study, task, method, steers, "same")
        if found and found[0]["shown"]:
            text = " ".join(found[0]["shown"][0]["text"].split())
            signs = f" **{'; '.join(found[0]['signs'])}.**" if found[0]["signs"] else ""
            said.append(f"- {method}:{signs} {text[:240]}…")
    return ["What they write (seed 0, first test prompt):", "\n".join(said)] if said else []


def _ablations(study: Study) -> list[str]:
    steers, task = study.steers[0], study.headline[0]
    ours = study.result(Cell("headline", task, OURS, steers, study.seeds[0]))
    rows = []
    for label in study.ablations:
        found = study.result(Cell("ablation", task, OURS, steers, 0, label=label))
        if found is not None:
            against = "" if ours is None else _shown(over_seeds(_forks([found]), _forks([ours])), sign="+")
            rows.append([label, *_measures([found], "steered"), against])
    head = ["changed", *_NAMES, "it − ours, recurrence"]
    return [f"## Ablations: {task}, {steers} steers, one seed (exploratory)", _table(head, rows)] if rows else []


def _development(study: Study) -> list[str]:
    lines = []
    for method in study.methods:
        found = [c for c in study.development_cells() if c.method == method and study.result(c) is not None]
        if found:
            lines.append(f"- {method}: {study.chosen(method) or 'nothing to choose'} (of {len(found)} trainings)")
    return ["## Settings chosen on the development tasks", "\n".join(lines)] if lines else []


def _shown(value: Difference | None, sign: str = "") -> str:
    if value is None:
        return ""
    return f"{100 * value.mean:{sign}.0f}% [{100 * value.low:{sign}.0f}, {100 * value.high:{sign}.0f}]"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _plot(folder: Path, name: str, dots: Sequence[Mapping[str, Any]]) -> str:
    """Recurrence against drift, one dot a method."""
    if not dots:
        return ""
    import altair as alt

    chart = alt.Chart(alt.Data(values=list(dots))).encode(
        x=alt.X("drift:Q", title="drift on answers, nats per token"),
        y=alt.Y("recurrence:Q", title="recurrence", axis=alt.Axis(format="%")),
    )
    words = chart.mark_text(align="left", dx=7).encode(text="method:N")
    (chart.mark_circle(size=60) + words).properties(width=460, height=260).save(folder / f"{name}.svg")
    return f"![Recurrence against drift]({name}.svg)"
