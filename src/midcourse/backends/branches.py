"""Keys and values of the texts a model was asked about lately, so that going on, going back and jumping read nothing.

Each text keeps its own; a text cut back keeps what was cut off aside, or, where less lies before the cut than behind
it, starts a copy of its own. All of it stays under a budget, the least recently used goes first. It knows token ids and
tensors, no model and no sampling.
"""

from collections.abc import Sequence
from typing import Any

import torch
from transformers.cache_utils import Cache, DynamicLayer

from midcourse.tokens import common_prefix

__all__ = ["Branch", "Branches"]

_STEP = 256
"""Slots a cache grows by at least."""
_FEW = 8
"""A shared beginning of fewer tokens is not worth copying."""


class _Growing(DynamicLayer):
    """A layer's keys and values in a buffer with room at its end: a new token is written, not everything copied."""

    is_initialized: bool
    keys: Any
    values: Any

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append, and return all."""
        if not self.is_initialized:
            self.dtype, self.device = key_states.dtype, key_states.device
            self.is_initialized, self.keys, self.values = True, key_states[..., :0, :], value_states[..., :0, :]
            self._rooms: tuple[torch.Tensor, torch.Tensor] = (self.keys, self.values)
        used, new = self.keys.shape[-2], key_states.shape[-2]
        if used + new > self._rooms[0].shape[-2]:
            self._rooms = (_larger(self.keys, key_states, used + new), _larger(self.values, value_states, used + new))
        for room, given in zip(self._rooms, (key_states, value_states), strict=True):
            room[..., used : used + new, :] = given
        self.keys, self.values = (room[..., : used + new, :] for room in self._rooms)
        return self.keys, self.values

    def keep(self, length: int) -> None:
        """Only the first `length` tokens count from here on."""
        if self.is_initialized:
            self.keys, self.values = (room[..., :length, :] for room in self._rooms)

    @property
    def size(self) -> int:
        """Bytes held."""
        return sum(room.nbytes for room in self._rooms) if self.is_initialized else 0


def _larger(now: torch.Tensor, like: torch.Tensor, needed: int) -> torch.Tensor:
    used = now.shape[-2]
    shape = (*like.shape[:-2], max(needed + _STEP, used + used // 2), like.shape[-1])
    room = torch.empty(shape, dtype=like.dtype, device=like.device)
    room[..., :used, :] = now
    return room


class Branch:
    """One text that was read, with its cache."""

    def __init__(self, token_ids: Sequence[int] = ()) -> None:
        self.ids = list(token_ids)
        self.cache: Any = Cache(layer_class_to_replicate=_Growing)

    @property
    def size(self) -> int:
        """Bytes held."""
        return sum(layer.size for layer in self.cache.layers)

    def part(self, start: int, end: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Keys and values of some tokens, copied."""
        return [
            (layer.keys[..., start:end, :].clone(), layer.values[..., start:end, :].clone())
            for layer in self.cache.layers
        ]

    def append(self, token_ids: Sequence[int], part: list[tuple[torch.Tensor, torch.Tensor]]) -> None:
        """Put copied tokens behind those that are there."""
        for n, (keys, values) in enumerate(part):
            self.cache.update(keys, values, n)
        self.ids += token_ids

    def cut(self, length: int) -> None:
        """Forget all but the first `length` tokens."""
        for layer in self.cache.layers:
            layer.keep(length)
        del self.ids[length:]


class _Tail:
    """What was cut off a text: its tokens from `start` on."""

    def __init__(self, branch: Branch, start: int) -> None:
        self.ids, self.start = list(branch.ids), start
        self.part = branch.part(start, len(branch.ids))

    @property
    def size(self) -> int:
        return sum(k.nbytes + v.nbytes for k, v in self.part)


class Branches:
    """Texts of one model under a budget of bytes."""

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self._kept: list[Branch | _Tail] = []
        """The least recently used first."""

    @property
    def size(self) -> int:
        """Bytes held."""
        return sum(k.size for k in self._kept)

    def held(self, ids: Sequence[int]) -> int:
        """How many leading tokens of `ids` need not be read."""
        return max((common_prefix(ids, k.ids) for k in self._kept), default=0)

    def ends_at(self, ids: Sequence[int]) -> bool:
        """Whether a branch holds `ids` and nothing else."""
        wanted = list(ids)
        return any(isinstance(k, Branch) and len(k.ids) == len(wanted) and k.ids == wanted for k in self._kept)

    @torch.inference_mode()
    def take(self, ids: Sequence[int]) -> Branch:
        """The branch that holds most of `ids[:-1]` and nothing else; give it back with `keep` once it was read on."""
        before = list(ids[:-1])
        for branch in reversed(self._kept):
            if isinstance(branch, Branch) and len(branch.ids) == len(before) and branch.ids == before:
                self._kept.remove(branch)
                return branch
        branch = self._nearest(before)
        tails = [t for t in self._kept if isinstance(t, _Tail) and t.start <= len(branch.ids)]
        shared = [common_prefix(before, t.ids) for t in tails]
        if shared and max(shared) > len(branch.ids):
            tail, at, end = tails[shared.index(max(shared))], len(branch.ids), max(shared)
            part = [(k[..., at - tail.start : end - tail.start, :], v[..., at - tail.start : end - tail.start, :])
                    for k, v in tail.part]  # fmt: skip
            branch.append(before[at:end], part)
        return branch

    def keep(self, branch: Branch) -> None:
        """Put a branch (back) as the most recently used, and forget what no longer fits."""
        self._kept.append(branch)
        while len(self._kept) > 1 and self.size > self.budget:
            self._kept.pop(0)

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()

    def _nearest(self, before: list[int]) -> Branch:
        branches = [b for b in self._kept if isinstance(b, Branch)]
        shared = [common_prefix(before, b.ids) for b in branches]
        best = max(shared, default=0)
        if best == 0:
            return Branch()
        branch = branches[shared.index(best)]
        beyond = len(branch.ids) - best
        if beyond and best <= beyond:  # what would be cut off is the larger part: leave it, and copy the beginning
            fresh = Branch()
            if best >= _FEW:
                fresh.append(before[:best], branch.part(0, best))
            return fresh
        self._kept.remove(branch)
        if beyond:
            self._kept.append(_Tail(branch, best))
            branch.cut(best)
        return branch
