"""A loop goes on where it was stopped, counts honestly, and trains each round from the base."""

import json

import pytest

from midcourse.errors import InputError
from midcourse.model import weights_hash
from midcourse.store import Store
from midcourse.workflows import loop as looping
from midcourse.workflows.loop import Loop, run_loop
from midcourse.workflows.tasks import Task
from model_folder import save_model

RULES = "[{name: again, pattern: '[^a-fA-F]', replacement: 'a'}]"
SETTINGS = {"use_cpu": True, "num_train_epochs": 1, "learning_rate": 1e-3, "window": 8}


@pytest.fixture
def task(tmp_path):
    rows = [{"prompt": f"Say {i}", "split": s} for i, s in enumerate(["train"] * 4 + ["dev"] * 2 + ["test"] * 3)]
    (tmp_path / "p.jsonl").write_text("\n".join(map(json.dumps, rows)))
    text = f"name: t\nrules: {RULES}\nprompts: p.jsonl\nchecker: zzz\nstretch: 3\nmax_tokens: 8\nmax_steers: 2\n"
    (tmp_path / "task.yaml").write_text(text)
    return Task.load(tmp_path / "task.yaml")


def made(task, tmp_path, **changes) -> Loop:
    if not (tmp_path / "model").is_dir():
        save_model(tmp_path / "model")
    usual = {"model": str(tmp_path / "model"), "rounds": 2, "settings": SETTINGS, "report": False, "rows": 4}
    return Loop(task, tmp_path / "out", **{**usual, **changes})


@pytest.mark.long
def test_rounds_are_counted_and_a_stopped_loop_goes_on(task, tmp_path, monkeypatch):
    plan, said = made(task, tmp_path), []
    train = looping.train_adapter
    trained = []

    def stopped(*given, **named):
        trained.append(len(given[2]))
        if len(trained) == 2:
            raise KeyboardInterrupt
        return train(*given, **named)

    monkeypatch.setattr(looping, "train_adapter", stopped)
    with pytest.raises(KeyboardInterrupt):
        run_loop(plan, said.append)
    before = (tmp_path / "out/round-1/effort.json").read_bytes()
    found = run_loop(plan, said.append)
    assert [r.number for r in found] == [0, 1, 2]
    assert trained == [2 + 2, 4 + 2, 4 + 2]  # texts so far and dev's, fresh from the base each time
    assert (tmp_path / "out/round-1/effort.json").read_bytes() == before
    assert sum("writing 2 texts (round 2)" in s for s in said) == 1
    assert found[1].trained_on < found[2].trained_on
    table = (tmp_path / "out/loop.md").read_text()
    assert table.count("\n| ") == 5
    assert "Too few for a claim" in table
    assert run_loop(plan)[2].efforts == found[2].efforts
    first = tmp_path / "out/round-1/adapter"
    record = json.loads((tmp_path / "out/round-2/adapter/midcourse.json").read_text())
    assert record["settings"]["writers"] == [str(first)]  # its texts are held to it
    with Store(tmp_path / "out/loop.db", create=False) as store:
        wrote = {t.sampler["simulated"]["mark"]: t.model.weights for t in store.trajectories()}
    assert wrote == {m: weights_hash(tmp_path / "model") for m in ("round 1", "dev")} | {"round 2": weights_hash(first)}


@pytest.mark.long
def test_a_task_that_is_not_finished_is_charged_the_cap(task, tmp_path):
    found = run_loop(made(task, tmp_path, rounds=1))
    for one in found[0].efforts.tasks:
        assert one.charged == (one.steers if one.why is None else 2)
    assert any(t.why and "still broken" in t.why for t in found[0].efforts.tasks)


@pytest.mark.long
def test_a_folder_belongs_to_one_loop(task, tmp_path):
    run_loop(made(task, tmp_path, rounds=1))
    with pytest.raises(InputError, match="another seed"):
        run_loop(made(task, tmp_path, rounds=1, seed=4))
    with pytest.raises(InputError, match="need at least 9"):
        run_loop(made(task, tmp_path, rounds=9))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rules: []", "must hold `rules` and `prompts`"),
        ("rules: [{name: a, case: lower}]\nprompts: p.jsonl\nspeed: 1", "unknown field 'speed'"),
        ("rules: [{name: a, case: lower}]\nprompts: p.jsonl\nchecker: no_such_module:fires", "no no_such_module.py"),
        ("rules: [{name: a, case: lower}]\nprompts: none.jsonl", "cannot be read"),
    ],
)
def test_what_is_wrong_with_a_task_is_named(task, tmp_path, text, message):
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(InputError, match=message):
        Task.load(tmp_path / "bad.yaml")


def test_a_checker_may_lie_beside_the_task(task, tmp_path):
    (tmp_path / "mine.py").write_text("def fires(text, start):\n    return 'x' in text\n")
    (tmp_path / "own.yaml").write_text("rules: [{name: a, case: lower}]\nprompts: p.jsonl\nchecker: mine:fires\n")
    assert Task.load(tmp_path / "own.yaml").checker("x", 0)
