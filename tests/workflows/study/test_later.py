"""What was added stands behind what was there; a slip in it is told when the study is read."""

from dataclasses import replace
from pathlib import Path

import pytest

from midcourse.errors import InputError
from midcourse.workflows.prompts import read_prompts
from midcourse.workflows.study.cells import Study
from midcourse.workflows.study.later import imported_cells, later_cells
from midcourse.workflows.tasks import Task

RECIPE = Path(__file__).parents[3] / "recipes" / "study"


def shipped() -> Study:
    return Study.load(RECIPE / "study.yaml", "nowhere")


def test_the_new_blocks_come_last_in_their_order():
    study = shipped()
    cells, later = list(study.cells()), list(later_cells(study, study.steers[0]))
    assert cells[-len(later) :] == later
    before = {c.path for c in cells[: -len(later)]}
    assert not before & {c.path for c in later}
    assert len({c.path for c in later}) == len(later)
    kinds = [c.stage if c.stage != "exploratory" else c.method if c.texts.get("shown") else c.steers for c in later]
    assert list(dict.fromkeys(kinds)) == ["in_prompt", "ablation", 300, "imported"]


def test_every_ablation_of_the_issue_is_there():
    study = shipped()
    ways = [v.get("texts", {}) for v in study.variations.values()]
    settings = [v.get("settings", {}) for v in study.variations.values()]
    assert {w["chosen"] for w in ways if "chosen" in w} == {"picked", "rephrased"}
    assert {w["rejected"] for w in ways if "rejected" in w} == {"none", "sampled"}
    assert {w["texts"] for w in ways if "texts" in w} == {"long", "short"}
    assert any("late" in w.get("habits", "") for w in ways)
    assert any("wrong" in w.get("habits", "") for w in ways)
    assert {s["retain_source"] for s in settings if "retain_source" in s} == {"text", "none"}
    assert any(s.get("forward_path") == "detached" for s in settings)
    changed = {name for settings in study.ablations.values() for name in settings}
    assert changed >= {"retain_weight", "max_drift", "sft_weight", "window", "decay", "first_token_weight", "beta"}
    assert changed >= {"mask_rejected", "displacement_guard", "surprise", "resumed_tokens", "weigh_by"}


def test_ablations_begin_with_what_the_package_does_by_default():
    from midcourse.train import SteerConfig

    study = shipped()
    usual = SteerConfig(output_dir="unused", use_cpu=True)
    assert study.settings(study.ablated)["loss_type"] == usual.loss_type
    assert {c.method for c in study.cells() if c.stage == "ablation"} == {study.ablated}


def test_settings_are_those_that_training_knows():
    from midcourse.train import SteerConfig

    for cell in later_cells(shipped(), 100):
        if cell.settings:
            SteerConfig(output_dir="unused", use_cpu=True, **cell.settings)


def test_writers_are_held_out_one_fold_at_a_time():
    cells = list(imported_cells(shipped()))
    assert {c.seed for c in cells if c.task == "coauthor"} == {0, 1, 2, 3, 4}
    assert {c.seed for c in cells if c.task != "coauthor"} == {0}
    assert all(str(c.path).startswith("imported/") for c in cells)


def test_wider_blocks_are_narrower(tmp_path):
    study = replace(
        shipped(), wider_methods=("fork",), exploratory=("sums",), extra_steers=(10,), further_steers=(300,)
    )
    wide = [c for c in study.cells() if c.task == "sums" or c.steers in (10, 300)]
    assert {c.method for c in wide} == {"base", "fork"}
    assert {c.method for c in study.cells() if c.steers == 30} == set(study.methods)
    every = [c for c in replace(study, wider_methods=()).cells() if c.task == "sums"]
    assert {c.method for c in every} == {"base", *study.methods}
    file = tmp_path / "study.yaml"
    file.write_text("headline: [task]\nwider_methods: [no such]\n")
    with pytest.raises(InputError, match="`wider_methods` names 'no such'; known are sft_full"):
        Study.load(file, tmp_path)


def test_a_corpus_may_have_methods_of_its_own(tmp_path):
    imported = {"methods": ["ours", "fork"], "corpora": {"a": {"methods": ["sft_full"], "folds": 2}, "b": {}}}
    cells = list(imported_cells(replace(shipped(), imported=imported)))
    assert [(c.task, c.method, c.seed) for c in cells] == [
        *(("a", "sft_full", fold) for fold in (0, 1)),
        *(("b", method, 0) for method in ("ours", "fork")),
    ]
    file = tmp_path / "study.yaml"
    file.write_text("headline: [task]\nimported: {corpora: {a: {methods: [no such]}}}\n")
    with pytest.raises(InputError, match="`imported` names the method 'no such'"):
        Study.load(file, tmp_path)
    file.write_text("headline: [task]\nimported: {corpora: {a: }}\n")
    with pytest.raises(InputError, match="the corpus 'a' takes format, files"):
        Study.load(file, tmp_path)


def test_what_a_corpus_sets_holds_for_all_its_trainings():
    corpora = {"long": {"settings": {"num_train_epochs": 2}}, "short": {}}
    imported = {"methods": ["ours"], "corpora": corpora, "ablations": {"long": {"l": {"beta": 2.0}}}}
    study = replace(shipped(), imported=imported, ablated="ours")
    long, short, ablation = imported_cells(study)
    assert short.settings == study.settings("ours")
    assert long.settings == {**short.settings, "num_train_epochs": 2}
    assert ablation.settings == {**long.settings, "beta": 2.0}


def test_more_prompts_are_nobodys_test():
    study = shipped()
    more = {a.key for a in read_prompts(RECIPE / study.further)}
    other = {a.key for a in read_prompts(RECIPE / "other_prompts.jsonl")}
    assert len(more) >= 120
    for name in (*study.headline, *study.development):
        asked = {a.key for a in Task.load(RECIPE / "tasks" / f"{name}.yaml").prompts}
        assert not (more | other) & asked


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("variations: {a: {texts: {habit: late=4}}}", "unknown way 'habit'"),
        ("variations: {a: {texts: {chosen: guessed}}}", "typed, picked or rephrased"),
        ("variations: {a: {texts: {habits: lazy}}}", "habits are"),
        ("variations: {a: {texts: {beside: none.jsonl}}}", "holds no such file"),
        ("variations: {a: {window: 3}}", "takes `like`, `texts` and `settings`"),
        ("variations: {a: {texts: late}}", "expected ways such as"),
        ("further: none.jsonl", "holds no such file"),
        ("ablated: best", "`ablated` is 'best'; expected one of"),
        ("imported: {methods: [ours, best]}", "names the method 'best'"),
        ("imported: {corpus: {}}", "takes steers, methods, corpora and ablations"),
    ],
)
def test_slips_are_told_when_the_study_is_read(tmp_path, text, message):
    (tmp_path / "s.yaml").write_text(f"headline: [a]\n{text}\n")
    with pytest.raises(InputError, match=message):
        Study.load(tmp_path / "s.yaml", tmp_path)
