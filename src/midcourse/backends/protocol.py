"""What everything that generates has in common: token ids in, a stream of tokens out.

A backend is given the exact ids of everything written so far, so nothing is rendered or tokenized a second time, and
it can be stopped at any token by closing the iterator. This module knows no model, no server and no text.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Backend", "Read", "Sampling", "Token"]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to draw the next tokens."""

    max_new_tokens: int = 256
    temperature: float = 0.0
    """0 takes the likeliest token."""
    top_p: float = 1.0
    """Only the smallest set of tokens that together have this probability is drawn from."""
    seed: int = 0
    alternatives: int = 0
    """How many of the likeliest tokens to report at each place."""
    banned_first: tuple[int, ...] = ()
    """Ids the very first token must not be: what was just rejected."""
    end_ids: tuple[int, ...] | None = None
    """Ids that end the answer; None: those of the tokenizer."""


@dataclass(frozen=True, slots=True)
class Token:
    """One generated token."""

    id: int
    logprob: float
    """Under the model itself, before temperature, top_p and bans (nats)."""
    alternatives: tuple[tuple[int, float], ...] = ()
    """The likeliest (id, logprob) at this place, best first; the drawn one may be among them."""


@dataclass(frozen=True, slots=True)
class Read:
    """One given token as a model sees it."""

    logprob: float
    """Of the token (nats)."""
    best: int
    """The likeliest token in its place."""
    best_logprob: float


class Backend(Protocol):
    """Who generates."""

    def stream(self, token_ids: Sequence[int], sampling: Sampling) -> Iterator[Token]:
        """Continue `token_ids`; an end token is the last one yielded.

        Raises:
            InputError: Nothing to continue from, or no room left in the context.
        """
        ...
