"""Texts that an adapter wrote are held to it."""

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel

import growing
from midcourse.errors import InputError, ModelError
from midcourse.model import adapter_base, weights_hash
from midcourse.train.writers import Writers
from midcourse.tree.forward import logits_at
from midcourse.tree.pack import Row
from midcourse.types import ModelRef
from training_run import trainer, weights


def taught(folder: Path) -> Path:
    """An adapter of the tiny model that is far from its base."""
    made = trainer(str(folder), data=[growing.random_trajectory(i) for i in range(30, 36)], learning_rate=5e-2)
    made.train()
    made.save_model()
    return folder


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return taught(tmp_path_factory.mktemp("wrote") / "adapter")


def written(writer: Path) -> list[Any]:
    """Texts by the base and by the adapter, in turn."""
    by = [ModelRef("tiny", "base"), ModelRef("tiny+adapter", weights_hash(writer))]
    return [growing.random_trajectory(i).with_(model=by[i % 2]) for i in range(8)]


def distributions(tree: Any, adapter: Path | None = None) -> torch.Tensor:
    """[U, V] log π at the retained tokens, one path at a time, by a model of its own."""
    plain = growing.tiny_model()
    made = plain if adapter is None else PeftModel.from_pretrained(plain, str(adapter))
    made.eval()
    found = []
    for token in tree.retained:
        path, at = [], int(tree.parent[token])
        while at >= 0:
            path.append(int(tree.token_ids[at]))
            at = int(tree.parent[at])
        with torch.no_grad():
            found.append(made(torch.tensor([path[::-1]])).logits[0, -1].log_softmax(0))
    return torch.stack(found)


def test_the_likeliest_tokens_are_the_writers_and_the_labels_the_bases(tmp_path: Path, writer: Path):
    held = trainer(str(tmp_path / "held"), data=written(writer), writers=str(writer))
    plain = trainer(str(tmp_path / "plain"), data=written(writer))
    for made in (held, plain):
        made._prepare_reference(fresh=True)
    by_adapter = 0
    for tree in (t for t in held.data.trees if len(t.retained)):
        entry, usual = held.references.entry(tree), plain.references.entry(tree)
        assert torch.equal(entry.logps, usual.logps)
        wrote = tree.writer == weights_hash(writer)
        by_adapter += wrote
        right = distributions(tree, writer if wrote else None)
        assert torch.allclose(entry.top_logps, right.gather(1, entry.top_ids), atol=1e-4)
        assert torch.allclose(entry.top_logps.exp().sum(1) + entry.rest.exp(), torch.ones(len(right)), atol=1e-4)
        assert torch.equal(entry.top_logps, usual.top_logps) == (not wrote)
    assert by_adapter


@pytest.mark.long
def test_the_run_ends_near_the_writer_where_it_wrote(tmp_path: Path, writer: Path):
    texts = [growing.random_trajectory(i).with_(model=ModelRef("tiny+adapter", weights_hash(writer))) for i in range(6)]

    def distance(folder: str, **settings: Any) -> float:
        made = trainer(
            str(tmp_path / folder), data=texts, num_train_epochs=20, learning_rate=1e-2, beta=1e-6, retain_weight=5.0,
            **settings,
        )  # fmt: skip
        made.train()
        made.model.eval()
        total = 0.0
        for tree in made.data.trees:
            if len(tree.retained):
                right, sources = distributions(tree, writer), torch.as_tensor(tree.parent[tree.retained])
                with torch.no_grad():
                    policy = logits_at(made.model, Row.of([tree]), sources, "branches").log_softmax(1)
                total += float((right.exp() * (right - policy)).sum(1).mean())
        return total

    assert distance("held", writers=str(writer)) < 0.5 * distance("plain")


def test_nothing_of_the_writers_is_left_in_the_model_or_its_folder(tmp_path: Path, writer: Path):
    torch.manual_seed(3)
    made = trainer(str(tmp_path), data=written(writer), writers=[str(writer)])
    before, state = set(weights(made)), torch.random.get_rng_state()
    made._prepare_reference(fresh=True)
    assert set(weights(made)) == before
    assert made.model.active_adapter == "default"
    assert list(made.model.peft_config) == ["default"]
    assert torch.equal(torch.random.get_rng_state(), state)
    made.train()
    made.save_model()
    assert not list(tmp_path.rglob("writer*"))


def test_margins_are_checked_before_the_first_step_whoever_wrote(tmp_path: Path, writer: Path):
    texts = [t.with_(model=ModelRef("tiny+adapter", weights_hash(writer))) for t in written(writer)]
    made = trainer(str(tmp_path), data=texts, writers=str(writer))
    made._prepare_reference(fresh=True)  # KL is not 0 here, margins are
    with torch.no_grad():
        made.model.get_base_model().lm_head.weight[::2] *= 1.5
    with pytest.raises(ModelError, match="already differs from the reference"):
        made._prepare_reference(fresh=True)


def test_a_text_has_another_entry_for_each_writer(tmp_path: Path, writer: Path):
    """One folder of references serves runs with and without."""
    shared = str(tmp_path / "shared")
    one = trainer(str(tmp_path / "a"), data=written(writer), reference_cache=shared)
    other = trainer(str(tmp_path / "b"), data=written(writer), reference_cache=shared, writers=str(writer))
    changed = [one.references.name(t) != other.references.name(t) for t in one.data.trees]
    assert changed == [t.writer == weights_hash(writer) for t in one.data.trees]


def test_what_a_user_should_know(writer: Path):
    by, base = weights_hash(writer), adapter_base(writer)
    assert base is not None
    own = str(base.weights)
    assert not list(Writers([writer], {by: 3, own: 2}, base).doubts())
    assert not list(Writers([], {own: 2}, base).doubts())
    assert not list(Writers([], {own: 2}).doubts())  # a model that came loaded: its hash is another one
    (unknown,) = Writers([], {by: 3, own: 2}, base).doubts()
    assert unknown.startswith(f"3 of 5 texts were written by another model than {base.name}")
    assert "--writers" in unknown
    (unused,) = Writers([writer], {own: 2}, base).doubts()
    assert f"None of the texts was written by one of the --writers as it is now ({writer})" in unused


def test_a_run_says_so(tmp_path: Path, writer: Path, caplog: pytest.LogCaptureFixture):
    made = trainer(str(tmp_path), data=[growing.random_trajectory(i) for i in range(4)], writers=str(writer))
    with caplog.at_level(logging.WARNING):
        made._prepare_reference(fresh=True)
    assert "None of the texts was written by" in caplog.text


def test_what_is_no_adapter_is_refused(tmp_path: Path, writer: Path):
    with pytest.raises(ModelError, match="does not exist"):
        trainer(str(tmp_path), writers=str(tmp_path / "nowhere"))
    other = ModelRef("other", "0")
    Writers([writer], {"0": 1}, other)  # an adapter of another base that wrote nothing harms nothing
    with pytest.raises(ModelError, match="does not fit other"):
        Writers([writer], {weights_hash(writer): 1}, other)


def test_a_run_that_trains_all_weights_cannot_switch(tmp_path: Path, writer: Path):
    made = trainer(str(tmp_path), data=written(writer), writers=str(writer), use_peft=False)
    with pytest.raises(InputError, match="--use_peft true"):
        made._prepare_reference(fresh=True)
