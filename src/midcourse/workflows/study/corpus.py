"""Corrections that people made, in the place of a simulated session: which texts train, which are held out.

A part or a fold is taken by problem or by writer, never by steer. Where the texts come from is its caller's: it is
given a function that reads them for a tokenizer.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from midcourse.errors import InputError
from midcourse.evaluate.forks import group_of, part_of
from midcourse.tokens import TextTokenizer
from midcourse.types import Trajectory
from midcourse.workflows.study.material import Material

__all__ = ["Corpus", "corpus_material", "folds_of"]

MOST = 150
"""Texts that are held out at most."""


@dataclass(frozen=True)
class Corpus:
    """One data set. It has no checker: what a sample says cannot be judged, only how likely the two sides are."""

    name: str
    read: Callable[[TextTokenizer], Iterable[Trajectory]]
    folds: int = 1
    """1: the held-out part is `test`. More: each problem or writer is held out once."""

    checker = None

    @property
    def by(self) -> str:
        """Who steered, for the record."""
        return f"people: {self.name}"


def folds_of(texts: Sequence[Trajectory], folds: int) -> list[set[str]]:
    """Groups dealt out, the one with most steers first, each to the fold that has fewest so far."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts[group_of(text)] += sum(s.counts for s in text.steers)
    dealt: list[set[str]] = [set() for _ in range(folds)]
    sizes = [0] * folds
    for group, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        least = sizes.index(min(sizes))
        dealt[least].add(group)
        sizes[least] += count
    return dealt


def corpus_material(corpus: Corpus, tokenizer: TextTokenizer, fold: int = 0) -> Material:
    """What to learn from and what to be measured on.

    Raises:
        InputError: The corpus holds no steers to train on or none to test on.
    """
    texts = sorted({t.id: t for t in corpus.read(tokenizer)}.values(), key=lambda t: t.id)
    if corpus.folds > 1:
        held = folds_of(texts, corpus.folds)[fold]
        parts = ["test" if group_of(t) in held else "train" for t in texts]
    else:
        parts = [part_of(t) for t in texts]
    train, test = (
        [t.with_(split=name, group=group_of(t)) for t, part in zip(texts, parts, strict=True) if part == name]
        for name in ("train", "test")
    )
    for name, some in (("train on", train), ("test on", test)):
        if not any(s.counts for t in some for s in t.steers):
            raise InputError(f"the corrections of {corpus.name} hold nothing to {name} ({len(texts)} texts in all)")
    random.Random(0).shuffle(test)
    return Material(tuple(train), {}, tuple(test[:MOST]), tokenizer)
