"""What a dialect turns sampling settings into, and what it reads a server's events as.

A dialect is a pure translation: a request body out, chunks of words in. It knows no connection and no tokenizer, so it
can be tried on recorded events alone.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from midcourse.backends.protocol import Sampling

__all__ = ["Chunk", "Dialect", "Garbled", "Word"]


class Garbled(ValueError):
    """An event is not of the form that the dialect documents."""


@dataclass(frozen=True, slots=True)
class Word:
    """One generated token as a server tells of it."""

    id: int | None = None
    raw: bytes | None = None
    """Its bytes; a server that gives neither these nor an id is heard by the chunk's text."""
    logprob: float = math.nan
    """Not a number where the server does not say."""
    alternatives: tuple[tuple[int | bytes, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Chunk:
    """One event of a stream."""

    text: str = ""
    words: tuple[Word, ...] = ()
    ended: Literal["", "stop", "length"] = ""
    """`stop`: by an end token; `length`: by the limit asked for."""

    def check(self) -> None:
        """Refuse what JSON may hold in the place of a text or an id.

        Raises:
            Garbled, ValueError: Something has another type, or is no text.
        """
        names = [name for w in self.words for name in (w.id, *(a for a, _ in w.alternatives))]
        if not isinstance(self.text, str) or any(type(n) not in (int, bytes, type(None)) for n in names):
            raise Garbled("a text or a token id has another type")
        self.text.encode()  # half a character cannot be


class Dialect(Protocol):
    """How one kind of server is spoken to."""

    name: str
    path: str
    by_ids: bool
    """Whether a prompt can be given as token ids; else it is given as text."""
    bans: bool
    """Whether tokens can be ruled out."""
    most_alternatives: int
    """How many alternatives may be asked for; 0: none are told."""
    loses_split: bool
    """Whether ids of tokens that end inside a character are left out of the stream."""

    def body(self, prompt: list[int] | str, sampling: Sampling, model: str) -> dict[str, Any]:
        """The JSON of a streamed request; `sampling.banned_first` is ruled out throughout."""
        ...

    def chunk(self, event: Any) -> Chunk:
        """What one event says.

        Raises:
            Garbled, KeyError, TypeError, ValueError, IndexError, AttributeError: It is something else.
        """
        ...
