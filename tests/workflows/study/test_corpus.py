"""Writers are never torn apart, each is held out once, and what is learnt is counted like any other steer."""

import pytest

from growing import Growing, random_trajectory
from midcourse.errors import InputError
from midcourse.workflows.study.corpus import Corpus, corpus_material, folds_of
from training_run import tokenizer


def by_writers(*counts: int):
    return [
        random_trajectory(10 * w + n, steers=2).with_(id=f"{w}/{n}", group=f"w{w}")
        for w, count in enumerate(counts)
        for n in range(count)
    ]


def test_folds_hold_every_writer_once_and_are_alike_in_size():
    texts = by_writers(5, 1, 1, 2, 3)
    folds = folds_of(texts, 3)
    assert sorted(g for fold in folds for g in fold) == ["w0", "w1", "w2", "w3", "w4"]
    sizes = [sum(len(t.steers) for t in texts if t.group in fold) for fold in folds]
    assert max(sizes) == 10  # the busiest writer has a fold of their own
    assert folds == folds_of(texts[::-1], 3)


def test_each_fold_learns_from_the_others():
    corpus = Corpus("c", lambda _: iter(by_writers(3, 2, 2)), folds=3)
    held = []
    for fold in range(3):
        material = corpus_material(corpus, tokenizer(), fold)
        there = {t.group for t in material.held_out}
        assert not there & {t.group for t in material.steered}
        assert {t.split for t in material.held_out} == {"test"}
        lesson = material.same("ours", 4, fold, whole=False)
        assert sum(s.counts for t in lesson.texts for s in t.steers) == lesson.steers == 4
        assert lesson.seconds == 0  # nobody timed them
        held += [t.id for t in material.held_out]
    assert sorted(held) == sorted(t.id for t in by_writers(3, 2, 2))


def test_without_folds_the_part_is_the_sources_own():
    texts = by_writers(2, 2, 2)
    split = [t.with_(split=s) for t, s in zip(texts, ["train", "test"] * 3, strict=True)]
    material = corpus_material(Corpus("c", lambda _: split), tokenizer())
    assert {t.id for t in material.held_out} == {t.id for t in split if t.split == "test"}
    assert corpus_material(Corpus("c", lambda _: split), tokenizer()).held_out == material.held_out


def test_nothing_to_learn_from_is_said():
    texts = [Growing([5, 6], f"t{n}").write([7]).value.with_(split=s) for n, s in enumerate(["train", "test"])]
    with pytest.raises(InputError, match="hold nothing to train on"):
        corpus_material(Corpus("c", lambda _: texts), tokenizer())
