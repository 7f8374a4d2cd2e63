"""docs/tuning.md: its plots are drawn from committed results, its settings exist."""

import dataclasses
import importlib.util
import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "tuning.md").read_text(encoding="utf-8")
PLOTS = sorted((ROOT / "docs" / "plots").glob("*.svg"))
TUNING = json.loads((ROOT / "benchmarks" / "results" / "tuning.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def drawing() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tuning_plots", ROOT / "benchmarks" / "tuning_plots.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_plot_is_shown_and_every_shown_plot_is_there(drawing: ModuleType) -> None:
    shown = set(re.findall(r"\]\(plots/(\w+)\.svg\)", PAGE))
    assert shown == {path.stem for path in PLOTS} == set(drawing.DRAWN)


@pytest.mark.parametrize("path", PLOTS, ids=lambda p: p.stem)
def test_a_plot_is_a_drawing_with_words(path: Path) -> None:
    root = ET.fromstring(path.read_text(encoding="utf-8"))
    words = {e.text for e in root.iter("{http://www.w3.org/2000/svg}text")}
    assert len(words) > 5


def test_a_plot_holds_what_was_measured(drawing: ModuleType) -> None:
    spec = drawing.DRAWN["retain"]().to_dict()
    rows = [row for panel in spec["hconcat"] for row in panel["data"]["values"]]
    measured = [h["eval_drift/kl_retained"] for h in TUNING["arms"]["retain_weight 0"]["log"] if "eval_loss" in h]
    assert len(measured) == TUNING["epochs"]
    assert {row["value"] for row in rows if row["run"] == "retain_weight 0"} >= set(measured)


def test_other_results_give_another_plot(drawing: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    before = drawing.svg(drawing.DRAWN["retain"]())
    changed = json.loads(json.dumps(TUNING).replace('"eval_rewards/margins": 0.', '"eval_rewards/margins": 1.'))
    monkeypatch.setattr(drawing, "load", lambda name: changed)
    assert drawing.svg(drawing.DRAWN["retain"]()) != before


def test_the_page_names_settings_that_exist() -> None:
    from midcourse import SteerConfig

    known = {f.name for f in dataclasses.fields(SteerConfig)}
    table = [line.split("|") for line in PAGE.splitlines() if line.startswith("| ")][1:]
    named = {name for line in table for name in re.findall(r"`(?:--)?(\w+)`", line[3])}
    assert named <= known
    assert {name for arm in TUNING["arms"].values() for name in arm["settings"]} <= known


def test_the_defaults_that_have_reasons_are_the_defaults() -> None:
    from midcourse import SteerConfig
    from midcourse.objective import LossSettings
    from midcourse.objective.registry import find_loss

    part = PAGE.split("## Why the defaults")[1].split("\n## ")[0]
    told = dict(re.findall(r"^\| `(\w+)` \| `?([\w.-]+)`? \|", part, re.MULTILINE))
    ours = {f.name: f.default for f in dataclasses.fields(SteerConfig)}
    loss = {**dataclasses.asdict(LossSettings()), **find_loss("fork").defaults}
    ours |= {name: value for name, value in loss.items() if ours.get(name, 0) is None}
    assert len(told) > 8
    assert {name: _read(value) for name, value in told.items()} == {name: ours[name] for name in told}


def _read(value: str) -> bool | float | str | None:
    if value in ("true", "false"):
        return value == "true"
    if value == "None":
        return None
    return float(value) if value[0].isdigit() else value


def test_the_pages_count_of_steers_is_the_runs() -> None:
    assert f"{TUNING['arms']['defaults']['steers']} steers" in PAGE


def test_the_pages_error_of_a_plan_is_the_measured_one() -> None:
    found = json.loads((ROOT / "benchmarks" / "results" / "plan_error.json").read_text(encoding="utf-8"))["variants"]
    plain, checkpointed = found["defaults"], found["activation_checkpointing"]
    time = f"{-plain['time_off']:.0%} too short, and {-checkpointed['time_off']:.0%} with activation checkpointing"
    assert time in PAGE
    assert f"memory {plain['memory_off']:.0%} and {checkpointed['memory_off']:.0%} too much" in " ".join(PAGE.split())
