"""What the rounds of a loop came to: a table, a picture and a text of each, so that no gain stands without its price.

Made from values and from the reports that the rounds left; it runs nothing.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from midcourse.evaluate.intervals import ENOUGH
from midcourse.workflows.effort import Efforts
from midcourse.workflows.tasks import Task

__all__ = ["Round", "write_rounds"]

_HEAD = ("round", "steers trained on", "minutes paid", "steers per task", "against the base", "really made", "finished")
_PRICE = ("tokens", "distinct 3-grams", "drift on answers", "recurrence at the base's forks")
_SHOWN = 240
"""Characters of a text."""


@dataclass(frozen=True)
class Round:
    """What one round came to."""

    number: int
    """0 is the base."""
    trained_on: int
    """Steers so far."""
    efforts: Efforts
    paid: float
    """Seconds a person would have paid for the steers so far."""
    report: Path | None = None
    """Folder of its evaluation; None where it was not evaluated."""

    @cached_property
    def evaluated(self) -> dict[str, Any] | None:
        """What the evaluation found."""
        if self.report is None:
            return None
        found: dict[str, Any] = json.loads((self.report / "eval.json").read_text(encoding="utf-8"))
        return found

    def metric(self, name: str, who: int = -1) -> dict[str, Any] | None:
        """One figure of its adapter (or, 0, of the base) with its interval."""
        for metric in (self.evaluated or {}).get("metrics", ()):
            if metric["name"] == name:
                value: dict[str, Any] | None = list(metric["values"].values())[who]
                return value
        return None


def write_rounds(task: Task, found: Sequence[Round], folder: Path) -> Path:
    """`loop.md`, a line a round, with `loop.svg` and a text of each round; returns the page.

    Args:
        task: Names what was asked and says whether somebody else than the rules judged.
        found: The base and the rounds so far.
        folder: Where both are put.
    """
    base = found[0].efforts
    lines = [f"# {task.name}: steers needed per unseen task", "", *_table(found)]
    lines += ["", f"{len(base.tasks)} unseen tasks; one that was not finished is charged {base.cap} steers."]
    lines[-1] += " Those really made leave that charge out."
    if len(base.tasks) < ENOUGH:
        lines.append(f"Too few for a claim, which needs {ENOUGH}.")
    if task.counter is None:
        lines.append("Judged by the rules that steered: the task names no `counter` of its own.")
    if len(found) > 1:
        _draw(found, folder / "loop.svg")
        lines += ["", "![Steers per unseen task, and drift, by round](loop.svg)"]
    if texts := _texts(found):
        lines += ["", "What each writes on the first of them, when nobody steers:", "", *texts]
    page = folder / "loop.md"
    page.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return page


def _table(found: Sequence[Round]) -> list[str]:
    rows = [[*_HEAD, *_PRICE], ["---"] * (len(_HEAD) + len(_PRICE))]
    base = found[0].efforts.mean().mean
    evaluated = next((r for r in found if r.evaluated), None)
    for r in found:
        mean, said = r.efforts.mean(), r.efforts.to_dict()
        ratio = f"{base / mean.mean:.1f}x fewer" if mean.mean else "none needed"
        again = r.metric("recurrence") if r.number or evaluated is None else evaluated.metric("recurrence", 0)
        drift = r.metric("drift/kl_answers")
        rows.append(
            [
                f"{r.number or 'base'}",
                f"{r.trained_on if r.number else 0}",
                f"{r.paid / 60 if r.number else 0:.0f}",
                f"{mean.mean:.2f} [{mean.low:.2f}, {mean.high:.2f}]",
                ratio if r.number else "",
                f"{sum(t.steers for t in r.efforts.tasks) / len(r.efforts.tasks):.2f}",
                f"{said['finished']:.0%}",
                f"{said['tokens']:.0f}",
                f"{said['distinct_3']:.2f}",
                ("" if drift is None else f"{drift['mean']:.4f}") if r.number else "0",
                "" if again is None else f"{again['mean']:.0%} [{100 * again['low']:.0f}, {100 * again['high']:.0f}]",
            ]
        )
    return [f"| {' | '.join(row)} |" for row in rows]


def _draw(found: Sequence[Round], path: Path) -> None:
    """Steers per task with intervals, and beside it what they cost: drift, where the rounds were evaluated."""
    import altair as alt

    steers = [
        {"round": r.number, "mean": m.mean, "low": m.low, "high": m.high} for r in found for m in [r.efforts.mean()]
    ]
    drifts = [
        {"round": r.number, "mean": m["mean"], "low": m["low"], "high": m["high"]}
        for r in found
        if (m := r.metric("drift/kl_answers")) is not None
    ]
    if drifts:
        drifts.insert(0, {"round": 0, "mean": 0.0, "low": 0.0, "high": 0.0})
    panels = []
    for values, title in ((steers, "steers per unseen task"), (drifts, "drift on answers, nats per token")):
        if not values:
            continue
        x = alt.X("round:O", title="round (0: the base)", axis=alt.Axis(labelAngle=0))
        chart = alt.Chart(alt.Data(values=values)).encode(x=x, y=alt.Y("mean:Q", title=title))
        bars = chart.mark_rule(opacity=0.5).encode(y=alt.Y("low:Q", title=title), y2="high:Q")
        panels.append((chart.mark_line() + bars + chart.mark_circle(size=60)).properties(width=260, height=220))
    alt.hconcat(*panels).save(path)


def _texts(found: Sequence[Round]) -> list[str]:
    lines: list[str] = []
    for r in found:
        written = (r.evaluated or {}).get("written") or []
        if not written:
            continue
        base, own = (" ".join(text.split())[:_SHOWN] for text in list(written[0]["texts"].values())[:2])
        lines += [] if lines else [f"- asked: {' '.join(written[0]['prompt'].split())}", f"- base: {base}…"]
        lines.append(f"- round {r.number}: {own}…")
    return lines
