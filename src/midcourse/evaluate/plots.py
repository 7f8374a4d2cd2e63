"""Static drawings for the report: SVG text that takes its colours from the page, so it reads in light and in dark.

Altair draws the charts and vl-convert renders them without a browser and without a network; the tree is drawn by
hand. Everything that comes from data is escaped.
"""

import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

import numpy as np

from midcourse.evaluate.results import Drawn, Results

__all__ = ["curve_svg", "drift_svg", "margins_svg", "tree_svg"]

# Stand-ins that a chart is drawn with and that the page's own colours replace afterwards.
INK, FAINT = "#010203", "#040506"
SERIES = ("#070809", "#0a0b0c", "#0d0e0f", "#101112")
_PAGE = {INK: "var(--ink)", FAINT: "var(--line)"} | {c: f"var(--series-{i})" for i, c in enumerate(SERIES)}


def margins_svg(results: Results) -> str:
    """Margin per token at each held-out steer, sorted by the base's: one dot a model, a line from the base."""
    rows = [f for f in results.forks if np.isfinite(f.measures["base"]["margin"])]
    rows = sorted(rows, key=lambda f: f.measures["base"]["margin"])
    data = [
        {"steer": i + 1, "model": v, "margin": f.measures[v]["margin"], "base": f.measures["base"]["margin"]}
        for i, f in enumerate(rows)
        for v in results.variants
    ]
    if not data:
        return ""
    import altair as alt

    x = alt.X(
        "steer:Q", title="held-out steers, sorted by the base", axis=alt.Axis(labels=False, ticks=False, grid=False)
    )
    y = alt.Y("margin:Q", title="nats per token")
    chart = alt.Chart(alt.Data(values=data))
    lines = chart.mark_rule(opacity=0.45).encode(
        x=x, y=y, y2="base:Q", color=_color(results.variants), strokeWidth=alt.value(1.2)
    )
    dots = chart.mark_circle(size=34, opacity=1).encode(x=x, y=y, color=_color(results.variants))
    zero = alt.Chart(alt.Data(values=[{"y": 0}])).mark_rule(color=INK, strokeDash=[3, 3]).encode(y="y:Q")
    return _render(zero + lines + dots, 620, 240, "Margin of the corrected over the rejected side at each steer")


def curve_svg(log: Sequence[dict[str, Any]], title: str) -> str:
    """Learning curves of one run: loss, margin and drift over steps, those that the log has."""
    wanted = {
        "loss": "loss", "rewards/margins": "margin", "rewards/accuracies": "accuracy", "drift/kl": "drift (KL)",
        "logps/chosen_delta": "log π(chosen), change", "eval_rewards/margins": "margin, dev",
        "eval_drift/kl": "drift (KL), dev", "eval_loss": "loss, dev",
    }  # fmt: skip
    import altair as alt

    charts = []
    for key, name in wanted.items():
        data = [{"step": e["step"], "y": e[key]} for e in log if "step" in e and isinstance(e.get(key), int | float)]
        if len(data) > 1:
            charts.append(
                alt.Chart(alt.Data(values=data), title=alt.Title(name, color=INK, fontSize=12, anchor="start"))
                .mark_line(color=SERIES[1], strokeWidth=2, interpolate="monotone")
                .encode(x=alt.X("step:Q", title=None), y=alt.Y("y:Q", title=None, scale=alt.Scale(zero=False)))
                .properties(width=170, height=100)
            )
    return _render(alt.concat(*charts, columns=3), None, None, title) if charts else ""


def drift_svg(results: Results) -> str:
    """The three drifts of each adapter with their intervals, beside the budget of 0.01 nats."""
    names = {"drift/kl_retained": "let stand", "drift/kl_answers": "other prompts", "drift/kl_text": "prose"}
    data = [
        {"where": where, "model": a, "kl": v.mean, "low": v.low, "high": v.high}
        for name, where in names.items()
        for a in results.adapters
        if (v := results.metric(name).values.get(a)) is not None
    ]
    if not data:
        return ""
    import altair as alt

    chart = alt.Chart(alt.Data(values=data))
    y = alt.Y("where:N", title=None, sort=list(names.values()))
    offset = alt.YOffset("model:N", sort=list(results.adapters))
    color = _color(results.variants, shown=results.adapters)
    x = alt.X("kl:Q", title="KL from the base, nats per token", axis=alt.Axis(tickCount=5))
    bars = chart.mark_bar(opacity=0.85).encode(x=x, y=y, yOffset=offset, color=color)
    whisker = chart.mark_rule(color=INK).encode(x="low:Q", x2="high:Q", y=y, yOffset=offset)
    budget = alt.Chart(alt.Data(values=[{"x": 0.01}])).mark_rule(color=INK, strokeDash=[3, 3]).encode(x="x:Q")
    return _render(bars + whisker + budget, 560, 60 + 40 * len(results.adapters), "Drift; the dashed line is 0.01 nats")


