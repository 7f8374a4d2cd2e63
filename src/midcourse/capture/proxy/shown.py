"""A generation as it stood in front of the person: what it answered, what it was given, what it wrote, and who wrote
which words of it.

Two requests are near each other by what was said before the text: all of it, the last question and the answer before it
(clients shorten the beginning), the last question only. The system's words do not count, since they carry clocks. It
does not decide what was corrected.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from midcourse.capture.importers.align import Edit as Hunk
from midcourse.capture.proxy.compare import hunks
from midcourse.capture.proxy.exchange import Asked, Exchange, Turn
from midcourse.capture.proxy.plain import Plain, plain, shared_end, shared_start
from midcourse.capture.proxy.recognition import Edit
from midcourse.capture.proxy.tasks import NUDGE

__all__ = ["Context", "Request", "Shown", "before", "edit_of", "nearness", "resemblance", "resolve", "written_by"]

SYSTEM = ("system", "developer")
TAIL = 12
"""Characters that two texts must end with in common for that to mean anything."""


@dataclass(frozen=True, slots=True)
class Context:
    """What was said before a text."""

    said: tuple[tuple[str, str], ...]
    """All of it, role and words."""
    question: str
    answer: str
    """The assistant's turn before the question."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request, with the text to be continued apart from the turns before it, however the client sent it."""

    turns: tuple[Turn, ...]
    prefill: str
    place: int
    """Index of the turn that holds it."""


def resolve(asked: Asked) -> Request:
    """Find the text to be continued: the prefill, a last message of the assistant, or the one that a nudge is about."""
    turns = asked.turns
    last = turns[-1] if turns else Turn("", "")
    if asked.route == "completions":
        return Request(turns, "", 0)
    if last.role == "assistant" and asked.prefill in ("", last.content):
        return Request(turns[:-1], last.content, len(turns) - 1)
    nudged = len(turns) > 1 and last.role != "assistant" and turns[-2].role == "assistant" and NUDGE.match(last.content)
    if not asked.prefill and nudged:
        return Request(turns[:-2], turns[-2].content, len(turns) - 2)
    return Request(turns, asked.prefill, len(turns))


def before(turns: Sequence[Turn]) -> Context:
    """The context of a text that stands behind some turns."""
    said = tuple((t.role, _key(t.content)) for t in turns if t.role not in SYSTEM)
    asked = next((n for n in range(len(said) - 1, -1, -1) if said[n][0] != "assistant"), -1)
    question = said[asked][1] if asked >= 0 else ""
    answer = next((words for role, words in reversed(said[: max(asked, 0)]) if role == "assistant"), "")
    return Context(said, question, answer)


def nearness(a: Context, b: Context) -> Literal[0, 1, 2, 3]:
    """How much two contexts have in common: 3 all, 2 question and the answer before it, 1 the question, 0 less."""
    if a.said == b.said:
        return 3
    if a.question != b.question or not a.question:
        return 0
    return 2 if a.answer == b.answer else 1


@dataclass(frozen=True)
class Shown:
    """One generation in front of a person."""

    exchange: Exchange
    order: int
    """Its place among the person's generations."""

    @cached_property
    def request(self) -> Request:
        """What it answered."""
        return resolve(self.exchange.asked)

    @cached_property
    def context(self) -> Context:
        """What was said before it."""
        return before(self.request.turns)

    @cached_property
    def given(self) -> str:
        """What the model was given to continue: the prefill, or the whole prompt."""
        asked = self.exchange.asked
        return asked.turns[0].content if asked.route == "completions" and asked.turns else self.request.prefill

    @cached_property
    def whole(self) -> str:
        """What it was given and what it wrote; some servers send a prefill back at the beginning."""
        prefill, text = self.request.prefill, self.exchange.text
        return text if prefill and text.startswith(prefill) else self.given + text

    @property
    def wrote(self) -> str:
        """What it wrote."""
        return self.whole[len(self.given) :]

    @property
    def stopped(self) -> bool:
        """Whether it may have ended inside a word."""
        return self.exchange.end != "stop"

    def view(self, thoughts: bool) -> Plain:
        """The whole text as it is compared."""
        return self._thoughtful if thoughts else self._bare

    def base(self, thoughts: bool) -> int:
        """Where in the view the model's own words begin."""
        return self.view(thoughts).at(len(self.given))

    @cached_property
    def _thoughtful(self) -> Plain:
        return plain(self.whole)

    @cached_property
    def _bare(self) -> Plain:
        return plain(self.whole, thoughts=False)


def resemblance(was: str, now: str) -> int:
    """Characters that two texts share at their beginnings and, where it is more than chance, at their ends."""
    start = shared_start(was, now)
    most = min(len(was), len(now)) - start
    end = min(shared_end(was[start:], now[start:]), most) if most >= TAIL else 0
    return start + (end if end >= TAIL else 0)


def edit_of(hunk: Hunk, of: Shown, now: Plain, turn: int, *, thoughts: bool = True) -> Edit:
    """A difference as an edit, in characters as they were sent.

    Args:
        hunk: In characters of the view of `of`, and of `now`.
        of: The generation that was compared.
        now: What stands there now.
        turn: Where that stands in the request.
        thoughts: Which view was compared.
    """
    view = of.view(thoughts)
    first, last = view.raw_at(hunk.start), view.raw_at(hunk.end)
    apart = len(of.given) if of.exchange.asked.route == "completions" else 0
    put = now.raw[now.raw_at(hunk.put_start) : now.raw_at(hunk.put_end)]
    return Edit(of.exchange.id, turn, first - apart, view.raw[first:last], put)


def written_by(start: int, end: int, of: Shown, earlier: Sequence[Shown], thoughts: bool) -> tuple[Shown, int] | None:
    """Which generation wrote a span of a view, and where it begins in that one's view.

    None where no model did: a person put it, or it is the prompt's. What is a model's in part is a model's.
    """
    base = of.base(thoughts)
    if start >= base or end > base:
        return of, start
    given = of.view(thoughts).text[:base]
    raw = of.exchange.asked.route == "completions"
    parents = [s for s in earlier if s.order < of.order and (raw or nearness(s.context, of.context))]
    parent = max(parents, key=lambda s: (resemblance(s.view(thoughts).text, given), s.order), default=None)
    if parent is None:
        return None
    was = parent.view(thoughts).text
    at, put = 0, 0
    for hunk in [*hunks(was, given), Hunk(len(was), len(was), len(given), len(given))]:
        if put <= start and end <= hunk.put_start:
            return written_by(start - put + at, end - put + at, parent, earlier, thoughts)
        at, put = hunk.end, hunk.put_end
    return None


def _key(content: str) -> str:
    return plain(content, thoughts=False).text.strip()
