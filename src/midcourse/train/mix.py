"""Which examples come when: the steers in full in every pass, between them a set share of text, instructions, pairs.

The order is a function of the seed, the pass and the sizes, never of what was drawn before: after a kill the same
examples follow. It knows no tokens and no loss.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from heapq import merge
from itertools import islice
from typing import Any

import torch

from midcourse.errors import InputError
from midcourse.train.shuffled import Shuffled

__all__ = ["MixedOrder", "Source", "parse_mix"]


def parse_mix(value: Any) -> dict[str, float]:
    """`text=0.1,instructions=0.2`, or the same as a mapping, as shares by name.

    Raises:
        InputError: It is neither, or the shares leave nothing for the steers.
    """
    if value is None or value == "":
        return {}
    if isinstance(value, str):
        pairs = [part.rpartition("=") for part in value.split(",")]
        value = {name.strip(): share for name, _, share in pairs}
    if not isinstance(value, Mapping) or not all(isinstance(name, str) and name for name in value):
        raise InputError(f"mix is {value!r}; expected NAME=SHARE,… such as text=0.1,instructions=0.2")
    shares: dict[str, float] = {}
    for name, share in value.items():
        try:
            shares[name] = float(share)
        except (TypeError, ValueError) as error:
            raise InputError(f"mix: the share of {name} is {share!r}; expected a number such as 0.1") from error
        if not 0 < shares[name] < 1:
            raise InputError(f"mix: the share of {name} is {shares[name]:g}; expected one above 0 and below 1")
    if sum(shares.values()) >= 1:
        raise InputError(
            f"the shares of the mix add up to {sum(shares.values()):g} and leave nothing for the steers; they are "
            "shares of all examples, so their sum must be below 1"
        )
    return shares


@dataclass(frozen=True, slots=True)
class Source:
    """Examples that are mixed in, at places `start` to `start + size` of the data set."""

    name: str
    start: int
    size: int
    per_pass: int
    """How many are drawn in each pass over the steers."""

    @staticmethod
    def count(share: float, shares: float, main: int) -> int:
        """How many of a source make up its share of a pass: share / (1 − all shares) for each steered text."""
        return max(1, round(share / (1 - shares) * main))


class MixedOrder(torch.utils.data.Sampler[int]):
    """Indices of one pass: all of the first `main` examples, shuffled, with those of the sources spread evenly.

    A source goes on in the next pass where it stopped, and is shuffled anew each time it begins again. Nothing is laid
    out: an order takes no more memory for a million examples than for ten.

    Args:
        main: How many examples come in every pass.
        sources: What is mixed in.
        seed: Of the run.
        epoch: Says which pass it is when the indices are asked for.
        shuffle: Whether the main examples are shuffled.
    """

    SCHEME = 2
    """Which order it is; checkpoints keep it, since the order goes on only if it is the same."""

    def __init__(
        self, main: int, sources: list[Source], seed: int, epoch: Callable[[], int], *, shuffle: bool = True
    ) -> None:
        self.main, self.sources, self.seed = main, sources, seed
        self._epoch, self._shuffle = epoch, shuffle
        self._counts = [main, *(s.per_pass for s in sources)]

    def __len__(self) -> int:
        return sum(self._counts)

    def __iter__(self) -> Iterator[int]:
        return self.order(self._epoch())

    def order(self, epoch: int) -> Iterator[int]:
        """The indices of a pass."""
        shuffled = Shuffled(self.main, self.seed, 0, epoch) if self._shuffle else range(self.main)
        for _, number, n in merge(*(self._places(number) for number in range(len(self._counts)))):
            if number == 0:
                yield shuffled[n]
            else:
                yield self._at(number, epoch * self._counts[number] + n)

    def _places(self, number: int) -> Iterator[tuple[float, int, int]]:
        """Where in a pass each example of a source comes, between 0 and 1."""
        count = self._counts[number]
        return (((n + 0.5) / count, number, n) for n in range(count))

    def _at(self, number: int, drawn: int) -> int:
        source = self.sources[number - 1]
        again, place = divmod(drawn, source.size)
        return source.start + Shuffled(source.size, self.seed, number, again)[place]

    def position(self, epoch: int, examples: int) -> dict[str, int]:
        """How many examples of each source were drawn after so many examples of a pass, passes before it included."""
        names = ["steers", *(s.name for s in self.sources)]
        counts = enumerate(self._counts)
        return {name: count * epoch + self._among(n, examples) for name, (n, count) in zip(names, counts, strict=True)}

    def _among(self, number: int, examples: int) -> int:
        """How many examples of a source are among the first of a pass."""
        return bisect_left(range(self._counts[number]), examples, key=lambda n: self._rank(number, n))

    def _rank(self, number: int, n: int) -> int:
        """How many examples come before the n-th of a source. Of another one that has as many as it likes, the m-th
        comes before it if (2m + 1) / count < (2n + 1) / own count; of two at one place the lower number comes first."""
        own = self._counts[number]
        before = n
        for other, count in enumerate(self._counts):
            if other != number:
                odd = ((2 * n + 1) * count - (other > number)) // own  # the largest that 2m + 1 may be
                before += (odd + 1) // 2
        return before

    def reached(self, examples: int) -> Iterator[int]:
        """All that so many examples from the first pass on may draw, each once."""
        passes, rest = divmod(examples, len(self))
        if passes:
            yield from range(self.main)
        else:
            yield from (i for i in islice(self.order(0), rest) if i < self.main)
        for number, source in enumerate(self.sources, 1):
            drawn = source.per_pass * (passes + bool(rest))
            if drawn < source.size:
                yield from (self._at(number, n) for n in range(drawn))
            else:
                yield from range(source.start, source.start + source.size)
