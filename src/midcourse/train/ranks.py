"""What the processes of one run share out and agree on: who computes what, sums over all, who writes.

Every rank knows all sizes, so each reckons the same shares without a word; only results are exchanged. A run of one
process is the case of one rank. It knows no model, no loss and no files.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch.distributed as dist

from midcourse.errors import MidcourseError

__all__ = ["Ranks", "dealt"]

T = TypeVar("T")

_BEAT = 60.0
"""Seconds after which whoever works alone says so."""


@dataclass(frozen=True, slots=True)
class _Word:
    """What the first rank tells those that wait for it."""

    value: Any = None
    goes_on: bool = False
    error: MidcourseError | None = None


def dealt(sizes: Sequence[int], hands: int) -> list[list[int]]:
    """Indices for each hand, of about equal total size: the largest first, each to whoever has least.

    Deterministic; ties go to the earlier index and the hand with fewer. Each hand is in the order of the indices.
    """
    held: list[list[int]] = [[] for _ in range(hands)]
    weight = [0] * hands
    for i in sorted(range(len(sizes)), key=lambda i: (-sizes[i], i)):
        least = min(range(hands), key=lambda h: (weight[h], len(held[h]), h))
        held[least].append(i)
        weight[least] += sizes[i]
    return [sorted(hand) for hand in held]


@dataclass(frozen=True, slots=True)
class Ranks:
    """This process among those of the run."""

    index: int = 0
    count: int = 1
    lockstep: bool = False
    """Whether a forward pass is one of all ranks at once, as it is where each holds a shard of the weights."""

    @classmethod
    def here(cls, *, lockstep: bool = False) -> "Ranks":
        """As torch.distributed knows it; alone where it was not started."""
        if not (dist.is_available() and dist.is_initialized()):
            return cls()
        return cls(dist.get_rank(), dist.get_world_size(), lockstep)

    @property
    def first(self) -> bool:
        """Whether this one writes and speaks."""
        return self.index == 0

    def share(self, items: Sequence[T], size: Callable[[T], int] = len) -> list[T]:  # type: ignore[assignment]
        """This rank's part of what all ranks hold alike, by size."""
        if self.count == 1:
            return list(items)
        return [items[i] for i in dealt([size(item) for item in items], self.count)[self.index]]

    def rounds(self, mine: Sequence[T], spare: T, least: int = 0) -> Iterator[tuple[T, bool]]:
        """Own items, each with True; then `spare` with False as often as this rank must keep others company.

        Args:
            mine: What this rank runs through the model.
            spare: What it runs in lockstep when others have more, and counts for nothing.
            least: Rounds that every rank must take.
        """
        rounds = max(self.gathered(len(mine))) if self.lockstep else len(mine)
        yield from ((item, True) for item in mine)
        for _ in range(max(rounds, least) - len(mine)):
            yield spare, False

    def gathered(self, value: T) -> list[T]:
        """The value of every rank, in their order; all must ask at the same place."""
        if self.count == 1:
            return [value]
        values: list[Any] = [None] * self.count
        dist.all_gather_object(values, value)
        return values

    def summed(self, values: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
        """Lists of numbers by name, added up over all ranks, alike on each; a name may be missing on some."""
        sums: dict[str, list[float]] = {}
        for part in self.gathered({name: list(numbers) for name, numbers in values.items()}):
            for name, numbers in part.items():
                sums[name] = [a + b for a, b in zip(sums.get(name, [0.0] * len(numbers)), numbers, strict=True)]
        return sums

    def wait(self) -> None:
        """Until all are here."""
        if self.count > 1:
            dist.barrier()

    def leave(self) -> None:
        """The end of a run that went well: nothing can be exchanged any more.

        A process that ends without it may be aborted by gloo's threads, which outlive the interpreter
        (https://github.com/pytorch/pytorch/pull/179291). After an error it is left out: whoever still computes would be
        waited for.
        """
        self.wait()
        if dist.is_available() and dist.is_initialized():
            dist.destroy_process_group()

    def by_first(self, work: Callable[[Callable[[], None]], T]) -> T:
        """What `work` returns on the first rank, told to all.

        Args:
            work: Gets a call to make now and then. By it the others, who wait, hear that it goes on, so that none gives
                up however long it takes.
        """
        if self.count == 1:
            return work(lambda: None)
        if not self.first:
            while (told := self.gathered(_Word())[0]).goes_on:
                pass
            if told.error is not None:
                raise told.error
            return told.value  # type: ignore[no-any-return]
        since = time.monotonic()

        def beat() -> None:
            nonlocal since
            if time.monotonic() - since > _BEAT:
                self.gathered(_Word(goes_on=True))
                since = time.monotonic()

        try:
            value = work(beat)
        except MidcourseError as error:
            self.gathered(_Word(error=error))
            raise
        self.gathered(_Word(value))
        return value
