"""A study's order is fixed, its cells resume, its lessons cost what they should, its tables need no model."""

import json
import re
from dataclasses import replace

import pytest

from midcourse.drafts.simulate import Keystrokes
from midcourse.errors import InputError, ModelError
from midcourse.workflows.study import Cell, Study, run_study, write_tables
from midcourse.workflows.study import queue as queue_module
from midcourse.workflows.study import run_cell as run_cell_module
from midcourse.workflows.study.cells import METHODS
from midcourse.workflows.study.material import Material
from midcourse.workflows.study.queue import left, said_estimate
from midcourse.workflows.study.run_cell import lesson_of
from midcourse.workflows.study.statistics import over_seeds
from midcourse.workflows.tasks import Task
from model_folder import save_model

RULES = "[{name: again, pattern: '[^a-fA-F]', replacement: 'a'}]"
TINY = {"use_cpu": True, "num_train_epochs": 1}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("study")
    save_model(made / "model", positions=512)
    rows = [{"prompt": f"Say {i}", "split": s} for i, s in enumerate(["train"] * 6 + ["test"] * 3)]
    (made / "p.jsonl").write_text("\n".join(map(json.dumps, rows)))
    text = f"name: t\nrules: {RULES}\nprompts: p.jsonl\nstretch: 3\nmax_tokens: 8\nmax_steers: 2\n"
    (made / "task.yaml").write_text(text)
    return made


@pytest.fixture
def study(folder, tmp_path):
    return Study(
        folder, tmp_path / "results", ("task",), model=str(folder / "model"), common=TINY, steers=(4,), seeds=(0,),
        more_seeds=(), forks=3, samples=2, effort_tasks=2,
    )  # fmt: skip


@pytest.fixture(scope="module")
def material(folder):
    return Material.make(
        Task.load(folder / "task.yaml"), str(folder / "model"), "float32", folder / "texts", lambda _: None
    )


def find(folder):
    return lambda name: Task.load(folder / f"{name}.yaml")


def test_the_order_is_headline_then_own_session(study):
    paths = [str(c.path) for c in study.cells()]
    assert paths[0] == "same/task/base-0-0.json"
    assert paths[1:7] == [f"same/task/{m}-4-0.json" for m in METHODS]
    assert paths[7:] == ["own/task/sft_full-4-0.json", "own/task/dpo_whole-4-0.json"]
    assert "9 cells left" in said_estimate(study, left(study))


def test_what_names_no_cell_is_no_empty_study(study):
    assert {c.stage for c in left(study, ["own"])} == {"own"}
    assert [c.method for c in left(study, ["task/base"])] == ["base"]
    with pytest.raises(InputError, match=r"--only tusk: no cell is called so. The stages are headline, own; a path"):
        left(study, ["own", "tusk"])


@pytest.mark.long
def test_a_study_runs_stops_goes_on_and_is_shown(study, folder, tmp_path, monkeypatch):
    said = []
    run = queue_module.run_cell

    def stopped(study_, cell, *rest):
        if cell.method == "dpo_whole":
            raise KeyboardInterrupt
        return run(study_, cell, *rest)

    monkeypatch.setattr(queue_module, "run_cell", stopped)
    only = ["base", "dpo_whole", "ours"]
    with pytest.raises(KeyboardInterrupt):
        run_study(study, find(folder), tmp_path / "work", said.append, only=only)
    monkeypatch.setattr(queue_module, "run_cell", run)
    first = (study.results / "same/task/base-0-0.json").stat().st_mtime_ns
    assert run_study(study, find(folder), tmp_path / "work", said.append, only=only) == 3
    assert (study.results / "same/task/base-0-0.json").stat().st_mtime_ns == first
    assert sum("steering 6 texts" in s for s in said) == 1
    ours = study.result(Cell("headline", "task", "ours", 4, 0))
    assert ours["lesson"]["steers"] == 4
    assert ours["lesson"]["seconds"] > 0
    assert {"base", "steered"} <= set(ours["forks"][0])
    assert 0 <= ours["forks"][0]["steered"]["recurrence"] <= 1
    assert ours["effort"]["cap"] == 2
    assert ours["unsteered"]["tokens"] > 0
    texts = ours["unsteered"]["texts"]
    assert [t["prompt"] for t in texts] == ["Say 6", "Say 7", "Say 8"]  # all of them: intervals draw from them
    assert sum(t["tokens"] for t in texts) / 3 == ours["unsteered"]["tokens"]
    at = ours["forks"][0]["steered"]
    assert max(at["recurrence"], 1 - at["valid"]) <= at["flawed"] <= at["recurrence"] + 1 - at["valid"]
    own = study.result(Cell("own", "task", "dpo_whole", 4, 0, "own"))
    assert own["lesson"]["texts"] >= 1
    page = write_tables(study, study.results).read_text()
    assert "| ours | 1 |" in page
    assert "dpo_whole, own session" in page
    assert re.search(r"- `same/task`: .*\bsft_full-4-0\b", page)
    assert "too few for a claim" in page


