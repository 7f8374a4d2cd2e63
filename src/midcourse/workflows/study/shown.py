"""How results of cells are shown: means with intervals, the columns every method has, tables and drawings.

Values in, Markdown and pictures out; it knows neither which cells there are nor where they are kept.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from midcourse.workflows.effort import DISTINCT
from midcourse.workflows.study.statistics import Difference, over_seeds

__all__ = [
    *("COSTS", "NAMES", "Found", "apart", "by_fork", "by_text", "costs", "curves", "dot", "dots", "measures"),
    *("percent", "plain", "table"),
]

Found = list[dict[str, Any]]
"""Results of one method, one for each seed."""
NAMES = (
    *("recurrence", "again or unsound", "steers to finish", "… repetitive texts charged", "broken per 100 tokens"),
    *("Δ log π(chosen)", "drift on answers", "sound", "distinct 3-grams", "tokens"),
)
"""Heads of what `measures` gives."""
COSTS = ("drift where let stand", "on answers", "on prose", "own samples: ended", "distinct 3-grams", "tokens")
"""Heads of what `costs` gives."""


def measures(found: Found, who: str, recurrence: Difference | None) -> list[str]:
    """The cells of a row.

    Args:
        found: Of one method.
        who: `base` or `steered`.
        recurrence: With its interval.
    """

    def mean(read: Callable[[dict[str, Any]], float]) -> float:
        return float(np.mean([read(f) for f in found]))

    change = [f["metrics"]["logp_chosen"]["change"] for f in found]
    return [
        percent(recurrence),
        percent(over_seeds(by_fork(found, who, "flawed"))),
        plain(over_seeds(_by_task(found))),
        plain(over_seeds(_by_task(found, DISTINCT))),
        f"{mean(lambda f: f['unsteered']['broken_per_100_tokens']):.2f}",
        "" if None in change else f"{np.mean([c['mean'] for c in change]):+.2f}",
        f"{mean(lambda f: f['metrics']['drift/kl_answers'][who]['mean']):.4f}",
        f"{mean(lambda f: f['metrics']['valid'][who]['mean']):.0%}",
        plain(over_seeds(by_text(found, itemgetter("distinct_3")))),
        plain(over_seeds(by_text(found, itemgetter("tokens")))),
    ]


def costs(found: Found, who: str) -> list[str]:
    """What the text of a method lost, as cells of a row: drift, of the mean and of the worst seed, and own samples
    where it wrote any.

    Args:
        found: Of one method.
        who: `base` or `steered`.
    """
    cells = []
    for kind in ("kl_retained", "kl_answers", "kl_text"):
        each = [f["metrics"][f"drift/{kind}"][who]["mean"] for f in found]
        worst = f", worst {max(each):.4f}" if len(each) > 1 else ""
        cells.append(f"{np.mean(each):.4f}{worst}")
    own = [f["collapse"][who] for f in found if who in f["collapse"]]
    shown = (("ended", ".0%"), ("distinct_3", ".2f"), ("tokens", ".0f"))
    return cells + [format(np.mean([c[name] for c in own]), how) if own else "" for name, how in shown]


def by_text(found: Found, read: Callable[[dict[str, Any]], float]) -> list[dict[str, tuple[str, float]]]:
    """For each seed: prompt of a text that nobody steered -> (prompt, value); prompts are the clusters."""
    return [{t["prompt"]: (t["prompt"], float(read(t))) for t in f["unsteered"]["texts"]} for f in found]


def _by_task(found: Found, distinct: float = 0.0) -> list[dict[str, tuple[str, float]]]:
    """For each seed: prompt of a task -> (prompt, steers charged); the cap where fewer 3-grams are distinct."""

    def charged(task: dict[str, Any], cap: int) -> float:
        return float(task["charged"] if task["distinct_3"] >= distinct else cap)

    efforts = [f["effort"] for f in found if "effort" in f]
    return [{t["prompt"]: (t["prompt"], charged(t, e["cap"])) for t in e["tasks"]} for e in efforts]


def by_fork(
    found: Found,
    who: str = "steered",
    measure: str = "recurrence",
    read: Callable[[float], float] = lambda value: value,
) -> list[dict[str, tuple[str, float]]]:
    """For each seed: fork -> (prompt, value); a fork at which nothing was measured is left out."""
    return [
        {
            x["steer"]: (x["prompt"], read(float(value)))
            for x in f["forks"]
            if (value := x.get(who, {}).get(measure)) is not None and math.isfinite(value)
        }
        for f in found
    ]


def percent(value: Difference | None, sign: str = "") -> str:
    """A share with its interval."""
    if value is None:
        return ""
    return f"{100 * value.mean:{sign}.0f}% [{100 * value.low:{sign}.0f}, {100 * value.high:{sign}.0f}]"


def plain(value: Difference | None, sign: str = "") -> str:
    """A number with its interval."""
    return "" if value is None else f"{value.mean:{sign}.2f} [{value.low:{sign}.2f}, {value.high:{sign}.2f}]"


def apart(value: Difference | None, shown: Callable[..., str] = percent) -> str:
    """A difference with its sign, bold where its interval leaves out nought."""
    said = shown(value, sign="+")
    return f"**{said}**" if value is not None and (value.low > 0 or value.high < 0) else said


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def dot(found: Found, who: str = "steered") -> dict[str, float]:
    """Where a method stands in `dots`, with intervals."""
    at = {"drift": float(np.mean([f["metrics"]["drift/kl_answers"][who]["mean"] for f in found]))}
    for name in ("recurrence", "flawed"):
        share = over_seeds(by_fork(found, who, name))
        if share is not None:
            at |= {name: share.mean, f"{name} low": share.low, f"{name} high": share.high}
    return at


def dots(folder: Path, name: str, values: Sequence[Mapping[str, Any]]) -> str:
    """Recurrence, and again or unsound, against drift: one mark a method with its 95% interval. A model that is
    destroyed is low on the left and high on the right. Returns the Markdown that shows the picture."""
    if not values:
        return ""
    import altair as alt

    # As good as a logarithm beyond 0.02, and the base has none.
    near = alt.Scale(type="symlog", constant=0.02, domain=[0, 1.1 * max(v["drift"] for v in values) or 1.0], nice=False)
    ticks = alt.Axis(values=[0, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2], format="~g")
    x = alt.X("drift:Q", title="drift on answers, nats per token", scale=near, axis=ticks)
    name_of = {"title": None, "scale": alt.Scale(domain=[str(v["method"]) for v in values])}
    shape, colour = alt.Shape("method:N", **name_of), alt.Color("method:N", **name_of)
    panels = []
    for measure, title in (("recurrence", "the error is made again"), ("flawed", "made again, or no sound text")):
        y = alt.Y(f"{measure}:Q", title=title, axis=alt.Axis(format="%"), scale=alt.Scale(domain=[0, 1]))
        chart = alt.Chart(alt.Data(values=list(values))).encode(x=x, y=y)
        bars = chart.mark_rule(opacity=0.5).encode(y=f"{measure} low:Q", y2=f"{measure} high:Q")
        # Open marks: where two lie on each other both are seen.
        marks = chart.mark_point(size=70, strokeWidth=2, opacity=1).encode(shape=shape, color=colour)
        panels.append((bars + marks).properties(width=330, height=300))
    alt.hconcat(*panels).save(folder / f"{name}.svg")
    return f"![Recurrence, and again or unsound, against drift]({name}.svg)"


def curves(folder: Path, name: str, values: Sequence[Mapping[str, Any]]) -> str:
    """Recurrence against the number of steers, a line a method; the Markdown that shows the picture."""
    if len({v["steers"] for v in values}) < 2:
        return ""
    import altair as alt

    ran = sorted({v["steers"] for v in values})
    chart = alt.Chart(alt.Data(values=list(values))).encode(
        x=alt.X(
            "steers:Q", title="steers", scale=alt.Scale(type="log", nice=False, padding=20), axis=alt.Axis(values=ran)
        ),
        y=alt.Y("recurrence:Q", title="recurrence", axis=alt.Axis(format="%")),
        color=alt.Color("method:N", title=None),
    )
    (chart.mark_line() + chart.mark_circle(size=50)).properties(width=460, height=260).save(folder / f"{name}.svg")
    return f"![Recurrence against the number of steers]({name}.svg)"
