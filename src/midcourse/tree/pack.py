"""Trees side by side in one row, by a token budget. No tree sees another: `end` already says so."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from midcourse.tree.token_tree import IntArray, TokenTree, chain

__all__ = ["Row", "pack", "plain_row"]


@dataclass(frozen=True, slots=True)
class Row:
    """One packed sequence of T tokens and the trees it is made of."""

    token_ids: IntArray
    parent: IntArray
    position: IntArray
    end: IntArray
    trees: tuple[TokenTree, ...]
    offsets: tuple[int, ...]
    """Where each tree begins."""

    def __len__(self) -> int:
        return len(self.token_ids)

    @classmethod
    def of(cls, trees: Sequence[TokenTree]) -> "Row":
        """Put trees one after another."""
        offsets = np.cumsum([0, *(len(t) for t in trees)])[:-1]
        return cls(
            token_ids=np.concatenate([t.token_ids for t in trees]),
            parent=np.concatenate(
                [np.where(t.parent < 0, -1, t.parent + o) for t, o in zip(trees, offsets, strict=True)]
            ),
            position=np.concatenate([t.position for t in trees]),
            end=np.concatenate([t.end + o for t, o in zip(trees, offsets, strict=True)]),
            trees=tuple(trees),
            offsets=tuple(int(o) for o in offsets),
        )


def plain_row(token_ids: Sequence[int]) -> Row:
    """One ordinary causal sequence."""
    return Row.of([chain(token_ids)])


def pack(trees: Sequence[TokenTree], max_tokens: int) -> list[Row]:
    """First fit, largest first: rows of at most `max_tokens`; a larger tree has a row of its own. Deterministic."""
    bins: list[tuple[int, list[int]]] = []
    for i in sorted(range(len(trees)), key=lambda i: (-len(trees[i]), i)):
        for n, (size, members) in enumerate(bins):
            if size + len(trees[i]) <= max_tokens:
                bins[n] = (size + len(trees[i]), [*members, i])
                break
        else:
            bins.append((len(trees[i]), [i]))
    return [Row.of([trees[i] for i in members]) for _, members in bins]
