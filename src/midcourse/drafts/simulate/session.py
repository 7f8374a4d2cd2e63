"""One text written by a model and steered by a simulated person: look, stop, put right, let it go on, accept.

It steers through `Draft` alone, as the studio does. It asks for tokens by yielding how many, so that whoever drives it
may write one text or many at a time; it knows no model.
"""

import random
import re
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass, field

from midcourse.drafts.draft import Draft
from midcourse.drafts.simulate.cost import Paid, words_in
from midcourse.drafts.simulate.habits import CAREFUL, Habits
from midcourse.drafts.simulate.judge import EDGE, Found, Judge
from midcourse.drafts.simulate.wording import Put, Wording
from midcourse.errors import InputError
from midcourse.types import Trajectory

__all__ = ["Run", "session", "simulate"]


@dataclass(frozen=True)
class Run:
    """What a simulated writing came to."""

    trajectory: Trajectory
    text: str
    steers: Counter[str] = field(default_factory=Counter)
    """Corrections made, by rule."""
    tokens: int = 0
    """Tokens of the finished text."""
    broken: Counter[str] = field(default_factory=Counter)
    """Mistakes left: overlooked, or where the budget of steers ran out."""
    ended: bool = False
    """Whether the text came to its end token rather than to the limit."""
    paid: Paid = field(default_factory=Paid)
    """What a person would have done for it."""


def simulate(
    draft: Draft, judge: Judge, habits: Habits = CAREFUL, *, seed: int = 0, wording: Wording | None = None
) -> Run:
    """Let the model write below the prompt of `draft` while `judge` steers it, then accept the text.

    Args:
        draft: With its prompt.
        judge: Says what is wrong.
        habits: Of the person.
        seed: Of their dice.
        wording: Where the words of a correction come from; None: typed as the judge says.

    Raises:
        InputError: A correction breaks a rule itself.
    """
    writing = session(draft, judge, habits, seed=seed, wording=wording)
    try:
        while True:
            list(draft.stream(next(writing)))
    except StopIteration as done:
        run: Run = done.value
        return run


def session(
    draft: Draft, judge: Judge, habits: Habits = CAREFUL, *, seed: int = 0, wording: Wording | None = None
) -> Generator[int, None, Run]:
    """`simulate` as a coroutine: yields how many tokens the model should write next, returns the run."""
    person = _Person(draft, judge, habits, random.Random(f"{seed}/{draft.trajectory.id}"), wording)
    while True:
        room = judge.max_tokens - len(draft.answer_ids)
        finished = draft.ended or room <= 0
        found = judge.first(draft.text, finished=finished, at=person.at)
        if found is not None and person.made.total() < judge.max_steers:
            if person.overlooks(found):
                continue
            late = 0 if draft.ended else min(habits.lateness(person.dice), room)
            if late > 0:
                yield from person.reads(late)
            person.steers(found)
        elif finished or not (yield from person.reads(min(judge.stretch, room))):
            break  # done, or the context is full
    person.paid.accept()
    broken = judge.count(draft.text)
    return Run(
        draft.accept(), draft.text, person.made, len(draft.answer_ids), broken, draft.ended, person.paid
    )  # fmt: skip


