"""What holding the model costs each method and gains it: a line for each under several λ, a dot under one.

Answers whether it is the retain term that makes the difference, whatever it is put beside. Made from results alone, of
the first seed, exploratory.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from midcourse.workflows.study.cell import Cell
from midcourse.workflows.study.cells import Study
from midcourse.workflows.study.shown import by_fork, percent, table
from midcourse.workflows.study.statistics import over_seeds

__all__ = ["held"]

_HEADS = ("method", "λ", "drift on answers", "recurrence", "again or unsound")


def held(study: Study, task: str, folder: Path) -> list[str]:
    """The methods on a task by λ; empty where none ran under more than one."""
    points: dict[str, list[dict[str, Any]]] = {}
    for method, weight, cell in _cells(study, task):
        found = study.result(cell)
        if found is not None:
            points.setdefault(method, []).append({"method": method, "λ": weight, **_place(found)})
    if all(len({p["λ"] for p in line}) < 2 for line in points.values()):
        return []
    several = [p for line in points.values() for p in sorted(line, key=lambda p: p["λ"])]
    rows = [
        [p["method"], f"{p['λ']:g}", f"{p['drift']:.4f}", percent(p["again"]), percent(p["unsound"])] for p in several
    ]
    title = f"## {task}, {study.steers[0]} steers: the retain term beside each method, one seed (exploratory)"
    return [title, _drawing(folder, f"{task}-held", several), table(_HEADS, rows)]


def _cells(study: Study, task: str) -> Iterator[tuple[str, float, Cell]]:
    """(method, λ, cell): as in the headline, with our retain term, and the ablations that change λ alone."""
    steers, seed = study.steers[0], study.seeds[0]
    for method in (*study.methods, *study.contenders):
        weight = float(study.settings(method).get("retain_weight", 0.0))
        yield method, weight, Cell("headline", task, method, steers, seed)
    for method, own in study.extra_methods.items():
        if "like" in own and "retain_weight" in own:
            yield str(own["like"]), float(own["retain_weight"]), Cell("exploratory", task, method, steers, 0)
    for label, changed in study.ablations.items():
        if set(changed) == {"retain_weight"}:
            cell = Cell("ablation", task, study.ablated, steers, 0, label=label)
            yield study.ablated, float(changed["retain_weight"]), cell


def _place(found: Mapping[str, Any]) -> dict[str, Any]:
    again, unsound = (over_seeds(by_fork([dict(found)], measure=m)) for m in ("recurrence", "flawed"))
    return {"drift": found["metrics"]["drift/kl_answers"]["steered"]["mean"], "again": again, "unsound": unsound}


def _drawing(folder: Path, name: str, points: Sequence[Mapping[str, Any]]) -> str:
    """Both measures against drift on a logarithmic axis; the Markdown that shows the picture."""
    import altair as alt

    shown = ("again", "the error is made again"), ("unsound", "made again, or no sound text")
    values = [{**p, **{m: p[m].mean for m, _ in shown if p[m] is not None}} for p in points]
    x = alt.X("drift:Q", title="drift on answers, nats per token", scale=alt.Scale(type="log"))
    panels: list[Any] = []
    for measure, title in shown:
        y = alt.Y(f"{measure}:Q", title=title, axis=alt.Axis(format="%"), scale=alt.Scale(domain=[0, 1]))
        colour = alt.Color("method:N", title=None)
        chart = alt.Chart(alt.Data(values=values)).encode(x=x, y=y, color=colour)
        words = chart.mark_text(dy=-9, fontSize=9).encode(text="λ:Q")
        panels.append(
            (chart.mark_line().encode(order="λ:Q") + chart.mark_circle(size=60) + words).properties(width=330)
        )
    alt.hconcat(*panels).save(folder / f"{name}.svg")
    return f"![Both measures against drift, a line a method; the numbers are λ]({name}.svg)"
