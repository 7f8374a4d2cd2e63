"""What each command does to the draft of a room. It knows no socket; who may send what is decided before."""

from collections.abc import Callable
from typing import TypeVar

from midcourse.capture.studio import commands as c
from midcourse.capture.studio import events, views
from midcourse.capture.studio.aside import aside
from midcourse.capture.studio.audience import Tab
from midcourse.capture.studio.room import Room
from midcourse.capture.studio.shapes import TypingView
from midcourse.capture.studio.troubles import Refused, refusal_of
from midcourse.drafts.looking import look_for_alternatives, look_for_ghost
from midcourse.errors import MidcourseError
from midcourse.types import Place, Steer

__all__ = ["carry_out"]

T = TypeVar("T")
OnText = c.Rewind | c.Replace | c.Pick | c.Resample | c.End | c.Jump
_LOOK_FOR = 20.0
"""Seconds after which a look at what might stand there is given up."""


async def carry_out(room: Room, tab: Tab, command: c.Command) -> str | None:
    """Do it; returns the id of the steer that was made.

    Raises:
        Refused: It was not done, and nothing has changed.
    """
    room.watch.touch()
    if isinstance(command, c.Shown):
        room.shown = max(room.shown, min(command.shown, room.length))
        return None
    try:
        if isinstance(command, c.Alternatives | c.Ghost):
            await _look(room, tab, command)
            return None
        async with room.lock:
            return await _carry_out(room, tab, command)
    except MidcourseError as error:
        raise refusal_of(error) from error


async def _carry_out(room: Room, tab: Tab, command: c.Command) -> str | None:
    match command:
        case c.Stop():
            await room.halt(command.shown)
            room.emit_state()
        case c.Continue():
            _open(room)
            if room.pump is None:
                await room.settle()
                await room.resume(command.max_new_tokens)
        case c.Rewind() | c.Replace() | c.Pick() | c.Resample() | c.End() | c.Jump():
            return await _on_text(room, command)
        case c.Plain(cmd="undo") | c.Plain(cmd="redo"):
            await room.halt()
            draft = room.draft
            if not await room.work(draft.undo if command.cmd == "undo" else draft.redo):
                raise Refused("empty", f"there is nothing to {command.cmd}")
            room.ended_by = None
            room.redraw()
            room.emit_state()
        case c.Close():
            await room.halt(command.shown)
            await room.work(room.draft.accept if command.cmd == "accept" else room.draft.discard)
            await room.closed("accepted" if command.cmd == "accept" else "discarded")
        case c.Plain(cmd="reopen"):
            await room.work(lambda: room.draft.jump(room.draft.peek.head))
            await room.closed("open")
        case c.Withdraw():
            await room.work(lambda: room.draft.withdraw(command.steer))
            room.redraw()
            room.emit_state()
        case _:
            await _notes(room, tab, command)
    return None


async def _on_text(room: Room, command: OnText) -> str | None:
    """Corrections: on the text as the person saw it, in the store before anything goes on."""
    _open(room)
    if command.rev != room.rev:
        raise Refused("stale", "another tab has changed this text meanwhile; look at it and do it again")
    await room.halt(command.shown)
    step, resume = _step(room, command)
    steer = await room.work(step)
    room.ended_by = "steer" if steer is not None else None
    room.redraw()
    if resume and not room.draft.ended:
        await room.resume()
    else:
        room.emit_state()
        if isinstance(command, c.Replace) and command.kind == "local":
            room.read_again()
    return steer.id if steer is not None else None


