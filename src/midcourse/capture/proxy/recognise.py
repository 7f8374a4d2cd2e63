"""Whether a request shows that a person corrected what the model wrote before: cut, changed or extended it.

A request is compared with the generations of the same person. It knows text only: no HTTP, no token ids, no store.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from midcourse.capture.proxy.exchange import Asked, Exchange

__all__ = ["Edit", "Recognition", "RecognitionKind", "recognise"]

RecognitionKind = Literal["cut", "changed", "extended", "same", "regenerated", "history_edit", "new", "side_task"]


@dataclass(frozen=True, slots=True)
class Edit:
    """One place where a person corrected the text of one generation."""

    exchange: str
    """Whose text it is: the exchange that wrote the words."""
    turn: int
    """Where the corrected text stands in the request: index of its turn, `len(turns)` of the prefill."""
    start: int
    """Character of the assistant's text at which it begins. That text is the prefill and then what the model wrote
    (chat), or what the model wrote behind the prompt (`completions`)."""
    was: str
    """What the model had written there; to the end of its text where nothing of it was kept. Empty: only inserted."""
    put: str
    """What stands there now; empty: only cut."""


@dataclass(frozen=True, slots=True)
class Recognition:
    """What a request shows."""

    kind: RecognitionKind
    exchange: str | None = None
    """The generation that it goes on from; None: none that is known."""
    edits: tuple[Edit, ...] = ()
    """What was corrected, left to right, earlier turns first; only of `cut`, `changed`, `extended`, `history_edit`."""
    certain: bool = False
    """Whether a person's hand is plain; otherwise it belongs in the inbox."""
    why: str = ""
    """The reason, in a few words that a person can read."""


def recognise(
    asked: Asked, earlier: Sequence[Exchange], *, at: float | None = None, exact: bool = False
) -> Recognition:
    """Compare a request with what was generated before.

    Args:
        asked: The request.
        earlier: Generations of the same person, the newest last.
        at: When the request came, in seconds since 1970; None: not known.
        exact: Count only generations whose earlier turns stand in the request word for word: where it is not known
            that the person is the same.
    """
    return Recognition("new", why="not compared yet")
