"""What is mixed in by share: how much of it, in which order, counted apart, and the same again after a stop."""

import itertools
import json
from collections import Counter
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from growing import random_trajectory, text
from midcourse.errors import InputError
from midcourse.train.mix import MixedOrder, Source, parse_mix
from training_run import trainer, weights

STEERS = [random_trajectory(i) for i in range(9)]
MIXED = [*STEERS, *(text(i) for i in range(5)), *(text(i, "instructions") for i in range(20))]
SETTINGS = {"mix": "text=0.1,instructions=0.4", "data": MIXED, "logging_steps": 1, "learning_rate": 1e-3}


@pytest.mark.parametrize("given", ["text=0.1, more.jsonl=0.25", {"text": 0.1, "more.jsonl": "0.25"}])
def test_shares_are_read(given: object):
    assert parse_mix(given) == {"text": 0.1, "more.jsonl": 0.25}


@pytest.mark.parametrize("given", ["text", "text=much", "text=0", "text=0.5,pairs=0.5", "=0.1", 3, {"text": None}])
def test_what_is_no_mix_is_said(given: object):
    with pytest.raises(InputError, match="mix"):
        parse_mix(given)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 40), st.lists(st.tuples(st.integers(1, 30), st.integers(1, 40)), max_size=3), st.integers(0, 5))
def test_a_pass_holds_each_main_example_once_and_sources_without_gaps(main: int, sizes: list, passes: int):
    starts = [main + sum(s for s, _ in sizes[:n]) for n in range(len(sizes))]
    sources = [Source(str(n), start, *size) for n, (start, size) in enumerate(zip(starts, sizes, strict=True))]
    made = MixedOrder(main, sources, seed=3, epoch=lambda: 0)
    drawn = [i for epoch in range(passes + 1) for i in made.order(epoch)]
    assert len(list(made.order(0))) == len(made)
    assert [*made.order(passes)] == drawn[-len(made) :]
    counts = Counter(drawn)
    assert [counts[i] for i in range(main)] == [passes + 1] * main
    for source in sources:
        inside = [counts[i] for i in range(source.start, source.start + source.size)]
        assert sum(inside) == source.per_pass * (passes + 1)
        assert max(inside) - min(inside) <= 1  # none comes a second time before all have come
    for examples in {*range(0, len(made), 7), len(made)}:
        first = drawn[: passes * len(made) + examples]
        seen = {s.name: sum(s.start <= i < s.start + s.size for i in first) for s in sources}
        assert made.position(passes, examples) == {"steers": sum(i < main for i in first)} | seen
        reached = list(made.reached(passes * len(made) + examples))
        assert set(first) <= set(reached)
        assert len(set(reached)) == len(reached)
    assert set(made.reached((passes + 1) * len(made))) == set(drawn)


def test_what_is_mixed_in_is_spread_evenly():
    order = list(MixedOrder(90, [Source("text", 90, 50, 10)], seed=0, epoch=lambda: 0).order(0))
    assert [sum(i >= 90 for i in order[n : n + 10]) for n in range(0, 100, 10)] == [1] * 10


@pytest.mark.long
def test_kinds_are_counted_apart(tmp_path: Path):
    made = trainer(str(tmp_path), num_train_epochs=1, per_device_train_batch_size=18, **SETTINGS)
    made.train()
    (log,) = [h for h in made.state.log_history if "loss" in h]
    assert (log["examples/steers"], log["examples/text"], log["examples/instructions"]) == (9, 2, 7)
    assert log["tokens/text"] == 24
    assert log["text_nll/text"] > 0
    assert log["text_nll/instructions"] > 0
    assert log["text_nll"] == pytest.approx(
        (22 * log["text_nll/text"] + 56 * log["text_nll/instructions"]) / 78, rel=1e-4
    )
    assert log["pair_loss"] > 0


@pytest.mark.long
def test_the_step_does_not_depend_on_how_it_is_cut(tmp_path: Path):
    whole = trainer(str(tmp_path / "a"), num_train_epochs=2, per_device_train_batch_size=6, **SETTINGS)
    cut = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 3, "max_tokens": 30}
    parts = trainer(str(tmp_path / "b"), num_train_epochs=2, **cut, **SETTINGS)
    for made in (whole, parts):
        made.train()
    other = weights(parts)
    assert all(torch.allclose(w, other[n], rtol=1e-3, atol=1e-4) for n, w in weights(whole).items())


@pytest.mark.long
@pytest.mark.parametrize("stop", [2, 3], ids=["inside a pass", "between two"])
def test_stopped_and_resumed_the_same_examples_follow(tmp_path: Path, stop: int):
    settings = {**SETTINGS, "num_train_epochs": 3, "per_device_train_batch_size": 6, "save_strategy": "steps"}
    through = trainer(str(tmp_path / "a"), save_steps=100, **settings)
    through.train()
    first = trainer(str(tmp_path / "b"), save_steps=stop, save_total_limit=None, **settings)
    first.train()
    state = json.loads((tmp_path / "b" / f"checkpoint-{stop}" / "midcourse_state.json").read_text())
    assert sum(state["drawn"].values()) == 6 * stop
    assert [s["name"] for s in state["mix"]] == ["text", "instructions"]
    again = trainer(str(tmp_path / "b"), save_steps=100, **settings)
    again.train(resume_from_checkpoint=str(tmp_path / "b" / f"checkpoint-{stop}"))
    other = weights(again)
    assert all(torch.equal(w, other[n]) for n, w in weights(through).items())