@pytest.mark.long
def test_what_stopped_while_it_was_measured_is_not_trained_again(study, folder, tmp_path, monkeypatch):
    trained, measure, train = [], run_cell_module.measure, run_cell_module.train_adapter

    def stopped(*given, **options):
        raise KeyboardInterrupt

    def counted(*given, **options):
        trained.append(given)
        return train(*given, **options)

    monkeypatch.setattr(run_cell_module, "train_adapter", counted)
    monkeypatch.setattr(run_cell_module, "measure", stopped)
    only, study = ["same/task/ours"], replace(study, common={**study.common, "logging_steps": 1})
    with pytest.raises(KeyboardInterrupt):
        run_study(study, find(folder), tmp_path / "work", str, only=only)
    monkeypatch.setattr(run_cell_module, "measure", measure)
    assert run_study(study, find(folder), tmp_path / "work", str, only=only) == 1
    assert len(trained) == 1
    ours = study.result(Cell("headline", "task", "ours", 4, 0))
    assert ours["trained"]["loss"] > 0
    assert ours["seconds"]["train"] > 0 < ours["cpu_seconds"]["train"]


def test_everyone_learns_from_the_same_steers(material):
    ours, sft, dpo = (material.same("m", 5, 1, whole=w) for w in (False, False, True))
    assert ours.texts == sft.texts
    assert sum(s.counts for t in ours.texts for s in t.steers) == 5
    assert (ours.seconds, ours.words_typed) == (dpo.seconds, dpo.words_typed)
    assert all(len(t.steers) == 1 and t.steers[0].kind == "edit" for t in dpo.texts)
    assert material.same("m", 5, 2, whole=False).texts != ours.texts
    with pytest.raises(InputError, match="there are only"):
        material.same("m", 999, 0, whole=False)


def test_whole_answers_are_charged_in_full(material):
    lesson = material.own("sft_full", 12, 0, pairs=False)
    keys = Keystrokes()
    prices = [keys.rewrite(material._text(material.originals[t.id]), material._text(t)) for t in lesson.texts]
    assert lesson.seconds == pytest.approx(sum(prices))
    assert lesson.seconds <= lesson.budget or len(lesson.texts) == 1


def found(recurrence, drift, sound=0.9):
    metrics = {"recurrence": recurrence, "valid": sound, "drift/kl_answers": drift}
    return {"metrics": {name: {"base": {"mean": 1.0}, "steered": {"mean": x}} for name, x in metrics.items()}}


@pytest.mark.parametrize(
    ("trials", "best"),
    [
        ((found(0.5, 0.01), found(0.2, 0.01)), 0.4),
        ((found(0.5, 0.01), found(0.45, 0.01, sound=0.7)), 0.1),  # what is no text any more counts as an error
        ((found(0.5, 0.01), found(0.2, 0.03)), 0.1),  # it moved the model further than anybody would accept
        ((found(0.5, 0.04), found(0.7, 0.03)), 0.1),  # so did both: the better one, not the one that learnt least
    ],
)
def test_settings_come_from_the_development_tasks(study, monkeypatch, trials, best):
    tuned = replace(study, development=("d",), methods={"ours": {}}, trials={"ours": {"beta": [0.1, 0.4]}})
    assert tuned.settings("ours")["beta"] == 0.1  # nothing ran: the first
    monkeypatch.setattr(Study, "result", lambda self, cell: trials[int(cell.label[-1])])
    assert tuned.settings("ours")["beta"] == best


def test_a_method_like_another_begins_with_what_that_was_chosen(study):
    trials = {"sft_full": {"learning_rate": [2e-4]}}
    more = {"sft_full_kl": {"like": "sft_full", "loss_type": "sft_full", "retain_weight": 5.0}}
    made = replace(study, trials=trials, extra_methods=more).settings("sft_full_kl")
    assert (made["learning_rate"], made["retain_weight"]) == (2e-4, 5.0)
    assert "like" not in made


