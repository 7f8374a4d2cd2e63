"""Tables of what is exploratory, from results as they are committed."""

import math
import re
from dataclasses import replace

import pytest

from midcourse.workflows.study.cell import Cell
from midcourse.workflows.study.cells import Study
from midcourse.workflows.study.tables import write_tables
from study_results import fork, found, keep


@pytest.fixture
def study(tmp_path):
    imported = {"steers": 300, "methods": ["ours", "sft_full"], "corpora": {"c": {"folds": 2}, "d": {}}}
    return Study(
        tmp_path, tmp_path / "results", ("task",), seeds=(0,), more_seeds=(), steers=(100,), extra_steers=(10,),
        in_prompt=8, imported=imported,
    )  # fmt: skip


def test_real_corrections_are_shown_over_all_folds_with_writers_as_clusters(study):
    for fold in range(2):
        alone = fork(100 + fold, 100 + fold, math.nan, math.nan)  # no rejected side
        alone["base"]["logp_chosen"] = alone["steered"]["logp_chosen"] = -5.0
        forks = [fork(10 * fold + n, 3 * fold + n // 2, -1.0, 0.5 if n else -3.0) for n in range(6)]
        keep(study, Cell("imported", "c", "ours", 300, fold), found([*forks, alone], likely=True))
        nothing = [fork(10 * fold + n, 3 * fold + n // 2, -1.0, -1.0) for n in range(6)]
        keep(study, Cell("imported", "c", "sft_full", 300, fold), found([*nothing, alone], likely=True))
    page = write_tables(study, study.results).read_text()
    assert "Real corrections: c, 300 steers" in page
    assert "Real corrections: d" not in page
    assert (
        "14 held-out steers; 12 of them, in 6 clusters, have a rejected side to compare with. Too few clusters" in page
    )
    assert "ours: the margin rose for 4 of 6 writers" in page
    row = next(line for line in page.splitlines() if line.startswith("| ours"))
    assert "83%" in row  # ten of twelve are the likelier side now
    assert "+0.79" in row  # of log π(chosen): ten rose by 1.5, two fell by 2, two stayed
    apart = page[page.index("| against | ours − it: likelier per token") :].splitlines()
    assert [line.split(" | ")[0] for line in apart[2:4]] == ["| base", "| sft_full"]
    assert all("**+83% [+" in line and "+0.92" in line for line in apart[2:4])
    assert "- `imported/d`: ours-300-0, sft_full-300-0" in page


@pytest.mark.long
def test_more_methods_and_numbers_of_steers_are_shown(study):
    forks = [fork(n, n, 1.0, -1.0) for n in range(4)]
    for steers in (10, 100):
        keep(study, Cell("headline", "task", "ours", steers, 0), found(forks))
    again = [fork(n, n, 1.0, 1.0 if n == 0 else -1.0) for n in range(4)]
    keep(study, Cell("exploratory", "task", "in_prompt", 100, 0), found(again, recurrence=0.1))
    page = write_tables(study, study.results).read_text()
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| in_prompt | 25%")]
    assert [[cell.split()[0] for cell in row[-2:]] for row in rows] == [["-25%", "-25%"]]  # ours - it, both measures
    assert "| recurrence | 10 steers | 100 steers |" in page
    assert (study.results / "task-steers.svg").is_file()
    assert re.search(r"- `same/task`: .*\bsft_full-10-0\b", page)


def test_a_fork_without_a_rejected_side_is_left_out(study):
    forks = [fork(0, 0, -1.0, 1.0), fork(1, 1, float("nan"), float("nan"))]
    keep(study, Cell("imported", "d", "ours", 300, 0), found(forks, likely=True))
    page = write_tables(study, study.results).read_text()
    assert "| ours | 100% [100, 100] | 100% [100, 100] | 1.00 [1.00, 1.00] |" in page


def test_what_a_method_cost_stands_beside_what_it_taught(study):
    for seed, drift in ((0, 0.005), (1, 0.015)):
        forks = [fork(n, n, -1.0, 1.0) for n in range(4)]
        study = replace(study, seeds=(0, 1))
        keep(study, Cell("headline", "task", "ours", 100, seed), found(forks, drift=drift))
    lines = write_tables(study, study.results).read_text().splitlines()
    learnt, cost = (line.split(" | ") for line in lines if line.startswith("| ours"))
    assert learnt[5].startswith("3.50 [")  # of 2, 3, 4 and 5 steers
    assert learnt[6].startswith("6.50 [")  # the first of them repeats itself and is charged 14
    assert cost[1:4] == ["0.0100, worst 0.0150"] * 3
    assert learnt[12].startswith("51.50 [")  # of 50 to 53 tokens
    assert cost[4:6] == ["75%", "0.80"]