@pytest.mark.long
def test_another_mix_is_no_continuation(tmp_path: Path):
    made = trainer(str(tmp_path), **SETTINGS)
    made.train()
    other = trainer(str(tmp_path), **{**SETTINGS, "mix": "text=0.2"})
    with pytest.raises(InputError, match="not the one of the checkpoint"):
        other.train(resume_from_checkpoint=True)


@pytest.mark.long
def test_a_mix_in_the_order_of_an_earlier_version_is_no_continuation(tmp_path: Path):
    made = trainer(str(tmp_path), **SETTINGS)
    made.train()
    state = {**made.data.kept(), "retain_weight": 5.0}
    made._restore(state)
    del state["order"]
    with pytest.raises(InputError, match="of an earlier version"):
        made._restore(state)


class File(list):
    """Data that say what they are."""

    signature = "first"


@pytest.mark.long
@pytest.mark.parametrize("held", [0, 10_000], ids=["on disk", "in memory"])
def test_other_texts_in_a_mixed_file_are_no_continuation(tmp_path: Path, held: int):
    def run(data: File):
        mix = {"mix": {"replay.txt": 0.25}, "mix_datasets": {"replay.txt": data}, "held_tokens": held}
        return trainer(str(tmp_path), data=STEERS, save_strategy="epoch", **mix)

    run(File(text(n) for n in range(6))).train()
    touched = File(text(n) for n in range(6))
    touched.signature = "again"
    run(touched).train(resume_from_checkpoint=True)
    changed = File(text(n + 1) for n in range(6))
    changed.signature = "other"
    with pytest.raises(InputError, match=r"replay.txt does not hold the examples"):
        run(changed).train(resume_from_checkpoint=True)


@pytest.mark.long
def test_other_steers_are_said_and_trained_on(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    trainer(str(tmp_path), data=STEERS, save_strategy="epoch").train()
    again = trainer(str(tmp_path), data=STEERS, save_strategy="epoch", num_train_epochs=3)
    again.train(resume_from_checkpoint=True)
    assert "are not those" not in caplog.text
    other = trainer(str(tmp_path), data=[*STEERS[1:], random_trajectory(30)], num_train_epochs=4)
    other.train(resume_from_checkpoint=True)
    assert "The data are not those that the checkpoint was made with" in caplog.text


def test_what_is_mixed_in_is_compared_only_as_far_as_it_is_drawn(tmp_path: Path):
    made = trainer(str(tmp_path), **SETTINGS, retain_source="text", max_steps=1)
    drawn = set(itertools.islice(made.data.order(made.args).order(0), 4))
    compared = {int(i) for i in made.data.compared(made.args, made.examples_a_step)}
    assert drawn <= compared
    assert len(compared) < len(made.data.trees) - 10
    made.train()
    assert len(list((tmp_path / "reference").glob("*.safetensors"))) == len(compared)


def test_plain_text_is_not_read_for_the_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    made = trainer(str(tmp_path), data=STEERS, mix={"replay": 0.25}, mix_datasets={"replay": map(text, range(50))})
    read: list[int] = []
    take = made.data.trees.read
    monkeypatch.setattr(made.data.trees, "read", lambda index: read.append(index) or take(index))
    made._prepare_reference(fresh=True)
    assert set(read) == set(range(9))


def test_what_is_not_there_cannot_be_mixed_in(tmp_path: Path):
    with pytest.raises(InputError, match="nothing that teaches text"):
        trainer(str(tmp_path), data=STEERS, mix="text=0.1")
    with pytest.raises(InputError, match="no pass has an end"):
        trainer(str(tmp_path), data=MIXED[9:], mix="text=0.1,instructions=0.1")


def test_further_data_are_read_only_as_far_as_needed(tmp_path: Path):
    read: list[int] = []

    def endless():
        for n in range(10_000):
            read.append(n)
            yield text(n)

    made = trainer(str(tmp_path), data=STEERS, mix={"replay": 0.25}, mix_datasets={"replay": endless()})
    assert len(read) == 6  # three beside nine steers in each of two passes
    made.train()
    assert any("text_nll/replay" in h for h in made.state.log_history)


@pytest.mark.long
def test_generic_text_can_be_held_instead_of_learnt(tmp_path: Path):
    made = trainer(str(tmp_path), **SETTINGS, retain_source="text")
    trees = {t.teaches: t for t in made.train_dataset}
    assert trees["text"].retain.sum() == 11
    assert not trees["text"].nll_weight.any()
    assert not trees["steers"].retain.any()
    made.train()
    logs = [h for h in made.state.log_history if "retain_kl" in h]
    assert logs[-1]["retain_kl"] > 0
    assert all(h["text_nll"] == 0 for h in logs)
