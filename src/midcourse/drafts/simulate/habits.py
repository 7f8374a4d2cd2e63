"""What a person does that a rule does not: stops late, overlooks, keeps the rest of the text, is sometimes wrong.

Only numbers and dice; what is done with them is `session`'s. `MEASURED` comes from the CoAuthor logs
(`benchmarks/coauthor_habits.py`, where each figure stands with its definition and its interval).
"""

import random
from dataclasses import dataclass, fields

from midcourse.errors import InputError

__all__ = ["CAREFUL", "MEASURED", "Habits", "named"]


@dataclass(frozen=True, slots=True)
class Habits:
    """A person's ways, each a chance per mistake, except `late`."""

    late: float = 0.0
    """Mean number of tokens that are written between the mistake and the stop (geometric)."""
    overlooks: float = 0.0
    """Chance that a mistake is not seen, neither now nor later."""
    keeps_tail: float = 0.0
    """Chance that only the words are replaced and the model's own tail is kept (`local`), where there is one."""
    wrong: float = 0.0
    """Chance that words before the mistake, which were fine, are turned down in place of it."""

    def __post_init__(self) -> None:
        """Chances lie between 0 and 1."""
        for field in fields(self):
            value = getattr(self, field.name)
            if not 0 <= value <= (1000 if field.name == "late" else 1):
                raise InputError(f"{field.name} is {value!r}; expected a chance from 0 to 1 (late: a number of tokens)")

    def lateness(self, dice: random.Random) -> int:
        """Tokens from the mistake to the stop, drawn anew for each."""
        stop, tokens = 1 / (1 + self.late), 0
        while dice.random() >= stop:
            tokens += 1
        return tokens


CAREFUL = Habits()
"""Stops at the first look, sees everything, is never wrong: what a rule does."""
MEASURED = Habits(late=11.5, overlooks=0.1, keeps_tail=0.52, wrong=0.015)
"""From 594 corrections by 39 CoAuthor writers. `late` is an upper bound (their text was shown at once), `wrong` a
stand-in (slips of form in their own corrections), `overlooks` an assumption: the logs cannot tell."""


def named(text: str) -> Habits:
    """`careful`, `measured`, or numbers such as `late=4,overlooks=0.1`.

    Raises:
        InputError: It is neither.
    """
    if text in ("careful", "measured"):
        return CAREFUL if text == "careful" else MEASURED
    known = {field.name for field in fields(Habits)}
    values: dict[str, float] = {}
    for part in text.split(","):
        name, given, value = part.partition("=")
        try:
            if not given or name.strip() not in known:
                raise ValueError
            values[name.strip()] = float(value)
        except ValueError as error:
            raise InputError(
                f"habits are `careful`, `measured`, or name=number with {', '.join(sorted(known))}; got {part!r}"
            ) from error
    return Habits(**values)
