"""Which examples come when: the steers in full in every pass, between them a set share of text, instructions, pairs.

The order is a function of the seed, the pass and the sizes, never of what was drawn before: after a kill the same
examples follow. It knows no tokens and no loss.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from midcourse.errors import InputError

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

    A source goes on in the next pass where it stopped, and is shuffled anew each time it begins again.

    Args:
        main: How many examples come in every pass.
        sources: What is mixed in.
        seed: Of the run.
        epoch: Says which pass it is when the indices are asked for.
        shuffle: Whether the main examples are shuffled.
    """

    def __init__(
        self, main: int, sources: list[Source], seed: int, epoch: Callable[[], int], *, shuffle: bool = True
    ) -> None:
        self.main, self.sources, self.seed = main, sources, seed
        self._epoch, self._shuffle = epoch, shuffle

    def __len__(self) -> int:
        return self.main + sum(s.per_pass for s in self.sources)

    def __iter__(self) -> Iterator[int]:
        return iter(self.order(self._epoch()))

    def order(self, epoch: int) -> list[int]:
        """The indices of a pass."""
        main = self._shuffled(self.main, 0, epoch) if self._shuffle else list(range(self.main))
        placed = [((n + 0.5) / self.main, 0, i) for n, i in enumerate(main)]
        for number, source in enumerate(self.sources, 1):
            first = epoch * source.per_pass
            drawn = [self._at(source, number, first + n) for n in range(source.per_pass)]
            placed += [((n + 0.5) / source.per_pass, number, i) for n, i in enumerate(drawn)]
        return [i for _, _, i in sorted(placed, key=lambda p: p[:2])]

    def position(self, epoch: int, examples: int) -> dict[str, int]:
        """How many examples of each source were drawn after so many examples of a pass, passes before it included."""
        seen = Counter(self._name(i) for i in self.order(epoch)[:examples])
        before = {"": self.main * epoch} | {s.name: s.per_pass * epoch for s in self.sources}
        return {name or "steers": count + seen[name] for name, count in before.items()}

    def _name(self, index: int) -> str:
        return next((s.name for s in self.sources if s.start <= index < s.start + s.size), "")

    def _at(self, source: Source, number: int, drawn: int) -> int:
        again, place = divmod(drawn, source.size)
        return source.start + self._shuffled(source.size, number, again)[place]

    def _shuffled(self, size: int, number: int, again: int) -> list[int]:
        generator = torch.Generator().manual_seed((self.seed * 1_000_003 + number) * 1_000_003 + again)
        order: list[int] = torch.randperm(size, generator=generator).tolist()
        return order
