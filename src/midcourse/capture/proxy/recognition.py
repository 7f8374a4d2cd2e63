"""What a request shows of a person's hand: values only."""

from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Edit", "Found", "Recognition", "RecognitionKind"]

RecognitionKind = Literal["cut", "changed", "extended", "same", "regenerated", "history_edit", "new", "side_task"]


@dataclass(frozen=True, slots=True)
class Edit:
    """One place where a person corrected the text of one generation."""

    exchange: str
    """Whose text it is."""
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
    """What was corrected, left to right, earlier turns first. Of `cut`, `changed`, `extended` and `history_edit`; of
    `same` only where the person changed nothing but words of their own, which is no steer."""
    certain: bool = False
    """Whether a person's hand is plain; otherwise it belongs in the inbox."""
    why: str = ""
    """The reason, in a few words that a person can read."""


@dataclass(slots=True)
class Found:
    """A recognition while it is made: one that has doubts is not certain."""

    kind: RecognitionKind
    why: str
    exchange: str | None = None
    edits: list[Edit] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
