"""What counts as a win and which target is kept is decided by rules, from results that are written out here."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from midcourse.workflows.study import Cell, Study, write_tables
from midcourse.workflows.study.claims import claims, least_drift, verdict
from midcourse.workflows.study.statistics import Difference

PROMPTS = 30


@pytest.fixture
def study(tmp_path):
    return Study(tmp_path, tmp_path / "results", ("t",), seeds=(0, 1), more_seeds=(), steers=(100,))


def result(*, again: float, flawed: float, broken: int, tokens: int = 50, drift: float = 0.005):
    """Every second fork has the value and the others half of it, so that means are three quarters."""

    def at(value: float, n: int) -> float:
        return value if n % 2 else value / 2

    forks = [
        {"steer": f"s{n}", "prompt": f"p{n}", "steered": {"recurrence": at(again, n), "flawed": at(flawed, n)}}
        for n in range(PROMPTS)
    ]
    texts = [{"prompt": f"p{n}", "tokens": tokens, "broken": broken, "distinct_3": 0.9} for n in range(PROMPTS)]
    drifts = {"drift/kl_answers": {"steered": {"mean": drift}}}
    return {"forks": forks, "unsteered": {"texts": texts}, "metrics": drifts}


def keep(study, cell, value):
    path = study.results / cell.path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def row(said: list[str], *names: str) -> list[str]:
    lines = [line for part in said for line in part.splitlines() if all(name in line for name in names)]
    assert len(lines) == 1, lines
    return [cell.strip() for cell in lines[0].strip("|").split("|")]


def test_before_anything_ran_nothing_is_said(study):
    assert claims(study) == []


def test_the_primary_comparison_and_the_targets(study):
    keep(study, Cell("headline", "t", "base", 0, 0), result(again=0.9, flawed=0.9, broken=4))
    for seed in (0, 1):
        keep(study, Cell("headline", "t", "ours", 100, seed), result(again=0.2, flawed=0.4, broken=0, tokens=51))
        keep(study, Cell("headline", "t", "sft_full", 100, seed), result(again=0.6, flawed=0.6, broken=1))
        keep(study, Cell("headline", "t", "dpo_prefix", 100, seed), result(again=0.0, flawed=1.0, broken=0))
    said = claims(study)
    against = row(said, "same session", "sft_full")
    assert against[3] == "2 / 2"
    assert against[4].startswith("-30%")  # three quarters of 0.2 - 0.6
    assert against[5].startswith("-15%")
    assert against[-1] == "lower on both"
    assert row(said, "dpo_prefix")[-1] == "lower on one, **higher on one**"  # says nothing
    assert row(said, "own session", "sft_full")[-1] == "not run"
    assert row(said, "drift on answers")[1:] == ["0.0050", "0", "at most 0.01", "kept"]
    assert row(said, "broken rules")[1:3] == ["0.00 [0.00, 0.00]", "8.00 [8.00, 8.00]"]
    assert [row(said, name)[-1] for name in ("broken rules", "distinct", "tokens of a text")] == ["kept"] * 3


def test_the_method_of_the_package_is_compared_behind_ours(study):
    study = replace(study, methods={**study.methods, "fork": {"loss_type": "fork"}})
    keep(study, Cell("headline", "t", "base", 0, 0), result(again=0.9, flawed=0.9, broken=4))
    keep(study, Cell("headline", "t", "ours", 100, 0), result(again=0.4, flawed=0.4, broken=2))
    keep(study, Cell("headline", "t", "fork", 100, 0), result(again=0.2, flawed=0.2, broken=0))
    said = claims(study)
    (at,) = (n for n, part in enumerate(said) if part.startswith("## The same for `fork`"))
    assert row(said[:at], "same session", "fork")[-1] == "**higher on both**"
    assert row(said[at:], "same session", "ours")[-1] == "lower on both"
    assert row(said[:at], "broken rules")[-1] == "**missed**"
    assert row(said[at:], "broken rules")[-1] == "kept"


def test_the_comparison_with_fewer_steers_stands_behind_that_with_more(study):
    study = replace(study, steers=(100, 30))
    assert claims(study) == []
    for steers, again in ((100, 0.4), (30, 0.8)):
        keep(study, Cell("headline", "t", "ours", steers, 0), result(again=again, flawed=again, broken=0))
        keep(study, Cell("headline", "t", "sft_full", steers, 0), result(again=0.6, flawed=0.6, broken=1))
    said = claims(study)
    (at,) = (n for n, part in enumerate(said) if part == "### ours with 30 steers")
    assert row(said[:at], "same session", "sft_full")[-1] == "lower on both"
    assert row(said[at:], "same session", "sft_full")[-1] == "**higher on both**"


def test_what_was_found_later_is_compared_with_all_and_claims_nothing(study):
    study = replace(study, contenders={"late": {"like": "ours", "loss_type": "fork", "retain_discount": 1.0}})
    assert Cell("headline", "t", "late", 100, 0).path in {c.path for c in study.cells()}
    assert study.settings("late") == {**study.settings("ours"), "loss_type": "fork", "retain_discount": 1.0}
    keep(study, Cell("headline", "t", "base", 0, 0), result(again=0.9, flawed=0.9, broken=4))
    keep(study, Cell("headline", "t", "ours", 100, 0), result(again=0.4, flawed=0.4, broken=2))
    keep(study, Cell("headline", "t", "late", 100, 0), result(again=0.2, flawed=0.2, broken=0))
    said = claims(study)
    (at,) = (n for n, part in enumerate(said) if part.startswith("## `late`"))
    assert row(said[at:], "same session", "ours")[-1] == "lower on both"
    assert not any("late" in part for part in said[:at])


def test_a_target_that_is_missed_is_said_to_be(study):
    keep(study, Cell("headline", "t", "base", 0, 0), result(again=0.9, flawed=0.9, broken=4))
    keep(study, Cell("headline", "t", "ours", 100, 0), result(again=0.2, flawed=0.4, broken=1, tokens=30, drift=0.02))
    said = claims(study)
    assert [row(said, name)[-1] for name in ("drift", "broken rules", "tokens of a text")] == ["**missed**"] * 3
    assert row(said, "distinct")[-1] == "kept"


@given(st.lists(st.tuples(st.floats(0.001, 0.999), st.floats(0.001, 1.0)), min_size=1, max_size=20))
def test_no_model_that_breaks_so_much_less_can_have_moved_less(places):
    """At each place the base errs with chance p and the model with chance ρp; nothing else differs."""
    p, q = (np.array(x) for x in zip(*((p, p * rho) for p, rho in places), strict=True))
    moved = p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))
    assert least_drift(100 * p.mean(), q.sum() / p.sum()) <= moved.mean() + 1e-12


def test_ninety_per_cent_less_of_three_per_hundred_tokens(study):
    assert least_drift(3.0, 0.1) == pytest.approx(0.03 * (2.302585 - 0.9))
    assert least_drift(3.0, 1.0) == 0
    base = {**result(again=0.9, flawed=0.9, broken=4), "answers": {"broken_per_100_tokens": 3.0}}
    keep(study, Cell("headline", "t", "base", 0, 0), base)
    keep(study, Cell("headline", "t", "ours", 100, 0), result(again=0.2, flawed=0.4, broken=1))
    assert (
        "3.00 times per 100 tokens. A model that breaks them 90% less there has moved by at least 0.0421"
        in claims(study)[-1]
    )


@pytest.mark.parametrize(
    ("recurrence", "flawed", "said"),
    [
        ((-0.3, -0.1), (-0.3, -0.1), "lower on both"),
        ((-0.3, 0.1), (-0.3, -0.1), "lower on one"),
        ((-0.3, 0.1), (-0.1, 0.1), "no difference"),
        ((0.1, 0.3), (0.1, 0.2), "**higher on both**"),
        ((-0.3, -0.1), (0.1, 0.2), "lower on one, **higher on one**"),
    ],
)
def test_verdicts(recurrence, flawed, said):
    def between(low: float, high: float) -> Difference:
        return Difference((low + high) / 2, low, high, PROMPTS, 3)

    assert verdict(between(*recurrence), between(*flawed)) == said
    assert verdict(None, between(*flawed)) == "not run"


def test_they_stand_at_the_head_of_the_page(study, monkeypatch):
    monkeypatch.setattr("midcourse.workflows.study.tables.claims", lambda _: ["## The primary comparison"])
    page = write_tables(study, study.results).read_text()
    assert page.index("## The primary comparison") < page.index("## Not run")
