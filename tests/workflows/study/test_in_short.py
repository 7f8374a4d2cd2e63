"""The headline in few columns, from results that are written out here."""

import pytest

from midcourse.workflows.study.cell import Cell
from midcourse.workflows.study.cells import Study
from midcourse.workflows.study.in_short import in_short
from study_results import fork, found, keep


@pytest.fixture
def study(tmp_path):
    return Study(
        tmp_path, tmp_path / "results", ("t",), seeds=(0, 1), more_seeds=(), steers=(100, 30),
        contenders={"later": {"like": "fork"}},
    )  # fmt: skip


def rows(study, steers=100):
    lines = in_short(study, "t", steers).splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_before_anything_ran_there_is_a_head_alone(study):
    head, _ = rows(study)
    assert head[0] == "t, 100 steers"


def test_a_row_is_a_method_in_words_with_its_seeds_and_both_arms_are_there(study):
    good, bad = ([fork(n, n, 1.0, margin) for n in range(4)] for margin in (-1.0, 1.0))
    keep(study, Cell("headline", "t", "base", 0, 0), found(good))
    for seed, forks in enumerate((good, bad)):
        keep(study, Cell("headline", "t", "sft_full", 100, seed), found(forks, drift=0.25))
    keep(study, Cell("headline", "t", "later", 100, 0), found(good))
    keep(study, Cell("own", "t", "sft_full", 100, 1, "own"), found(bad))
    head, _, base, tuned, later, own = rows(study)
    assert head[2:] == [
        "error again",
        "or unsound",
        "steers a task",
        "broken per 100 tokens",
        "distinct 3-grams",
        "drift",
    ]
    assert base[:4] == ["base", "", "100% [100, 100]", "100%"]
    assert tuned[0] == "fine-tuning on the corrected texts (`sft_full`)"
    assert (tuned[1], tuned[2].split(" ")[0], tuned[3], tuned[-1]) == ("2", "50%", "50%", "0.2500")
    # The one text with fewer than half of its 3-grams differing is charged 14: (14 + 3 + 4 + 5) / 4.
    assert tuned[4] == "6.50"
    assert later[:2] == ["`later`", "1"]
    assert own[:3] == ["fine-tuning on rewritten answers (`sft_full`, own session)", "1", "100% [100, 100]"]


def test_what_was_not_counted_is_left_open(study):
    value = found([fork(n, n, 1.0, -1.0) for n in range(4)])
    del value["effort"]
    keep(study, Cell("budget", "t", "ours", 30, 0), value)
    _, _, ours = rows(study, 30)
    assert ours[:5] == ["**transfer** (`ours`)", "1", "0% [0, 0]", "0%", ""]
