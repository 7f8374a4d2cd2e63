"""A base that is shown other prompts beside itself as it is: what steers in the prompt do, measured like an adapter.

One small value says which ids stand in the place of a prompt; sampling at forks, reading of given text and writing all
go through it. It knows token ids, not how the other prompts came about.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch

from midcourse.evaluate.kept import Kept
from midcourse.evaluate.sampling import Sample
from midcourse.evaluate.variants import BASE, Variants
from midcourse.tree.pack import Row

__all__ = ["Prompted", "PromptedVariants"]


@dataclass(frozen=True)
class Prompted:
    """What a model is shown in place of some prompts; a prompt that is not among them stays as it is."""

    shown: Mapping[tuple[int, ...], tuple[int, ...]]
    """Ids of a prompt -> ids in its place."""

    @cached_property
    def hash(self) -> str:
        """Of all that is shown, for ids and records."""
        return hashlib.sha256(json.dumps(sorted(self.shown.items())).encode()).hexdigest()[:16]

    @cached_property
    def _lengths(self) -> list[int]:
        return sorted({len(p) for p in self.shown}, reverse=True)

    def known(self, ids: Sequence[int]) -> int:
        """How many leading ids are a prompt that something is shown in place of; 0 where none is."""
        return next((n for n in self._lengths if len(ids) >= n and tuple(ids[:n]) in self.shown), 0)

    def ids(self, ids: Sequence[int]) -> list[int]:
        """A prompt, or a text that goes on behind one, with what is shown in the prompt's place."""
        n = self.known(ids)
        return [*self.shown[tuple(ids[:n])], *ids[n:]] if n else list(ids)

    def row(self, row: Row) -> tuple[Row, int]:
        """A row of one tree behind what is shown, and by how much every index behind the prompt has moved.

        Raises:
            ValueError: The row holds several trees, or a branch leaves inside the prompt.
        """
        if len(row.trees) != 1:
            raise ValueError("a row behind another prompt holds one tree")
        n = self.known(row.token_ids.tolist())
        if not n:
            return row, 0
        tree, other = row.trees[0], np.array(self.shown[tuple(row.token_ids[:n].tolist())], dtype=np.int64)
        if (tree.parent[n:] < n - 1).any() or (tree.parent[:n] != np.arange(-1, n - 1)).any():
            raise ValueError(f"a branch of {tree.id} leaves inside its prompt, so another cannot stand in its place")
        size, moved = len(other), len(other) - n
        none = np.zeros(size, dtype=np.float32)
        behind = replace(
            tree,
            token_ids=np.concatenate([other, tree.token_ids[n:]]),
            parent=np.concatenate([np.arange(-1, size - 1), tree.parent[n:] + moved]),
            position=np.concatenate([np.arange(size), tree.position[n:] + moved]),
            end=np.concatenate([np.full(size, len(tree) + moved), tree.end[n:] + moved]),
            nll_weight=np.concatenate([none, tree.nll_weight[n:]]),
            retain=np.concatenate([none.astype(bool), tree.retain[n:]]),
            pairs=(),
        )
        return Row.of([behind]), moved


class PromptedVariants(Variants):
    """`base` and the same model under other prompts."""

    def __init__(self, model: Any, prompted: Prompted, name: str = "prompted", *, kept: Kept | None = None) -> None:
        """Take a plain model, and what it is shown when it speaks as `name`."""
        super().__init__(model, kept=kept)
        self.prompted = prompted
        self.adapters = (name,)
        self.names = (BASE, name)

    @contextmanager
    def using(self, name: str) -> Iterator[Any]:
        """The model, which is one and the same; what it is shown differs."""
        if name not in self.names:
            raise KeyError(name)
        with torch.no_grad():
            yield self.model

    def sample(self, name: str, prefixes: Sequence[Sequence[int]], *args: Any, **options: Any) -> list[list[Sample]]:
        """Continuations of what the variant is shown in place of each prefix's prompt."""
        seen = prefixes if name == BASE else [self.prompted.ids(p) for p in prefixes]
        return super().sample(name, seen, *args, **options)

    def row(self, name: str, row: Row) -> tuple[Row, int]:
        """The row as the variant is shown it."""
        return (row, 0) if name == BASE else self.prompted.row(row)
