"""Draw the plots of docs/tuning.md from the results that are committed in benchmarks/results.

    python benchmarks/tuning_plots.py           # writes docs/plots/*.svg
    python benchmarks/tuning_plots.py --check   # exit 1 where a plot is not the committed results'

Nothing is run here: tuning_runs.py makes tuning.json, `midcourse eval` and record_run.py make the others.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import altair as alt
import vl_convert

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PLOTS = ROOT / "docs" / "plots"
COLORS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7"]
"""Told apart by colour-blind readers too (Okabe and Ito)."""
EVALUATED = {"demo_four": "max_drift 0.01", "demo_no_budget": "no max_drift"}


def load(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return found


def curves(title: str, arms: list[str], measures: dict[str, str]) -> alt.Chart:
    """One panel a measure, one line an arm, over passes; all begin at 0, where the policy is the base."""
    found = load("tuning")["arms"]
    others = iter(COLORS[1:])
    colors = [COLORS[0] if arm == "defaults" else next(others) for arm in arms]
    panels = []
    for key, name in measures.items():
        rows = [{"passes": 0.0, "value": 0.0, "run": arm} for arm in arms]
        rows += [
            {"passes": h["epoch"], "value": h[key], "run": arm} for arm in arms for h in found[arm]["log"] if key in h
        ]
        panels.append(
            alt.Chart(alt.Data(values=rows), title=alt.Title(name, fontSize=12, anchor="start"))
            .mark_line(point=True)
            .encode(
                x=alt.X("passes:Q", title="passes over the data", axis=alt.Axis(tickMinStep=1, format="d")),
                y=alt.Y("value:Q", title="nats" + (" per token" if "drift" in key else "")),
                color=alt.Color("run:N", sort=arms, title=None, scale=alt.Scale(domain=arms, range=colors)),
            )
            .properties(width=270, height=180)
        )
    return alt.hconcat(*panels, title=alt.Title(title, fontSize=14, anchor="start"))


def budget() -> alt.Chart:
    """What each run of the demo gained and what it cost, on its test part, with 95% intervals."""
    rows = []
    for name, label in EVALUATED.items():
        metrics = {m["name"]: m["values"] for m in load(name)["metrics"]}
        for who in metrics["recurrence"]:
            gain, cost = metrics["recurrence"][who], metrics["drift/kl_answers"][who]
            row = {"run": "base" if who == "base" else label, "recurrence": gain["mean"], "drift": cost["mean"]}
            row |= {"low": gain["low"], "high": gain["high"], "least": cost["low"], "most": cost["high"]}
            rows.append(row)
    names = ["base", *EVALUATED.values()]
    chart = alt.Chart(alt.Data(values=rows)).encode(
        color=alt.Color("run:N", sort=names, title=None, scale=alt.Scale(domain=names, range=["#666666", *COLORS]))
    )
    x = alt.X("drift:Q", title="drift on answers to unrelated prompts, nats per token")
    y = alt.Y("recurrence:Q", title="the error is made again", axis=alt.Axis(format="%"), scale=alt.Scale(zero=False))
    bound = alt.Chart(alt.Data(values=[{"x": 0.01}])).mark_rule(strokeDash=[4, 4], color="#666666").encode(x="x:Q")
    whiskers = chart.mark_rule().encode(x=x, y=alt.Y("low:Q"), y2="high:Q") + chart.mark_rule().encode(
        x=alt.X("least:Q"), x2="most:Q", y=y
    )
    title = alt.Title("The demo with and without a drift budget", fontSize=14, anchor="start")
    return (bound + whiskers + chart.mark_circle(size=90, opacity=1).encode(x=x, y=y)).properties(
        title=title, width=420, height=220
    )


DEV = {"eval_rewards/margins": "margin times β, dev", "eval_drift/kl_retained": "drift/kl_retained, dev"}
RAW = {
    "eval_logps/chosen_delta": "log π(chosen) against the base, dev",
    "eval_drift/kl_retained": DEV["eval_drift/kl_retained"],
}
DRAWN = {
    "retain": lambda: curves("With and without the retain term", ["defaults", "retain_weight 0"], DEV),
    "learning_rate": lambda: curves("Learning rate", ["learning_rate 1e-5", "defaults", "learning_rate 1e-3"], RAW),
    "sft": lambda: curves("With likelihood on the chosen words", ["defaults", "sft_weight 1"], RAW),
    "beta": lambda: curves("How sharply sides are told apart", ["beta 0.1", "defaults", "beta 2"], RAW),
    "budget": budget,
}


def svg(chart: alt.Chart) -> str:
    spec = chart.configure(background="white").configure_view(stroke=None).configure_axis(gridColor="#e5e5e5")
    return vl_convert.vegalite_to_svg(spec.to_json()) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where a plot is out of date")
    check = parser.parse_args().check
    stale = []
    PLOTS.mkdir(exist_ok=True)
    for name, drawn in DRAWN.items():
        path, text = PLOTS / f"{name}.svg", svg(drawn())
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            stale.append(path.name)
            if not check:
                path.write_text(text, encoding="utf-8")
    print(", ".join(stale) if stale else "all plots are the committed results'")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