class _Person:
    """What the simulated person has seen, done and paid so far."""

    def __init__(
        self, draft: Draft, judge: Judge, habits: Habits, dice: random.Random, wording: Wording | None
    ) -> None:
        self.draft, self.judge, self.habits, self.dice, self.wording = draft, judge, habits, dice, wording
        self.at = 0
        """Characters before this are let stand."""
        self.made: Counter[str] = Counter()
        self.paid = Paid()

    def reads(self, tokens: int) -> Generator[int, None, bool]:
        """Let the model write so many tokens and read them; whether any came."""
        before, length = self.draft.text, len(self.draft.answer_ids)
        yield tokens
        new = len(self.draft.answer_ids) - length
        self.paid.read(before, self.draft.text, new)
        return new > 0

    def overlooks(self, found: Found) -> bool:
        """Whether this mistake is passed over, for good."""
        if self.habits.overlooks and self.dice.random() < self.habits.overlooks:
            self.at = max(found.end, self.at + 1)
            return True
        return False

    def steers(self, found: Found) -> None:
        """Put the mistake right, or, being wrong, turn down words before it."""
        text = self.draft.text
        self.made[found.rule] += 1
        wrong = self.habits.wrong and self.dice.random() < self.habits.wrong
        if wrong and (cut := self._words_before(text, found.start)) is not None:
            self._did("resampled", cut, text)
            self.draft.resample(cut, reason="turned down without cause")
            self.at = min(self.at, cut)
        elif found.ends:
            self._ends(found, text)
        elif found.correction is None:
            self._did("resampled", found.start, text)
            self.draft.resample(found.start, reason=found.reason)
        else:
            self._puts(found, self._agreed(found, found.correction, text), text)

    def _agreed(self, found: Found, correction: str, text: str) -> str:
        """What a person puts who sees that the correction of one rule breaks another: both are put right at once.

        Without its comma, a word may be one too many in its sentence: the full stop takes the place of both.
        """
        put, asked = correction, {found.rule}
        while (again := self._broken_by(found.start, put, text)) is not None:
            if again.rule in asked or again.correction is None or again.ends or not self.judge.strict:
                return correction  # they do not come to agree: `_reads_again` refuses the rule's own words
            asked.add(again.rule)
            whole = text[: found.start] + put
            put = whole[found.start : again.start] + again.correction + whole[again.end :]
        return put

    def _broken_by(self, start: int, correction: str, text: str) -> Found | None:
        """The mistake that a correction put at `start` makes itself."""
        put = start + len(correction)
        again = self.judge.first(text[:start] + correction + " " * EDGE, finished=False, at=start)
        return again if again is not None and again.start < put else None

    def _puts(self, found: Found, correction: str, text: str) -> None:
        tail = bool(text[found.end :].strip()) and not self.draft.ended
        local = tail and self.habits.keeps_tail > 0 and self.dice.random() < self.habits.keeps_tail
        put = None if local or self.wording is None else self.wording(self.draft, self.judge, found)
        if put is not None:
            self._takes(put, found, text)
            return
        self._did("local" if local else "typed", found.start, text, correction)
        if local:
            steer = self.draft.replace(found.start, correction, "local", end=found.end, reason=found.reason)
        else:
            steer = self.draft.replace(found.start, correction, reason=found.reason)
        if steer is None:  # nothing was there to change
            self.at = max(self.at, found.end, found.start + 1)
        self._reads_again(found, correction)

    def _takes(self, put: Put, found: Found, text: str) -> None:
        """Words of the model's own; the judge has let them stand already."""
        self.paid.steer("picked", back=words_in(text[put.start :]), typed=put.typed, pick=not put.typed)
        self.paid.keys += bool(put.typed)  # what was typed is looked at again, then taken with one more key
        self.paid.words_read += put.read
        if self.draft.replace(put.start, put.text, "picked", reason=found.reason) is None:
            self.at = max(self.at, found.end, found.start + 1)

    def _ends(self, found: Found, text: str) -> None:
        self._did("ended", found.start, text, found.correction or "")
        if found.correction is not None:
            self.draft.replace(found.start, found.correction, reason=found.reason)
        self.draft.end(found.start if found.correction is None else None, reason=found.reason)

    def _reads_again(self, found: Found, correction: str) -> None:
        """A correction that breaks a rule itself is refused."""
        put = found.start + len(correction)
        again = self._broken_by(found.start, correction, self.draft.text)
        if again is None:
            return
        if not self.judge.strict:
            self.at = max(self.at, put)
            return
        raise InputError(
            f"the correction {correction!r} of the rule {found.rule!r} breaks the rule {again.rule!r} itself "
            f"({self.draft.text[again.start : again.end]!r}); change the replacement"
        )

    def _did(self, kind: str, start: int, text: str, typed: str = "") -> None:
        self.paid.steer(kind, back=words_in(text[start:]), typed=typed)

    def _words_before(self, text: str, start: int) -> int | None:
        """Where one to three words before a mistake begin."""
        words = [m.start() for m in re.finditer(r"\s*\S+", text[:start])]
        return words[-min(self.dice.randint(1, 3), len(words))] if words else None
