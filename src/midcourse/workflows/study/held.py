"""What holding the model costs each method and gains it: a line for each under several λ, a dot under one.

Answers whether it is the retain term that makes the difference, whatever it is put beside. Made from results alone, of
the first seed, exploratory.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from midcourse.objective import find_loss
from midcourse.workflows.study.cell import Cell
from midcourse.workflows.study.cells import Study
from midcourse.workflows.study.shown import dot, table

__all__ = ["held"]

_MEASURES = {"recurrence": "the error is made again", "flawed": "made again, or no sound text"}
_HEADS = ("method", "λ", "drift on answers", "recurrence", "again or unsound")


def held(study: Study, task: str, folder: Path) -> list[str]:
    """The methods on a task by λ; empty where none ran under more than one."""
    points: dict[str, list[dict[str, Any]]] = {}
    for method, weight, cell in _cells(study, task):
        found = study.result(cell)
        if found is not None:
            points.setdefault(method, []).append({"method": method, "λ": weight, **dot([found])})
    if all(len({p["λ"] for p in line}) < 2 for line in points.values()):
        return []
    several = [p for line in points.values() for p in sorted(line, key=lambda p: p["λ"])]
    rows = [[p["method"], f"{p['λ']:g}", f"{p['drift']:.4f}", *(_share(p, m) for m in _MEASURES)] for p in several]
    title = f"## {task}, {study.steers[0]} steers: the retain term beside each method, one seed (exploratory)"
    return [title, _drawing(folder, f"{task}-held", several), table(_HEADS, rows)]


def _cells(study: Study, task: str) -> Iterator[tuple[str, float, Cell]]:
    """(method, λ, cell): as in the headline, with our retain term, and the ablations that change λ alone."""
    steers, seed = study.steers[0], study.seeds[0]
    for method in (*study.methods, *study.contenders):
        yield method, _weight(study.settings(method)), Cell("headline", task, method, steers, seed)
    for method, own in study.extra_methods.items():
        if "like" in own and "retain_weight" in own:
            yield str(own["like"]), float(own["retain_weight"]), Cell("exploratory", task, method, steers, 0)
    for label, changed in study.ablations.items():
        if set(changed) == {"retain_weight"}:
            cell = Cell("ablation", task, study.ablated, steers, 0, label=label)
            yield study.ablated, float(changed["retain_weight"]), cell


def _weight(settings: Mapping[str, Any]) -> float:
    """λ of a training: its own, else the loss's default."""
    default = find_loss(settings["loss_type"]).defaults.get("retain_weight", 0.0) if "loss_type" in settings else 0.0
    return float(settings.get("retain_weight", default))


def _share(point: Mapping[str, Any], measure: str) -> str:
    """With its interval; empty where nothing was measured."""
    ends = [100 * point[name] for name in (measure, f"{measure} low", f"{measure} high") if name in point]
    return "{:.0f}% [{:.0f}, {:.0f}]".format(*ends) if ends else ""


def _drawing(folder: Path, name: str, points: Sequence[Mapping[str, Any]]) -> str:
    """Both measures against drift on a logarithmic axis; the Markdown that shows the picture."""
    import altair as alt

    x = alt.X("drift:Q", title="drift on answers, nats per token", scale=alt.Scale(type="log"))
    panels: list[Any] = []
    for measure, title in _MEASURES.items():
        y = alt.Y(f"{measure}:Q", title=title, axis=alt.Axis(format="%"), scale=alt.Scale(domain=[0, 1]))
        colour = alt.Color("method:N", title=None)
        chart = alt.Chart(alt.Data(values=list(points))).encode(x=x, y=y, color=colour)
        words = chart.mark_text(dy=-9, fontSize=9).encode(text="λ:Q")
        panels.append(
            (chart.mark_line().encode(order="λ:Q") + chart.mark_circle(size=60) + words).properties(width=330)
        )
    alt.hconcat(*panels).save(folder / f"{name}.svg")
    return f"![Both measures against drift, a line a method; the numbers are λ]({name}.svg)"