def test_a_method_like_one_that_is_like_another_has_what_both_set(study):
    contenders = {"kept": {"like": "ours", "retain_discount": 1.0}}
    more = replace(study, contenders=contenders, extra_methods={"held": {"like": "kept", "retain_weight": 5.0}})
    assert more.settings("held") == {**more.settings("ours"), "retain_discount": 1.0, "retain_weight": 5.0}


@pytest.mark.parametrize(("first", "second"), [("b", "nothing"), ("b", "a")])
def test_a_method_like_none_is_refused(tmp_path, first, second):
    (tmp_path / "s.yaml").write_text(f"headline: [t]\nextra_methods: {{a: {{like: {first}}}, b: {{like: {second}}}}}\n")
    with pytest.raises(InputError, match=rf"'b' is `like` '{second}'; expected another of sft_full,"):
        Study.load(tmp_path / "s.yaml", tmp_path)


def test_a_cell_that_fails_is_told_and_the_others_run(study, folder, tmp_path, monkeypatch):
    said, run = [], queue_module.run_cell

    def broken(study_, cell, *rest):
        if cell.method == "sft_full":
            raise ValueError("no such thing")
        return run(study_, cell, *rest)

    monkeypatch.setattr(queue_module, "run_cell", broken)
    with pytest.raises(InputError, match="cells that failed: 1, and 1 ran; the first is same/task/sft_full"):
        run_study(study, find(folder), tmp_path / "work", said.append, only=["same/task/base", "same/task/sft_full"])
    assert any("Traceback" in s for s in said)
    assert study.result(Cell("headline", "task", "base", 0, 0)) is not None
    full = OSError(28, "No space left on device")
    monkeypatch.setattr(queue_module, "run_cell", lambda *_: (_ for _ in ()).throw(full))
    with pytest.raises(OSError, match="No space"):
        run_study(study, find(folder), tmp_path / "work", said.append)


def test_results_of_other_settings_are_not_taken_for_ones_own(study):
    cell = next(c for c in study.cells() if c.method == "ours")
    path = study.results / cell.path
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"cell": {"settings": {"beta": 9.0}}}))
    with pytest.raises(InputError, match=r"ours-4-0.json was made with \{'beta': 9.0\}"):
        left(study)


def test_results_of_another_model_are_not_taken_for_this_one_s(study):
    cell = next(iter(study.cells()))
    path = study.results / cell.path
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"cell": {"settings": {}}, "model": {"name": "other"}}))
    with pytest.raises(InputError, match=r"base-0-0.json is of the model other.*another folder of results"):
        left(study)


def test_a_drift_budget_is_watched_on_texts_that_nothing_learns(material):
    lesson = material.same("m", 4, 0, whole=False)
    watched = material.watched(lesson, 0, 2)
    assert watched.texts[: len(lesson.texts)] == lesson.texts
    more = watched.texts[len(lesson.texts) :]
    assert {t.split for t in more} == {"dev"}
    assert not {t.id for t in more} & {t.id for t in lesson.texts}
    every = material.same("m", sum(s.counts for t in material.steered for s in t.steers), 0, whole=False)
    with pytest.raises(InputError, match="all were learnt from"):
        material.watched(every, 0)
    cell = Cell("ablation", "task", "ours", 4, 0, settings={"max_drift": 0.01})
    assert any(t.split == "dev" for t in lesson_of(cell, material).texts)


def test_both_sides_of_segments_are_whole_answers(material):
    pairs = lesson_of(Cell("exploratory", "task", "segments", 5, 1), material)
    assert pairs.texts == material.same("m", 5, 1, whole=True).texts


def test_texts_that_teach_nothing_are_paid_too(material):
    paid = {t.id: t.sampler["simulated"]["paid"]["seconds"] for t in material.steered}
    every = sum(s.counts for t in material.steered for s in t.steers)
    assert material.read_in_vain >= 1
    assert material.same("m", every, 0, whole=False).seconds >= sum(
        paid[t.id] for t in material.steered if t.steers
    ) * (1 - 1e-9)
    twice = replace(material, read_in_vain=2 * material.read_in_vain)
    assert twice.same("m", 4, 0, whole=False).seconds == 2 * material.same("m", 4, 0, whole=False).seconds


