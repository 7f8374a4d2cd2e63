"""Which tokens meet which in attention: the row permuted so that every path is contiguous, cut into slices.

A path goes on with its last child, so all tokens of a path share one `end`. Put path after path, in the order in which
they begin, each token's ancestors become a few ranges: the beginning of its own path, of the path that one left, and
so on up to the root. A slice is a run of queries with the union of their ranges as keys; what of that union a query
must not see gets a bias of −∞. A long path from a root needs no bias: it is an ordinary causal text.
It knows no model, only arrays; `sliced.py` runs it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from midcourse.tree.pack import Row
from midcourse.tree.token_tree import IntArray

__all__ = ["Plan", "Slice", "ordered", "plan_row"]

QUERIES = 256
"""Most queries of a slice. Fewer waste time on calls, more on keys that most of them do not see."""
_CALL = 10_000
"""What one more call costs, in (query, key) pairs: slices are joined where the pairs wasted are fewer."""
_CAUSAL_FROM = 128
"""A root path this long is a causal call of its own."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Queries `begin` to `stop` of the permuted row, and the ranges of keys they see something of."""

    begin: int
    stop: int
    keys: tuple[tuple[int, int], ...]
    bias: Tensor | None
    """[queries, keys] 0 where seen, else −∞. None: the queries are their own keys, causally."""

    @property
    def pairs(self) -> int:
        """(query, key) pairs that are computed; half of the square where the slice is causal."""
        n = self.stop - self.begin
        return n * (n + 1) // 2 if self.bias is None else n * sum(hi - lo for lo, hi in self.keys)


@dataclass(frozen=True, slots=True)
class Plan:
    """How one row is run: its order, and the slices of each kind of layer."""

    order: IntArray
    """[T] the row's index of each permuted token."""
    rank: IntArray
    """[T] where each token of the row went."""
    slices: dict[int | None, tuple[Slice, ...]]
    """By window: None for full attention."""
    blocks: dict[int | None, Any] = field(default_factory=dict)
    """By window, instead of slices: FlexAttention's masks."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """A run of queries on one path: permuted `begin` to `stop`, and the ranges of keys all the way up."""

    begin: int
    stop: int
    keys: tuple[tuple[int, int], ...]
    causal: bool = False


def ordered(row: Row) -> Plan:
    """The permuted order alone: path after path, in the order in which they begin."""
    order = np.argsort(_heads(row), kind="stable").astype(np.int64)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return Plan(order, rank, {})


def _heads(row: Row) -> IntArray:
    """[T] the index at which the path of each token begins: a path is all tokens that end together."""
    first = np.full(len(row) + 1, len(row), dtype=np.int64)
    np.minimum.at(first, row.end, np.arange(len(row)))
    return first[row.end]


def plan_row(
    row: Row,
    windows: Iterable[int | None] = (None,),
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    queries: int = QUERIES,
) -> Plan:
    """Plan the attention of a row for full layers (None) and for layers with a window, measured by position."""
    plan = ordered(row)
    order = plan.order
    paths = _paths(row, order, plan.rank)
    for window in windows:
        cut = (p for path in paths for p in _pieces(row, order, path, window, queries))
        plan.slices[window] = tuple(
            Slice(p.begin, p.stop, p.keys, None if p.causal else _bias(row, order, p, window).to(device, dtype))
            for p in _joined(cut, queries)
        )
    return plan


def _paths(row: Row, order: IntArray, rank: IntArray) -> list[tuple[tuple[int, int], ...]]:
    """For each path, in permuted order, the ranges a token at its end sees: its own first, then up to the root."""
    begins = np.flatnonzero(np.diff(_heads(row)[order], prepend=-1))
    found: list[tuple[tuple[int, int], ...]] = []
    number = np.repeat(np.arange(len(begins)), np.diff(begins, append=len(order)))
    for begin, stop in zip(begins.tolist(), [*begins[1:].tolist(), len(order)], strict=True):
        ranges = [(begin, stop)]
        fork = int(row.parent[order[begin]])
        if fork >= 0:
            at = int(rank[fork])
            above = found[int(number[at])]
            ranges += [(above[0][0], at + 1), *above[1:]]
        found.append(tuple(ranges))
    return found


def _pieces(
    row: Row, order: IntArray, path: tuple[tuple[int, int], ...], window: int | None, queries: int
) -> Iterator[_Piece]:
    (begin, stop), above = path[0], path[1:]
    length = stop - begin
    if not above and length >= _CAUSAL_FROM and (window is None or length <= window):
        yield _Piece(begin, stop, ((begin, stop),), causal=True)
        return
    for a in range(begin, stop, queries):
        b = min(a + queries, stop)
        # Positions grow by one along a path, so a window cuts each range at its beginning.
        lowest = 0 if window is None else int(row.position[order[a]]) - window + 1
        ranges = []
        for lo, hi in ((begin, b), *above):
            lo = max(lo, lo + lowest - int(row.position[order[lo]]))
            if lo < hi:
                ranges.append((lo, hi))
        yield _Piece(a, b, tuple(sorted(ranges)))


def _joined(pieces: Iterable[_Piece], queries: int) -> Iterator[_Piece]:
    """Neighbours in one slice, where what they waste on each other's keys costs less than a call."""
    last: _Piece | None = None
    for piece in pieces:
        if last is not None:
            both = _Piece(last.begin, piece.stop, _union(last.keys, piece.keys))
            fits = both.stop - both.begin <= queries and not (last.causal or piece.causal)
            if fits and _size(both) <= _size(last) + _size(piece) + _CALL:
                last = both
                continue
            yield last
        last = piece
    if last is not None:
        yield last


def _size(piece: _Piece) -> int:
    return (piece.stop - piece.begin) * sum(hi - lo for lo, hi in piece.keys)


def _union(one: tuple[tuple[int, int], ...], other: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    out: list[tuple[int, int]] = []
    for lo, hi in sorted((*one, *other)):
        if out and lo <= out[-1][1]:
            out[-1] = (out[-1][0], max(hi, out[-1][1]))
        else:
            out.append((lo, hi))
    return tuple(out)


def _bias(row: Row, order: IntArray, piece: _Piece, window: int | None) -> Tensor:
    """[queries, keys] by the rule of the tree: q sees k ⇔ k ≤ q < end[k], and the window by position."""
    q = order[piece.begin : piece.stop, None]
    k = np.concatenate([order[lo:hi] for lo, hi in piece.keys])[None, :]
    seen = (k <= q) & (q < row.end[k])
    if window is not None:
        seen &= row.position[q] - row.position[k] < window
    return torch.zeros(seen.shape).masked_fill_(~torch.from_numpy(seen), float("-inf"))
