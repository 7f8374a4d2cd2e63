"""What the model would have said: rejected sides for steers that have none.

Some corrections come without what was there before (a finished text with insertions, a step a person wrote). The base
is asked at the fork; what it says instead of the chosen words becomes the rejected side, marked `sampled`. It knows
no store and no files.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from midcourse.drafts.growth import grow
from midcourse.errors import TokenizerMismatch
from midcourse.tokens import TextTokenizer
from midcourse.types import Node, Rejected, Steer, Trajectory

__all__ = ["Filled", "Sampler", "fill", "unfilled"]

_AT_A_TIME = 8


class Sampler(Protocol):
    """A backend that draws many continuations, such as `LocalBackend`."""

    def sample_batch(  # noqa: D102
        self,
        prefixes: Sequence[Sequence[int]],
        n: int = 1,
        *,
        max_new_tokens: int = 64,
        temperature: float = 1.0,
        seed: int = 0,
        adapter: bool | None = None,
    ) -> list[list[list[int]]]: ...


@dataclass(frozen=True, slots=True)
class Filled:
    """What was found for one steer; `rejected` is empty where the base itself says what was chosen."""

    trajectory: str
    steer: str
    rejected: tuple[Rejected, ...]
    nodes: tuple[Node, ...]


def unfilled(trajectory: Trajectory) -> list[Steer]:
    """Steers that count, have a chosen side and no rejected one."""
    return [s for s in trajectory.steers if s.counts and s.chosen is not None and not s.rejected]


def fill(
    trajectories: Iterable[Trajectory],
    sampler: Sampler,
    tokenizer: TextTokenizer,
    *,
    n: int = 4,
    temperature: float = 1.0,
    seed: int = 0,
) -> Iterator[Filled]:
    """Sample the base `n` times at the fork of every steer without a rejected side.

    A sample becomes rejected when it differs from the chosen tokens within their length; equal samples count once.
    Each is as long as the loss can read: max(8, twice the chosen side).

    Raises:
        TokenizerMismatch: A trajectory was made with another tokenizer than the model's.
    """
    waiting = ((t, s) for t in trajectories for s in unfilled(_checked(t, tokenizer)))
    round_ = 0
    while part := list(islice(waiting, _AT_A_TIME)):
        prefixes = [t.path(s.fork) for t, s in part]
        chosen = [t.path(s.chosen)[len(p) :] if s.chosen else [] for (t, s), p in zip(part, prefixes, strict=True)]
        lengths = [max(8, 2 * len(c)) for c in chosen]
        drawn = sampler.sample_batch(
            prefixes, n, max_new_tokens=max(lengths), temperature=temperature, seed=seed + round_, adapter=False
        )
        round_ += 1
        for (trajectory, steer), put, length, samples in zip(part, chosen, lengths, drawn, strict=True):
            yield _filled(trajectory, steer, put, [s[:length] for s in samples])


def _filled(trajectory: Trajectory, steer: Steer, chosen: list[int], samples: list[list[int]]) -> Filled:
    rejected: list[Rejected] = []
    nodes: list[Node] = []
    for sample in dict.fromkeys(map(tuple, samples)):
        if sample and list(sample[: len(chosen)]) != chosen[: len(sample)]:
            trajectory, end, new = grow(trajectory, steer.fork, sample, "model")
            rejected.append(Rejected(end, "sampled"))
            nodes += new
    return Filled(trajectory.id, steer.id, tuple(rejected), tuple(nodes))


def _checked(trajectory: Trajectory, tokenizer: TextTokenizer) -> Trajectory:
    if trajectory.tokenizer != tokenizer.hash:
        raise TokenizerMismatch(
            f"trajectory {trajectory.id} was tokenized by {trajectory.tokenizer} and this model uses {tokenizer.hash}; "
            "give the model that the steers were imported for"
        )
    return trajectory