def test_unequal_trials_are_refused(tmp_path):
    (tmp_path / "s.yaml").write_text("headline: [a]\ntrials: {ours: {beta: [1, 2]}, sft_full: {beta: [1]}}\n")
    with pytest.raises(InputError, match="as many trials"):
        Study.load(tmp_path / "s.yaml", tmp_path)


def test_a_study_without_ours_is_refused(tmp_path):
    (tmp_path / "s.yaml").write_text("headline: [a]\nmethods: {sft_full: {loss_type: sft_full}}\n")
    with pytest.raises(InputError, match="must have 'ours'"):
        Study.load(tmp_path / "s.yaml", tmp_path)


def test_the_shipped_study_is_in_order():
    from pathlib import Path

    recipe = Path(__file__).parents[3] / "recipes" / "study"
    study = Study.load(recipe / "study.yaml", "nowhere")
    assert set(study.methods) == set(METHODS)
    cells = list(study.cells())
    assert cells[0].stage == "development"
    assert len({c.path for c in cells}) >= len(cells) - 2  # the base of a task is asked for in every block
    for name in (*study.headline, *study.development, *study.exploratory):
        task = Task.load(recipe / "tasks" / f"{name}.yaml")
        assert len(task.part("test")) >= 30
        assert task.checker is not None
        assert task.counter is not None
    held = {a.key for a in Task.load(recipe / "tasks" / "house_style.yaml").part("test")}
    assert not held & {a.key for a in Task.load(recipe / "tasks" / "lower_case.yaml").prompts}


def test_seeds_and_prompts_are_drawn_and_pairs_are_paired():
    forks = {f"f{i}": (f"p{i // 2}", float(i % 2)) for i in range(40)}
    higher = {k: (p, v + 0.25) for k, (p, v) in forks.items()}
    same = over_seeds([higher, higher], [forks, forks])
    assert same.mean == same.low == same.high == pytest.approx(0.25)
    alone = over_seeds([forks])
    assert (alone.mean, alone.prompts, alone.seeds) == (0.5, 20, 1)
    noisy = [{k: (p, v + shift) for k, (p, v) in forks.items()} for shift in (-0.3, 0.3)]
    assert over_seeds(noisy).high - over_seeds(noisy).low > 0.3
    assert over_seeds([]) is None
    assert over_seeds([forks], []) is None


@pytest.mark.long
def test_a_trial_is_measured_by_its_score_and_drift_alone(study, folder, tmp_path):
    tuned = replace(study, development=("task",), methods={"ours": METHODS["ours"]}, trials={"ours": {}}, dev_steers=4)
    assert run_study(tuned, find(folder), tmp_path / "work", lambda _: None, only=["development"]) == 1
    (found,) = (tuned.result(c) for c in tuned.development_cells())
    assert {"recurrence", "valid", "drift/kl_answers"} <= set(found["metrics"])
    assert "unsteered" not in found
    assert "effort" not in found
    assert found["shown"] == []
    assert any((tmp_path / "work" / "base").glob("*.json"))


def test_cells_that_fail_count_among_those_to_try(study, folder, tmp_path):
    tuned = replace(study, development=("task",), trials={m: {} for m in METHODS})
    with pytest.raises(InputError, match="cells that failed: 2, and 0 ran"):
        run_study(
            tuned,
            find(folder),
            tmp_path / "work",
            lambda _: None,
            only=["same/task/sft_full", "same/task/dpo_prefix", "same/task/fork"],
            most=2,
        )


def test_a_model_that_cannot_be_used_ends_the_study_at_its_first_cell(study, folder, tmp_path):
    said = []
    with pytest.raises(ModelError, match="'foo' is no torch dtype"):
        run_study(replace(study, dtype="foo"), find(folder), tmp_path / "work", said.append)
    assert len([s for s in said if s.endswith("left)")]) == 1


def test_nothing_is_trained_before_its_settings_are_chosen(study, folder, tmp_path):
    tuned = replace(study, development=("task",), trials={"ours": {}})
    with pytest.raises(InputError, match=r"settings of ours are chosen by .* \(1 left\); run them first"):
        run_study(tuned, find(folder), tmp_path / "work", lambda _: None, only=["same/task/ours"])
    assert tuned.result(Cell("headline", "task", "ours", 4, 0)) is None


