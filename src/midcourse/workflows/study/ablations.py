"""What each change of the method that others begin with is worth: a table, and a drawing of the paired differences.

Made from results alone, exploratory; which cells there are is not decided here.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from midcourse.workflows.study.cell import Cell
from midcourse.workflows.study.cells import Study
from midcourse.workflows.study.shown import NAMES, Found, apart, by_fork, dot, measures, table
from midcourse.workflows.study.statistics import Difference, over_seeds

__all__ = ["ablations"]

_UNMEASURED = ("steers to finish", "… repetitive texts charged")
"""Of what is exploratory, which is measured without them."""
_COMPARED = {"recurrence": "recurrence", "flawed": "again or unsound"}
_SAYS = """Paired differences by fork to the same without the change, of the same seeds; **bold** where the interval
leaves out nought. One in twenty does so by chance, and seeds of the same method differ as well: a default is changed
only by what is seen again on the other task with three seeds."""


def ablations(study: Study, folder: Path) -> list[str]:
    """Every ablation and variation that ran, on each task, against what it changes where that ran too."""
    return [part for task in study.headline for part in _on(study, task, folder)]


def _on(study: Study, task: str, folder: Path) -> list[str]:
    steers, rows, drawn = study.steers[0], [], []
    for label in (*study.ablations, *study.variations):
        changed = [Cell("ablation", task, study.ablated, steers, seed, label=label) for seed in study.seeds]
        ran = [cell for cell in changed if study.result(cell) is not None]
        found = _results(study, ran)
        if found:
            whole = _results(study, [Cell("headline", task, study.ablated, steers, cell.seed) for cell in ran])
            differences = _differences(found, whole)
            rows.append(_row(label, found, differences))
            drawn.append({"changed": label, "drift": dot(found)["drift"], **_ends(differences)})
    if not rows:
        return []
    heads = ["changed", "seeds", *_kept(NAMES), *(f"it − {study.ablated}, {said}" for said in _COMPARED.values())]
    said = [f"## Ablations of {study.ablated}: {task}, {steers} steers (exploratory)"]
    whole = _results(study, [Cell("headline", task, study.ablated, steers, study.seeds[0])])
    if whole:
        rows.insert(0, _row(f"nothing ({study.ablated}, seed {study.seeds[0]})", whole, {}))
        said += [_SAYS, _forest(folder, f"{task}-ablations", drawn, dot(whole)["drift"])]
    return [*said, table(heads, rows), _like(study, task)]


def _like(study: Study, task: str) -> str:
    """Ablations of an ablation and variations of a variation, each against that one at the seeds of both."""
    rows = []
    every = {**study.ablations, **study.variations}
    for label, other in ((a, b) for a, changed in every.items() if (b := changed.get("like"))):
        pairs = [
            [
                study.result(Cell("ablation", task, study.ablated, study.steers[0], seed, label=one))
                for one in (label, other)
            ]
            for seed in study.seeds
        ]
        both = [(mine, its) for mine, its in pairs if mine is not None and its is not None]
        if both:
            mine, its = ([pair[n] for pair in both] for n in (0, 1))
            drifts = [f"{dot(found)['drift']:.4f}" for found in (mine, its)]
            differences = _differences(mine, its)
            rows.append([label, other, str(len(both)), *(apart(differences[m]) for m in _COMPARED), *drifts])
    if not rows:
        return ""
    heads = (*("it − that, " + said for said in _COMPARED.values()), "its drift on answers", "that one's")
    return table(["changed", "against", "seeds", *heads], rows)


def _results(study: Study, cells: Sequence[Cell]) -> Found:
    return [found for cell in cells if (found := study.result(cell)) is not None]


def _differences(found: Found, whole: Found) -> dict[str, Difference | None]:
    return {m: over_seeds(by_fork(found, measure=m), by_fork(whole, measure=m)) for m in _COMPARED}


def _row(label: str, found: Found, differences: Mapping[str, Difference | None]) -> list[str]:
    own = measures(found, "steered", over_seeds(by_fork(found)))
    return [label, str(len(found)), *_kept(own), *(apart(differences.get(m)) for m in _COMPARED)]


def _kept(cells: Sequence[str]) -> list[str]:
    return [cell for name, cell in zip(NAMES, cells, strict=True) if name not in _UNMEASURED]


def _ends(differences: Mapping[str, Difference | None]) -> dict[str, float]:
    """Mean and interval of each difference, by name."""
    return {
        f"{measure}{end}": value
        for measure, d in differences.items()
        if d is not None
        for end, value in (("", d.mean), (" low", d.low), (" high", d.high))
    }


def _forest(folder: Path, name: str, values: Sequence[Mapping[str, Any]], drift: float) -> str:
    """A line for each change: both differences with their intervals, and the drift beside that of what is changed.
    Returns the Markdown that shows the picture."""
    import altair as alt

    order = [v["changed"] for v in sorted(values, key=lambda v: v.get("recurrence", 0.0))]
    y = alt.Y("changed:N", title=None, sort=order)
    panels: list[Any] = []
    for measure, said in _COMPARED.items():
        x = alt.X(f"{measure}:Q", title=f"difference, {said}", axis=alt.Axis(format="+%"))
        chart = alt.Chart(alt.Data(values=list(values))).encode(x=x, y=y if not panels else y.axis(None))
        bars = chart.mark_rule(opacity=0.5).encode(x=f"{measure} low:Q", x2=f"{measure} high:Q")
        panels.append((_upright(0.0) + bars + chart.mark_circle(size=60)).properties(width=240))
    x = alt.X("drift:Q", title="drift on answers (line: unchanged)", scale=alt.Scale(type="log"))
    chart = alt.Chart(alt.Data(values=list(values))).encode(x=x, y=y.axis(None))
    panels.append((_upright(drift) + chart.mark_circle(size=60)).properties(width=200))
    alt.hconcat(*panels).save(folder / f"{name}.svg")
    return f"![What each change does to both measures, and the drift]({name}.svg)"


def _upright(at: float) -> Any:
    """A thin line at one place of the horizontal axis."""
    import altair as alt

    return alt.Chart(alt.Data(values=[{"at": at}])).mark_rule(color="#888").encode(x="at:Q")