def _step(room: Room, command: OnText) -> tuple[Callable[[], Steer | None], bool]:
    draft = room.draft
    match command:
        case c.Replace(kind=kind):
            resume = command.resume if command.resume is not None else kind == "typed"
            return lambda: draft.replace(
                command.cut, command.text, kind, end=command.end, reason=command.reason
            ), resume
        case c.Pick():
            depth = draft.prompt_length + command.token
            return lambda: draft.pick(depth, command.pick, reason=command.reason), command.resume
        case c.Resample():
            return lambda: draft.resample(command.cut, reason=command.reason), command.resume
        case c.End(text=""):
            return lambda: draft.end(command.cut, reason=command.reason), False
        case c.End():
            return lambda: draft.replace(command.cut, command.text, reason=command.reason, closes=True), False
        case c.Rewind():
            return lambda: _no_steer(draft.rewind, command.cut), command.resume
        case _:
            assert isinstance(command, c.Jump)
            return lambda: _no_steer(draft.jump, _place(room, command)), False


def _no_steer(step: Callable[[T], object], given: T) -> None:
    step(given)


def _place(room: Room, command: c.Jump) -> Place:
    t = room.draft.peek
    if command.node not in t.by_id:
        raise Refused("not_found", "this text has no such branch")
    end = t.end_of(command.node)
    return end if command.depth is None else Place(end.node, min(end.depth, room.draft.prompt_length + command.depth))


async def _notes(room: Room, tab: Tab, command: c.Command) -> None:
    """Commands that leave the text alone."""
    office, owner = room.office, room.owner
    match command:
        case c.Reason():
            if command.steer not in {s.id for s in room.draft.peek.steers}:
                raise Refused("not_found", "this text has no such steer")
            value = {"steer": command.steer, "tags": list(command.tags), "note": command.note}
            await office.record("reason", value, owner)
            room.retag(command.steer)
        case c.Flag():
            await office.record("flag", {"draft": room.id, "note": command.note}, owner)
            room.emit_state()
        case c.Typing():
            room.typing = (
                TypingView(cut=command.cut, end=command.end, text=command.text) if command.text is not None else None
            )
            kept = room.typing.model_dump() if room.typing else None
            await room.work(lambda: office.journal.note(f"typing:{room.id}", kept))
            room.emit(events.SavedTyping, tab=getattr(tab, "id", ""), typing=room.typing)
        case c.Settings():
            room.set_sampling(command.sampling)
            room.emit_state()
        case c.Idle():
            if command.away:
                room.watch.away()
                await room.save_time()
        case c.Plain(cmd="tree"):
            draft = room.draft
            found = views.branches(draft.tokenizer, draft.peek, draft.prompt_length, draft.received)
            tab.send(events.TreeEvent(re=command.id, rev=room.rev, branches=found).model_dump_json(by_alias=True))
        case _:
            raise Refused("protocol", f"{command.cmd} is not a command for a draft")


async def _look(room: Room, tab: Tab, command: c.Alternatives | c.Ghost) -> None:
    """Answers to this tab alone. Nothing else waits for them: a model may take its time, or never answer."""
    async with room.lock:
        if room.pump is not None:
            raise Refused("input", "stop the model before looking at alternatives")
        room.draft.backend = room.writer.backend()
        make = _looking(room, command)
    try:
        answer = await aside(make, _LOOK_FOR)
    except TimeoutError as error:
        raise Refused("backend", "the model does not answer now; look again later", retry=True) from error
    if tab in room.audience.tabs:  # else it shows another text by now
        tab.send(answer.model_dump_json(by_alias=True))


def _looking(room: Room, command: c.Alternatives | c.Ghost) -> Callable[[], events.Found | events.GhostEvent]:
    """What to ask, with nothing left to be read off the draft."""
    draft, tokenizer, rev = room.draft, room.draft.tokenizer, room.rev
    if isinstance(command, c.Alternatives):
        best, at = look_for_alternatives(draft, command.token, command.most), command.token
        return lambda: events.Found(
            re=command.id, rev=rev, token=at, alternatives=tuple(views.alternative(tokenizer, *a) for a in best())
        )
    following, at, pick = look_for_ghost(draft, command.token, command.pick, command.most), command.token, command.pick
    return lambda: events.GhostEvent(
        re=command.id, rev=rev, token=at, pick=pick, text=views.shown_text(tokenizer, following())
    )


def _open(room: Room) -> None:
    if room.draft.status != "open":
        raise Refused("closed", "this text is closed; reopen it to go on")
