"""The retain term beside each method, from results as they are committed."""

import pytest

from midcourse.workflows.study.cell import Cell
from midcourse.workflows.study.cells import Study
from midcourse.workflows.study.tables import write_tables
from study_results import fork, found, keep

FORKS = [fork(n, n, 1.0, 1.0 if n else -1.0) for n in range(4)]


@pytest.fixture
def study(tmp_path):
    methods = {"ours": {"loss_type": "transfer"}, "fork": {"retain_weight": 1.5}, "sft_full": {}}
    return Study(
        tmp_path, tmp_path / "results", ("task",), seeds=(0,), more_seeds=(), steers=(100,), ablated="fork",
        methods=methods, ablations={"retain 5": {"retain_weight": 5.0}, "no decay": {"decay": 1.0}},
        extra_methods={"sft_full_kl": {"like": "sft_full", "retain_weight": 5.0}, "dpop": {}},
    )  # fmt: skip


def test_a_method_under_several_weights_is_a_line(study):
    keep(study, Cell("headline", "task", "ours", 100, 0), found(FORKS, drift=0.04))
    keep(study, Cell("headline", "task", "fork", 100, 0), found(FORKS, drift=0.03))
    keep(study, Cell("ablation", "task", "fork", 100, 0, label="retain 5"), found(FORKS, drift=0.01))
    keep(study, Cell("ablation", "task", "fork", 100, 0, label="no decay"), found(FORKS, drift=0.02))
    keep(study, Cell("headline", "task", "sft_full", 100, 0), found(FORKS, drift=0.4))
    keep(study, Cell("exploratory", "task", "sft_full_kl", 100, 0), found(FORKS, drift=0.011))
    page = write_tables(study, study.results).read_text()
    part = page[page.index("the retain term beside each method") :]
    rows = [line.strip("| ").split(" | ") for line in part.splitlines() if line.startswith("| ")][2:7]
    assert [row[:3] for row in rows] == [
        ["ours", "5", "0.0400"],
        ["fork", "1.5", "0.0300"],
        ["fork", "5", "0.0100"],
        ["sft_full", "0", "0.4000"],
        ["sft_full", "5", "0.0110"],
    ]
    assert {row[3].split(" [")[0] for row in rows} == {"75%"}
    drawn = (study.results / "task-held.svg").read_text()
    assert "sft_full" in drawn


def test_one_weight_each_shows_nothing(study):
    keep(study, Cell("headline", "task", "fork", 100, 0), found(FORKS))
    keep(study, Cell("headline", "task", "sft_full", 100, 0), found(FORKS))
    assert "the retain term beside" not in write_tables(study, study.results).read_text()
