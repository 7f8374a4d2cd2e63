"""What each change is worth, from results as they are committed."""

import re
from dataclasses import replace

import pytest

from midcourse.errors import InputError
from midcourse.workflows.study.cell import Cell
from midcourse.workflows.study.cells import Study
from midcourse.workflows.study.tables import write_tables
from study_results import fork, found, keep


@pytest.fixture
def study(tmp_path):
    return Study(
        tmp_path, tmp_path / "results", ("task",), seeds=(0,), more_seeds=(), steers=(100,), ablated="fork",
        ablations={"no retain": {"retain_weight": 0.0}, "no decay": {"decay": 1.0}},
        variations={"late": {"texts": {"habits": "late=4"}}},
    )  # fmt: skip


def again(*at: int, drift: float = 0.005):
    """Four forks on four prompts; at these the error is made again."""
    return found([fork(n, n, 1.0, 1.0 if n in at else -1.0) for n in range(4)], drift=drift)


def test_each_change_is_shown_against_what_it_changes(study):
    keep(study, Cell("headline", "task", "fork", 100, 0), again())
    keep(study, Cell("ablation", "task", "fork", 100, 0, label="no retain"), again(0, 1, 2, 3, drift=0.5))
    keep(study, Cell("ablation", "task", "fork", 100, 0, label="late"), again(0))
    page = write_tables(study, study.results).read_text()
    rows = {line.split(" | ")[0][2:]: line.split(" | ") for line in page.splitlines() if line.startswith("| ")}
    head = rows["changed"]
    assert head[-2:] == ["it − fork, recurrence", "it − fork, again or unsound |"]
    assert not {"steers to finish", "… repetitive texts charged"} & set(head)
    assert rows["nothing (fork, seed 0)"][1:3] == ["1", "0% [0, 0]"]
    assert rows["no retain"][-2:] == ["**+100% [+100, +100]**", "**+100% [+100, +100]** |"]
    assert re.fullmatch(r"\+25% \[\+0, \+75\]", rows["late"][-2])  # may be nought: not bold
    assert "no decay" not in rows
    drawn = (study.results / "task-ablations.svg").read_text()
    assert all(word in drawn for word in ("no retain", "late", "difference, again or unsound", "drift on answers"))


def test_without_what_is_changed_it_is_shown_and_compared_with_nothing(study):
    keep(study, Cell("ablation", "task", "fork", 100, 0, label="late"), again(0))
    page = write_tables(study, study.results).read_text()
    late = next(line for line in page.splitlines() if line.startswith("| late |"))
    assert late.split(" | ")[2].startswith("25% [")
    assert late.endswith(" |  |  |")
    assert "ablations.svg" not in page


def test_what_is_asked_again_runs_on_the_other_task_with_its_seeds(study):
    study = replace(study, headline=("task", "other"), seeds=(0, 1, 2), asked_again={"no decay": 2})
    again_cells = [c for c in study.cells() if c.stage == "ablation" and c.task == "other"]
    assert [(c.label, c.seed, c.settings["decay"]) for c in again_cells] == [("no decay", 0, 1.0), ("no decay", 1, 1.0)]
    for seed, at in ((0, (0,)), (1, (0, 1))):
        keep(study, Cell("headline", "other", "fork", 100, seed), again(0, 1, 2, 3))
        keep(study, Cell("ablation", "other", "fork", 100, seed, label="no decay"), again(*at))
    page = write_tables(study, study.results).read_text()
    row = next(line for line in page.splitlines() if line.startswith("| no decay |")).split(" | ")
    assert row[1] == "2"
    assert row[2].startswith("38% [")  # three of eight
    assert row[-2].startswith("**-62% [")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("{no such: 1}", "'no such', which is none of the `ablations`"),
        ("[a]", "takes labels"),
        ("{a: b}", "takes labels"),
    ],
)
def test_only_an_ablation_can_be_asked_again(tmp_path, given, said):
    file = tmp_path / "study.yaml"
    file.write_text(f"headline: [task]\nablations: {{a: {{}}}}\nasked_again: {given}\n")
    with pytest.raises(InputError, match=said):
        Study.load(file, tmp_path)


def test_an_ablation_like_another_begins_with_it_and_is_held_against_it(study):
    ablations = {"small": {"beta": 0.1}, "small, steep": {"like": "small", "decay": 0.5}}
    study = replace(study, ablations=ablations, seeds=(0, 1), asked_again={})
    assert study.changed("small, steep") == {**study.changed("small"), "decay": 0.5}
    keep(study, Cell("ablation", "task", "fork", 100, 0, label="small"), again(0, 1, 2, 3))
    keep(study, Cell("ablation", "task", "fork", 100, 0, label="small, steep"), again())
    page = write_tables(study, study.results).read_text()
    assert "| small, steep | small | 1 | **-100% [-100, -100]** |" in page


def test_a_variation_like_another_begins_with_it_and_is_held_against_it(study):
    variations = {
        "late": {"texts": {"habits": "late=4"}, "settings": {"beta": 0.1, "decay": 0.9}},
        "late, long": {"like": "late", "texts": {"texts": "long"}, "settings": {"decay": 0.5}},
    }
    study = replace(study, variations=variations)
    settings, texts = study.varied("late, long")
    assert texts == {"habits": "late=4", "texts": "long"}
    assert settings == {**study.settings("fork"), "beta": 0.1, "decay": 0.5}
    keep(study, Cell("ablation", "task", "fork", 100, 0, label="late"), again(0, 1, 2, 3))
    keep(study, Cell("ablation", "task", "fork", 100, 0, label="late, long"), again())
    page = write_tables(study, study.results).read_text()
    assert "| late, long | late | 1 | **-100% [-100, -100]** |" in page


def test_what_no_ablation_can_be_like_is_refused(tmp_path):
    file = tmp_path / "study.yaml"
    file.write_text("headline: [task]\nablations: {a: {like: b}, b: {like: a}}\n")
    with pytest.raises(InputError, match="'b' is `like` 'a'; expected another of a, b"):
        Study.load(file, tmp_path)
    file.write_text("headline: [task]\nvariations: {a: {like: none}}\n")
    with pytest.raises(InputError, match="'a' is `like` 'none'; expected another of a"):
        Study.load(file, tmp_path)
