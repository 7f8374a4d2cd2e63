"""The trees of a run as one sequence, wherever they lie, and what is asked of all of them without reading any.

A tree is some thousand numbers and a run may have millions of trees. What must be known of each (its length, what it
adds to the denominators of the loss) are ten, kept beside it. It knows no file, no model and no loss.
"""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from midcourse.train.numbered import Numbered
from midcourse.tree.token_tree import IntArray, TokenTree, split_tree
from midcourse.types import TEACHES

__all__ = ["FACTS", "Facts", "HeldTrees", "Joined", "Part", "Parts", "Trees"]


class Facts(NamedTuple):
    """What is known of a tree without reading it."""

    tokens: int
    teaches: int
    """Its place in `TEACHES`."""
    steers: int
    """Steers with at least one pair."""
    pairs: int
    unpaired: int
    """Pairs without a rejected side."""
    retained: int
    branch_tokens: int
    pair_weight: float
    text_weight: float

    @classmethod
    def of(cls, tree: TokenTree) -> "Facts":
        """Counted."""
        return cls(
            tokens=len(tree),
            teaches=TEACHES.index(tree.teaches),
            steers=len({p.steer for p in tree.pairs}),
            pairs=len(tree.pairs),
            unpaired=sum(len(p.rejected) == 0 for p in tree.pairs),
            retained=int(tree.retain.sum()),
            branch_tokens=tree.branch_tokens,
            pair_weight=float(sum(p.weight for p in tree.pairs)),
            text_weight=float(tree.nll_weight.sum()),
        )


FACTS = np.dtype(
    {
        "names": list(Facts._fields),
        "formats": ["<i4", "u1", "<i4", "<i4", "<i4", "<i4", "<i8", "<f8", "<f8"],
    }
)
"""The facts of one tree as numbers; some 45 bytes."""


class Trees(Numbered[TokenTree]):
    """Trees by index, and facts about them."""

    @abstractmethod
    def facts(self, index: int) -> Facts:
        """The facts of one tree; it is not read for that."""

    @abstractmethod
    def column(self, name: str) -> npt.NDArray[Any]:
        """One fact of all trees."""

    def ids(self) -> Iterator[str]:
        """The id of each tree."""
        return (tree.id for tree in self)

    @property
    def compared(self) -> npt.NDArray[np.bool_]:
        """Whether anything on a tree is compared with the reference; plain text is not."""
        return np.asarray((self.column("pairs") > 0) | (self.column("retained") > 0))

    @property
    def branching(self) -> npt.NDArray[np.bool_]:
        """Whether a tree has a rejected side."""
        return np.asarray(self.column("pairs") > self.column("unpaired"))

    def shortest(self, count: int, among: npt.NDArray[np.bool_] | None = None) -> list[TokenTree]:
        """The trees with the fewest tokens, of equal ones the earlier."""
        at = np.arange(len(self)) if among is None else np.flatnonzero(among)
        return [self.read(int(i)) for i in at[np.argsort(self.column("tokens")[at], kind="stable")[:count]]]


class HeldTrees(Trees):
    """Trees in memory."""

    def __init__(self, trees: Iterable[TokenTree]) -> None:
        self._trees = tuple(trees)
        self._facts = np.array([tuple(Facts.of(t)) for t in self._trees], dtype=FACTS)

    def __len__(self) -> int:
        return len(self._trees)

    def read(self, index: int) -> TokenTree:
        """The tree itself."""
        return self._trees[index]

    def facts(self, index: int) -> Facts:
        """As they were counted when the tree came."""
        return Facts(*self._facts[index].item())

    def column(self, name: str) -> npt.NDArray[Any]:
        """A view."""
        return self._facts[name]


@dataclass(frozen=True, slots=True)
class Part:
    """Some trees of a sequence under one name."""

    trees: Trees
    at: "range | IntArray"
    label: str | None = None
    """Their `source` from here on."""


class Joined(Trees):
    """Parts one after another."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = list(parts)
        self._ends = list(accumulate(len(p.at) for p in self._parts))

    def __len__(self) -> int:
        return self._ends[-1]

    def _find(self, index: int) -> tuple[Part, int]:
        number = int(np.searchsorted(self._ends, index, side="right"))
        part = self._parts[number]
        return part, int(part.at[index - (self._ends[number] - len(part.at))])

    def read(self, index: int) -> TokenTree:
        """From whichever part it is of."""
        part, at = self._find(index)
        tree = part.trees.read(at)
        return tree if part.label is None else replace(tree, source=part.label)

    def facts(self, index: int) -> Facts:
        """From whichever part it is of."""
        part, at = self._find(index)
        return part.trees.facts(at)

    def column(self, name: str) -> npt.NDArray[Any]:
        """Of all parts."""
        return np.concatenate([p.trees.column(name)[_slice(p.at)] for p in self._parts])


def _slice(at: "range | IntArray") -> "slice | IntArray":
    return slice(at.start, at.stop, at.step) if isinstance(at, range) else at


class Parts(Numbered[TokenTree]):
    """Some trees, those over a budget cut into parts; each is read when it is asked for."""

    def __init__(self, trees: Trees, max_tokens: int, at: "range | IntArray | None" = None) -> None:
        self._trees, self._max = trees, max_tokens
        self._at: IntArray = np.arange(len(trees)) if at is None else np.asarray(at, dtype=np.int64)
        tokens = trees.column("tokens")[self._at]
        self._cut: tuple[int, list[TokenTree]] = (-1, [])
        lengths = {int(n): [len(p) for p in self._split(int(self._at[n]))] for n in np.flatnonzero(tokens > max_tokens)}
        counts = np.ones(len(tokens), dtype=np.int64)
        counts[list(lengths)] = [len(parts) for parts in lengths.values()]
        self._ends = np.cumsum(counts)
        self.tokens: IntArray = np.repeat(tokens.astype(np.int64), counts)
        """How long each is."""
        for n, parts in lengths.items():
            self.tokens[self._ends[n] - len(parts) : self._ends[n]] = parts

    def __len__(self) -> int:
        return len(self.tokens)

    @cached_property
    def smallest(self) -> int:
        """Where the first of the shortest ones is."""
        return int(self.tokens.argmin())

    def read(self, index: int) -> TokenTree:
        """The tree, or the part of one, at an index that is there."""
        number = int(np.searchsorted(self._ends, index, side="right"))
        before = int(self._ends[number - 1]) if number else 0
        return self._split(int(self._at[number]))[index - before]

    def _split(self, index: int) -> list[TokenTree]:
        if self._cut[0] != index:  # parts of one tree are asked for one after another
            self._cut = index, split_tree(self._trees.read(index), self._max)
        return self._cut[1]