@pytest.mark.long
def test_what_is_exploratory_is_shown_without_its_steers_to_finish(study, folder, tmp_path):
    tried = replace(study, methods={"ours": METHODS["ours"]}, ablations={"no retain": {"retain_weight": 0.0}})
    assert run_study(tried, find(folder), tmp_path / "work", lambda _: None, only=["ablation"]) == 1
    found = tried.result(Cell("ablation", "task", "ours", 4, 0, label="no retain"))
    assert found["unsteered"]["tokens"] > 0
    assert (found["collapse"], found["shown"], "effort" in found) == ({}, [], False)
    assert "| no retain |" in write_tables(tried, tried.results).read_text()


@pytest.mark.long
def test_fewer_steers_are_shown_without_own_samples(study, folder, tmp_path):
    tried = replace(study, methods={"ours": METHODS["ours"]}, steers=(4, 2))
    only = ["same/task/base", "same/task/ours-2"]
    assert run_study(tried, find(folder), tmp_path / "work", lambda _: None, only=only) == 2
    found = tried.result(Cell("budget", "task", "ours", 2, 0))
    assert (found["lesson"]["steers"], found["collapse"], "effort" in found) == (2, {}, False)
    page = write_tables(tried, tried.results).read_text()
    page = page[page.index("## task, 2 steers") :]
    costs = page[page.index("What it cost") :].splitlines()
    base, ours = (next(x for x in costs if x.startswith(f"| {name} |")).split(" | ") for name in ("base", "ours"))
    assert all(base)
    assert [bool(cell.strip(" |")) for cell in ours] == [True] * 4 + [False] * 3


@pytest.mark.long
def test_elsewhere_it_goes_on_with_the_texts_it_was_given(study, folder, tmp_path):
    shared, said = tmp_path / "shared", []
    assert run_study(study, find(folder), tmp_path / "here", said.append, texts=shared, only=["base"]) == 1
    assert {"task", "base"} <= {p.name for p in shared.iterdir()}
    assert not (tmp_path / "here" / "task").exists()
    assert any("steering 6 texts" in s for s in said)
    said.clear()
    assert run_study(study, find(folder), tmp_path / "there", said.append, texts=shared, only=["ours"]) == 1
    assert not any("steering" in s or "writing" in s for s in said)


@pytest.mark.long
def test_steers_in_the_prompt_are_measured_without_training(study, folder, tmp_path):
    shown = replace(study, in_prompt=2, methods={}, steers=(4,))
    said = []
    assert run_study(shown, find(folder), tmp_path / "work", said.append, only=["in_prompt"]) == 1
    found = shown.result(Cell("exploratory", "task", "in_prompt", 4, 0))
    assert found["trained"] == {}
    assert found["lesson"]["steers"] == 4
    assert {"base", "steered"} <= set(found["forks"][0])
    assert found["metrics"]["drift/kl_answers"]["steered"]["mean"] > 0
    assert found["metrics"]["drift/kl_text"]["steered"]["mean"] == 0  # prose has no prompt to show anything in
    assert 'not "' in found["prompt"]
    assert found["effort"]["cap"] == 2
    assert "recurrence" in said[-1]


@pytest.mark.long
def test_real_corrections_are_measured_by_likelihoods(study, tmp_path):
    from midcourse.rows import join, read_row
    from midcourse.workflows.study.corpus import Corpus

    def read(tokenizer):
        rows = [
            {"prompt": f"Q{i}: ", "prefix": "It is ", "rejected": "bad", "chosen": "good", "group": f"w{i % 3}"}
            for i in range(6)
        ]
        return join([read_row(r, line=n) for n, r in enumerate(rows)], tokenizer, source="t")[0]

    imported = {"steers": 2, "methods": ["ours"], "corpora": {"people": {"folds": 3}}}
    people = replace(study, imported=imported)
    said = []

    def corpus(name):
        return Corpus(name, read, folds=3)

    assert run_study(people, corpus, tmp_path / "work", said.append, only=["imported"]) == 3
    found = [people.result(Cell("imported", "people", "ours", 2, fold)) for fold in range(3)]
    assert len({x["steer"] for f in found for x in f["forks"]}) == 6
    assert all(f["metrics"]["recurrence"]["base"] is None for f in found)
    assert all("unsteered" not in f for f in found)
    assert found[0]["metrics"]["drift/kl_retained"] is not None
    assert "margin" in said[-1]
    page = write_tables(people, people.results).read_text()
    assert "6 held-out steers; 6 of them, in 3 clusters, have a rejected side" in page
