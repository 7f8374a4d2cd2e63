"""What reads along: something that sees a text as a person does and says where the first mistake is.

A rule, a checker and a stronger model are all judges. A judge knows text and nothing of tokens, drafts or models'
insides, so each of them can stand in the person's place.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from midcourse.types import Message

__all__ = ["EDGE", "Found", "Judge", "asked"]

EDGE = 2
"""How many characters must stand behind a mistake before it counts: the word may not be finished yet."""


@dataclass(frozen=True, slots=True)
class Found:
    """A mistake at characters `start` to `end` of a text, and what a person would do about it."""

    rule: str
    """Name of what was broken."""
    start: int
    end: int
    correction: str | None
    """Put in place of the words. None: turned down without a correction, the model tries again."""
    reason: str | None = None
    ends: bool = False
    """The answer should have stopped at `start` (after `correction`, where there is one)."""


class Judge(Protocol):
    """Who reads along."""

    @property
    def name(self) -> str:
        """What it goes by in records."""
        ...

    @property
    def stretch(self) -> int:
        """Tokens the model writes between two looks."""
        ...

    @property
    def max_tokens(self) -> int:
        """Tokens of a finished text."""
        ...

    @property
    def max_steers(self) -> int:
        """Corrections of one text."""
        ...

    @property
    def strict(self) -> bool:
        """Whether a correction that the judge itself would not let stand is an error."""
        ...

    def about(self, prompt: str | Sequence[Message]) -> "Judge":
        """The same judge for one task: what is right may depend on what was asked."""
        ...

    def count(self, text: str) -> Counter[str]:
        """How often a finished text goes wrong, by what is wrong."""
        ...

    def first(self, text: str, *, finished: bool = True, at: int = 0) -> Found | None:
        """The first mistake that begins at `at` or later; in an unfinished text only where enough follows to be sure.

        Args:
            text: The answer so far.
            finished: Nothing will follow.
            at: Characters before this have been seen and let stand.
        """
        ...


def asked(prompt: str | Sequence[Message]) -> str:
    """What the user said last."""
    if isinstance(prompt, str):
        return prompt
    return next((m.content for m in reversed(prompt) if m.role == "user"), "")
