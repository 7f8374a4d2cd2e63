"""How the text that a model is to continue came to be: what it wrote itself, what a person put, which steers that was.

Each exchange stands on the text before it, so that several corrections of one text are told as what they are. Pure
text, in characters; it knows no tokens and no store.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from midcourse.capture.proxy.exchange import Asked, Exchange
from midcourse.capture.proxy.recognition import Edit, Recognition
from midcourse.capture.proxy.shown import resolve
from midcourse.rows.row import Prompt, SteerRow
from midcourse.types import Message

__all__ = ["Written", "begin", "edited_turn", "go_on", "prompt_of", "row_of", "text_of"]

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Written:
    """The answer of one exchange as far as the request already held it."""

    name: str
    """The exchange in which this text began."""
    prompt: Prompt
    given: str
    """What the request held of the answer."""
    person: tuple[Span, ...] = ()
    """Characters of it that the model did not write."""

    def to_dict(self) -> dict[str, Any]:
        """As it is kept."""
        prompt = self.prompt if isinstance(self.prompt, str) else [m.to_dict() for m in self.prompt]
        return {"name": self.name, "prompt": prompt, "given": self.given, "person": [list(s) for s in self.person]}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> "Written":
        """Back again."""
        prompt = value["prompt"]
        if not isinstance(prompt, str):
            prompt = tuple(m if isinstance(m, Message) else Message.from_dict(m) for m in prompt)
        return cls(value["name"], prompt, value["given"], tuple((a, b) for a, b in value["person"]))


def prompt_of(asked: Asked) -> Prompt:
    """What is answered: a text, or messages; a client's nudge to go on is none of them."""
    if asked.route == "completions":
        return asked.turns[0].content
    return tuple(Message(t.role, t.content) for t in resolve(asked).turns)


def text_of(exchange: Exchange) -> str:
    """The assistant's text after an exchange, as `Edit.start` counts it."""
    given = resolve(exchange.asked).prefill
    return exchange.text if given and exchange.text.startswith(given) else given + exchange.text


def begin(name: str, asked: Asked) -> Written:
    """A text that goes on from nothing we know; what the request holds of it, a program or a person put there."""
    given = resolve(asked).prefill
    return Written(name, prompt_of(asked), given, ((0, len(given)),) if given else ())


def go_on(
    before: Written, was: Exchange, asked: Asked, found: Recognition, name: str
) -> tuple[Written, tuple[SteerRow, ...]]:
    """The text that a request goes on with, and the steers that lie between it and the one before.

    Args:
        before: How the text of `was` began.
        was: The exchange that the request goes on from.
        asked: The request.
        found: What was recognised in it; only its edits of `was` count.
        name: Of the new text, where it turns out to be one.

    Returns:
        The new text, and a row for each edit of words that the model wrote. No rows where the edits do not lead to it.
    """
    whole, prompt = text_of(was), before.prompt
    if asked.route == "completions":
        # `was` goes on behind its own prompt, which holds what was given before.
        asked_now, base = asked.turns[0].content, len(before.given)
        if not asked_now.startswith(str(prompt)):
            return begin(name, asked), ()
        given, whole = asked_now[len(str(prompt)) :], before.given + whole
    else:
        given, base, prompt = resolve(asked).prefill, 0, prompt_of(asked)
    edits = [e for e in found.edits if e.exchange == was.id and not _history(e, asked)]
    person, rows, moved = list(before.person), list[SteerRow](), 0
    for edit in sorted(edits, key=lambda e: e.start):
        start = base + edit.start
        row = row_of(prompt, whole, given, start, start + moved, edit, was.end == "stop", before.name)
        own = any(a <= start and start + len(edit.was) <= b for a, b in before.person) and edit.was
        if row is not None and not own:
            rows.append(row)
        person = _moved(person, start + moved, len(edit.was), len(edit.put))
        moved += len(edit.put) - len(edit.was)
    if not _leads(whole, given, edits, base):
        rows = []
    kept = tuple((a, min(b, len(given))) for a, b in sorted(person) if a < len(given))
    return Written(before.name, prompt, given, kept), tuple(rows)


def edited_turn(was: Exchange, turn: int, asked: Asked, edits: Sequence[Edit]) -> tuple[SteerRow, ...]:
    """The steers in an answer that was finished and then corrected where it stands in the history.

    Args:
        was: The exchange that wrote it.
        turn: Where it stands now.
        asked: The request that shows it.
        edits: What was corrected in it.
    """
    whole, given = text_of(was), asked.turns[turn].content
    prompt = tuple(Message(t.role, t.content) for t in asked.turns[:turn])
    name, moved, rows = f"{was.id}/edited", 0, list[SteerRow]()
    if not prompt or not _leads(whole, given, edits, 0):
        return ()
    for edit in sorted(edits, key=lambda e: e.start):
        row = row_of(prompt, whole, given, edit.start, edit.start + moved, edit, was.end == "stop", name)
        if row is not None and row.kind == "resampled":  # nothing was written behind it: it should have stopped here
            row = replace(row, ended=True, kind="ended")
        rows += [row] if row is not None else []
        moved += len(edit.put) - len(edit.was)
    return tuple(rows)


def row_of(
    prompt: Prompt, whole: str, given: str, start: int, at: int, edit: Edit, ended: bool, name: str
) -> SteerRow | None:
    """One edit as a row: after this prefix, not that, but this.

    Args:
        prompt: What was answered.
        whole: The text as it was.
        given: The text as it is.
        start: Where in `whole` the edit begins.
        at: Where in `given` it begins.
        edit: What was there and what is put.
        ended: Whether the text as it was had come to its own end.
        name: Which text it is.

    Returns:
        None where nothing was edited.
    """
    last = start + len(edit.was) >= len(whole.rstrip())
    prefix, old_tail = given[:at], whole[start + len(edit.was) :]
    rest = {"prompt": prompt, "prefix": prefix, "trajectory": name}
    if not edit.was and not edit.put:
        return None
    if last and not edit.was:
        kind, turned_down = ("continued", ("",)) if ended else ("typed", ())
        return SteerRow(chosen=edit.put, rejected=turned_down, kind=kind, **rest)  # type: ignore[arg-type]
    if last:
        kind = "typed" if edit.put else "resampled"
        return SteerRow(chosen=edit.put, rejected=(edit.was,), kind=kind, **rest)  # type: ignore[arg-type]
    return SteerRow(chosen=edit.put, rejected=(edit.was,), old_tail=old_tail, kind="local", **rest)  # type: ignore[arg-type]


def _history(edit: Edit, asked: Asked) -> bool:
    """Whether an edit stands in an earlier turn, which is a text of its own."""
    return asked.route == "chat" and edit.turn != resolve(asked).place


def _leads(whole: str, given: str, edits: Sequence[Edit], base: int) -> bool:
    """Whether the edits turn the one text into the other, but for white space at its end."""
    out, at = list[str](), 0
    for edit in sorted(edits, key=lambda e: e.start):
        start = base + edit.start
        if start < at or whole[start : start + len(edit.was)] != edit.was:
            return False
        out += [whole[at:start], edit.put]
        at = start + len(edit.was)
    return ("".join(out) + whole[at:]).rstrip() == given.rstrip()


def _moved(spans: list[Span], at: int, cut: int, put: int) -> list[Span]:
    """Spans of a text after `cut` characters at `at` were replaced by `put` others, which are a span of their own."""
    out = []
    for a, b in spans:
        if a < at:
            out.append((a, min(b, at)))
        if b > at + cut:
            out.append((max(a, at + cut) - cut + put, b - cut + put))
    return [*out, *([(at, at + put)] if put else [])]
