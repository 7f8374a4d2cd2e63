"""What one more exchange adds to what is remembered, and the steers that it makes plain.

Pure: the request, the answer and the earlier exchanges go in. Where the model saw or wrote what the text does not show
(thinking, calls of tools, images), no steer is made. It knows no consent and no store.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from midcourse.capture.proxy.answer import Choice
from midcourse.capture.proxy.asking import Request
from midcourse.capture.proxy.conversations import Remembered, steps_to
from midcourse.capture.proxy.exact import Step
from midcourse.capture.proxy.exchange import Asked, Exchange
from midcourse.capture.proxy.proposal import Proposal
from midcourse.capture.proxy.recognition import Edit, Recognition
from midcourse.capture.proxy.shown import resolve
from midcourse.capture.proxy.written import begin, edited_turn, go_on

__all__ = ["Noticed", "notice"]


@dataclass(frozen=True, slots=True)
class Noticed:
    """What is to be kept."""

    remembered: Remembered
    proposals: tuple[Proposal, ...] = ()
    unmade: str = ""
    """Why no steer was made of a correction that was seen."""


def notice(
    exchange: Exchange,
    request: Request,
    choice: Choice,
    found: Recognition,
    before: Mapping[str, Remembered],
    *,
    prompt_ids: tuple[int, ...] | None = None,
    clean: bool = True,
) -> Noticed:
    """Put one exchange beside those before it.

    Args:
        exchange: The new one.
        request: What was asked.
        choice: What was answered.
        found: What the request shows, compared with `before`.
        before: Earlier exchanges by id.
        prompt_ids: The prompt as the server read it, where it tells.
        clean: Whether the texts are as they were; False: something was taken out, so that ids do not belong to them.
    """
    asked, held = exchange.asked, resolve(exchange.asked).prefill
    was = before.get(found.exchange or "")
    if was is not None and (asked.route == "completions" or held):
        written, rows = go_on(was.written, was.exchange, asked, found, exchange.id)
    else:
        written, rows = begin(exchange.id, asked), ()
    follows = was if was is not None and written.name == was.written.name else None
    added = exchange.text.removeprefix(written.given if held else "")
    step = None
    told = choice.whole and choice.bare in ("", held)
    if clean and told and not choice.hidden and held == asked.prefill:  # a nudge is not in the ids
        step = Step(
            written.given,
            _edits(found, follows),
            added,
            tuple(choice.ids),
            tuple(choice.logprobs),
            None if follows else prompt_ids,
            exchange.end == "stop",
        )
    lacks = choice.hidden or request.opaque or (follows.lacks if follows else "")
    offered = request.offered or (follows is not None and follows.offered)
    remembered = Remembered(exchange, written, follows.exchange.id if follows else None, step, lacks, offered)
    finished, unmade = _finished(found, asked, before)
    if follows and not rows and _edits(found, follows):
        unmade = "the client changed more than the person"
    if rows and lacks:
        return Noticed(remembered, finished, lacks)
    if rows:
        more: dict[str, Any] = {"sampler": request.sampler, "steps": steps_to(remembered, before)}
        whole = Proposal(written.name, written.prompt, written.given + added, rows, written.person, **more)
        return Noticed(remembered, (*finished, whole), unmade)
    return Noticed(remembered, finished, unmade)


def _edits(found: Recognition, follows: Remembered | None) -> tuple[tuple[int, str, str], ...]:
    """The edits of the text that is gone on with, counted from its beginning."""
    if follows is None:
        return ()
    base = len(follows.written.given) if follows.exchange.asked.route == "completions" else 0
    own = [e for e in found.edits if e.exchange == follows.exchange.id]
    return tuple((base + e.start, e.was, e.put) for e in own)


def _finished(found: Recognition, asked: Asked, before: Mapping[str, Remembered]) -> tuple[tuple[Proposal, ...], str]:
    """The steers in answers that were finished and then corrected where they stand in the history."""
    places: dict[tuple[int, str], list[Edit]] = {}
    for edit in found.edits:
        if asked.route == "chat" and edit.turn != resolve(asked).place:
            places.setdefault((edit.turn, edit.exchange), []).append(edit)
    out, unmade = list[Proposal](), ""
    for (turn, id), edits in places.items():
        of, stands = before.get(id), asked.turns[turn].content
        if of is None or not (rows := edited_turn(of.exchange, turn, asked, edits)):
            continue
        if of.lacks:
            unmade = of.lacks
            continue
        steps = steps_to(of, before)
        if steps:
            steps += (Step(stands, tuple((e.start, e.was, e.put) for e in edits)),)
        out.append(Proposal(f"{id}/edited", rows[0].prompt, stands, rows, steps=steps))
    return tuple(out), unmade