def tree_svg(drawn: Drawn) -> str:
    """The tree of one trajectory: the kept text as the trunk, what was turned down as branches that end."""
    total = sum(s.tokens for s in drawn.segments) or 1
    width, x0, y0 = 640.0, 12.0, 26.0
    scale = (width - 2 * x0) / max(total, 1)
    parts, lanes, x = [], [-1e9] * 6, x0
    for n, s in enumerate(drawn.segments):
        end = x + s.tokens * scale
        if s.rejected:
            lane = min(range(len(lanes)), key=lambda i: (x < lanes[i] + 10, lanes[i] if x < lanes[i] + 10 else i))
            tip = x + 10 + max(14.0, s.rejected_tokens * scale)
            lanes[lane] = tip
            y = y0 + 26 + lane * 17
            label = escape(" / ".join(r.strip() for r in s.rejected)[:200])
            parts.append(
                f'<path class="rejected" d="M{x:.1f} {y0} C{x:.1f} {y:.1f} {x + 2:.1f} {y:.1f} {x + 10:.1f} {y:.1f} '
                f'H{min(tip, width - 6):.1f}"><title>turned down: {label}</title></path>'
                f'<circle class="end" cx="{min(tip, width - 6):.1f}" cy="{y:.1f}" r="2.6"/>'
            )
        title = escape(
            f"{'put by the person' if s.author == 'person' else 'written by the model'}: {s.text.strip()[:200]}"
        )
        parts.append(
            f'<path class="{"person" if s.author == "person" else "model"}" '
            f'd="M{x:.1f} {y0} H{max(end, x + 3):.1f}"><title>{title}</title></path>'
        )
        if s.rejected or n == 0:
            parts.append(f'<circle class="fork" cx="{x:.1f}" cy="{y0}" r="3.2"/>')
        x = end
    used = max((i for i, lane in enumerate(lanes) if lane > 0), default=-1)
    height = y0 + 26 + max(used, 0) * 17 + 14
    return (
        f'<svg class="tree" viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-label="Tree of the trajectory">'
        + "".join(parts)
        + "</svg>"
    )


def _color(variants: Sequence[str], shown: Iterable[str] | None = None) -> Any:
    """Each model's own colour; the legend names those that are `shown`."""
    import altair as alt

    return alt.Color(
        "model:N",
        scale=alt.Scale(domain=list(variants), range=[SERIES[i % len(SERIES)] for i in range(len(variants))]),
        legend=alt.Legend(
            title=None, orient="top", labelColor=INK, labelLimit=400, values=list(variants if shown is None else shown)
        ),
    )


def _render(chart: Any, width: int | None, height: int | None, label: str) -> str:
    import vl_convert

    if width is not None:
        chart = chart.properties(width=width, height=height)
    chart = chart.configure(background="transparent", font="sans-serif").configure_view(stroke=None).configure_axis(
        labelColor=INK, titleColor=INK, gridColor=FAINT, domainColor=FAINT, tickColor=FAINT, titleFontWeight="normal",
        labelFontSize=11, titleFontSize=12,
    )  # fmt: skip
    svg: str = vl_convert.vegalite_to_svg(chart.to_json())
    svg = re.sub(r"<\?xml[^>]*>|<!DOCTYPE[^>]*>", "", svg)
    for stand_in, variable in _PAGE.items():
        svg = re.sub(rf'(fill|stroke)="{stand_in}"', rf'style="\1:{variable}"', svg, flags=re.IGNORECASE)
    head = re.match(r"\s*<svg[^>]*>", svg)
    if head is not None:  # scale with the page instead of a fixed size
        fluid = re.sub(r'\s(width|height)="[^"]*"', "", head.group())
        natural = re.search(r'\swidth="([\d.]+)"', head.group())
        size = f' style="max-width:{float(natural.group(1)):.0f}px"' if natural else ""
        svg = fluid[:-1] + f'{size} role="img" aria-label="{escape(label)}">' + svg[head.end() :]
    return svg
