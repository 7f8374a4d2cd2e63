"""One draft that tabs look at: its stream, its events, and what each command does to it.

Commands come one at a time. What a model wrote is spooled before it is shown, a steer is in the store before the model
goes on, and whatever the store refuses has not happened. A room knows no socket.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from midcourse.backends.protocol import Token
from midcourse.capture.studio import events, views
from midcourse.capture.studio.audience import Audience, Tab
from midcourse.capture.studio.office import Office
from midcourse.capture.studio.pump import SILENCE, Pump
from midcourse.capture.studio.rendering import Patch, Rendering, parts_of
from midcourse.capture.studio.shapes import (
    DraftView,
    MessageView,
    Mode,
    PartView,
    SamplingView,
    SteerView,
    TokenView,
    TypingView,
)
from midcourse.capture.studio.troubles import Refused, refusal_of, silence, trouble_of
from midcourse.capture.studio.watch import Watch
from midcourse.capture.studio.writer import Writer
from midcourse.drafts.draft import Draft
from midcourse.errors import MidcourseError, StoreError
from midcourse.types import Place

__all__ = ["Room"]

T = TypeVar("T")
_ALTERNATIVES_KEPT = 256


class Room:
    """A draft and who looks at it."""

    def __init__(
        self,
        draft: Draft,
        office: Office,
        writer: Writer,
        *,
        owner: str,
        item: str | None = None,
        practice: bool = False,
        shown: int | None = None,
    ) -> None:
        self.draft, self.office, self.writer = draft, office, writer
        self._owner, self.item, self.practice = owner, item, practice
        self.id = draft.trajectory.id
        self.audience = Audience()
        self.lock = asyncio.Lock()
        self.rev = 0
        self.shown = draft.seen if shown is None else shown
        self.ended_by: str | None = None
        self.trouble: str | None = None
        self.rate: float | None = None
        self.typing: TypingView | None = None
        self.watch = Watch()
        self.pump: Pump | None = None
        self._following: asyncio.Task[None] | None = None
        self._stretch: list[Token] = []
        self._base: Place | None = None
        self._warming: asyncio.Task[None] | None = None
        self._resting: asyncio.Task[None] | None = None
        self._rendering = Rendering(draft.tokenizer)
        self._tokens: list[TokenView] = []
        self._parts: tuple[PartView, ...] = ()
        self._opened = draft.tokenizer.decode(draft.token_ids[: draft.prompt_length]).rstrip().endswith("<think>")
        self._redraw()
        self._steers = self._steers_now()

    # -- tabs and events -------------------------------------------------------------------------------------------

    def join(self, tab: Tab, epoch: str | None = None, seq: int | None = None) -> None:
        """Let a tab look on: exactly what it missed, or everything."""
        self.audience.join(tab, epoch, seq, self._whole)

    def leave(self, tab: Tab) -> None:
        """It looks no longer."""
        self.audience.leave(tab)

    def emit(self, kind: Callable[..., Any], **fields: Any) -> None:
        """Say something to every tab."""
        self.audience.emit(kind, **fields)

    def emit_state(self) -> None:
        """How it stands now."""
        self.emit(
            events.StateEvent,
            rev=self.rev,
            mode=self.mode,
            status=self.draft.status,
            shown=self.shown,
            undo=len(self.draft.history.done),
            redo=len(self.draft.history.undone),
            ended_by=self.ended_by,
            rate=None if self.rate is None else round(self.rate, 2),
            waiting=self.writer.turns.waiting,
            flagged=self.office.desk.flags.get(self.id),
            seconds=self.seconds,
        )

    @property
    def owner(self) -> str:
        """Whose text it is."""
        return self.office.desk.who(self._owner)

    @property
    def seconds(self) -> float:
        """Time spent on it by its owner."""
        return round(self.office.desk.seconds.get((self.owner, self.id), 0.0) + self.watch.unsaved, 1)

    @property
    def mode(self) -> Mode:
        """What the page is in."""
        if self.pump is not None:
            return "streaming"
        if self.draft.status != "open":
            return "closed"
        return "ended" if self.draft.ended else "paused"

    @property
    def idle(self) -> bool:
        """Whether all of it is in the store and nobody is here."""
        busy = self.pump is not None or self._stretch or self.lock.locked()
        return not (self.audience.tabs or busy or self.practice)

    def view(self) -> DraftView:
        """Everything."""
        t, far = self.draft.peek, len(self._tokens) - _ALTERNATIVES_KEPT
        tokens = tuple(
            k.model_copy(update={"alternatives": None}) if n < far and k.alternatives else k
            for n, k in enumerate(self._tokens)
        )
        prompt = self.draft.tokenizer.decode(t.nodes[0].token_ids) if not t.messages else None
        return DraftView(
            id=self.id,
            seq=self.audience.seq,
            epoch=self.audience.epoch,
            rev=self.rev,
            mode=self.mode,
            status=self.draft.status,
            prompt=tuple(MessageView(role=m.role, content=m.content) for m in t.messages),
            prompt_text=prompt,
            item=self.item,
            practice=self.practice,
            text=self._shown_text(),
            tokens=tokens,
            parts=self._parts,
            shown=self.shown,
            steers=tuple(self._steers.values()),
            undo=len(self.draft.history.done),
            redo=len(self.draft.history.undone),
            ended_by=self.ended_by,
            sampling=SamplingView(
                temperature=self.draft.sampling.temperature,
                top_p=self.draft.sampling.top_p,
                max_new_tokens=self.draft.sampling.max_new_tokens,
            ),
            model=self.writer.view(),
            owner="" if self.office.alone else self.owner,
            typing=self.typing,
            flagged=self.office.desk.flags.get(self.id),
            seconds=self.seconds,
        )

    def _whole(self) -> str:
        return events.Snapshot(seq=self.audience.seq, draft=self.view()).model_dump_json(by_alias=True)

    # -- what commands are made of ---------------------------------------------------------------------------------

    async def work(self, step: Callable[[], T]) -> T:
        """Run a step of the draft in a thread; what the store refuses is said to every tab."""
        try:
            result = await asyncio.to_thread(step)
        except StoreError as error:
            self.say_trouble(error)
            raise refusal_of(error) from error
        if self.trouble is not None and self.trouble.startswith("store"):  # a model that has gone is gone still
            self.clear_trouble()
        return result

    def say_trouble(self, error: Exception) -> None:
        """Say what is the matter."""
        code, message = trouble_of(error)
        self.trouble = code
        self.emit(events.Trouble, code=code, message=message, passes=code.startswith("store"))

    def clear_trouble(self) -> None:
        """It has passed."""
        if self.trouble is not None:
            self.trouble = None
            self.emit(events.Trouble, code=None)

    async def halt(self, shown: int | None = None) -> None:
        """Stop the stream, if one runs, and keep what it wrote."""
        if shown is not None:
            self.shown = max(self.shown, min(shown, len(self._tokens)))
        if self.pump is not None:
            self.pump.stop()
        if self._following is not None:
            await asyncio.shield(self._following)
        await self.settle()

    async def settle(self) -> None:
        """Make the tokens that arrived part of the draft."""
        stretch = self._stretch
        if not stretch and self._base is None:
            if self.shown > self.draft.seen:
                await self.work(lambda: self.draft.stop(self.shown))
            return
        await self.work(lambda: self.draft.take(stretch, self.shown))
        self._stretch, self._base = [], None
        if not self.practice:
            await self.work(lambda: self.office.journal.unspool(self.id))
        patch = self._rendering.settle()
        if patch.text:
            self._send_patch(patch, [])

    async def resume(self, max_new_tokens: int | None = None) -> None:
        """Let the model write on behind what there is."""
        self.draft.backend = self.writer.backend()
        asked = await self.work(lambda: self.draft.ask(max_new_tokens))
        self.redraw()  # going on after a rewind is a steer
        if asked is None:
            self.ended_by = "end"
            self.emit_state()
            return
        self._base, self.ended_by = self.draft.received, None
        self.pump = Pump(self.draft.backend, *asked)
        self._following = asyncio.create_task(self._follow(self.pump, self._base))
        self.emit_state()

    async def closed(self, status: str) -> None:
        """The text was accepted, discarded or opened again."""
        await self.save_time()
        if self.item is not None:
            await self.office.record("finish", {"draft": self.id, "status": status}, self.owner)
        self.ended_by = None
        self.clear_trouble()
        self.redraw()
        self.emit_state()

    async def save_time(self) -> None:
        """Put the time worked since on record."""
        seconds = self.watch.take()
        if seconds >= 0.1:
            await self.office.record("time", {"draft": self.id, "seconds": round(seconds, 2)}, self.owner)

    def set_sampling(self, given: SamplingView) -> None:
        """How to draw from the next stream on."""
        self.draft.sampling = replace(self.draft.sampling, **given.model_dump())

    def read_again(self) -> None:
        """After a local steer the model reads the kept tail behind the new words, while the person goes on reading."""
        self._warming = asyncio.create_task(self._read_tail(self.writer.backend(), self.rev))

    async def _read_tail(self, backend: Any, rev: int) -> None:
        """Into the cache, and where the backend tells it, how likely the tail's words are now."""
        ids, said = self.draft.token_ids, None
        at = self._untold()
        with contextlib.suppress(MidcourseError):  # no room left, a server that has gone: said when it is to write on
            if at is not None and hasattr(backend, "score"):
                said = await asyncio.to_thread(backend.score, ids, self.draft.prompt_length + at)
            elif hasattr(backend, "warm"):
                await asyncio.to_thread(backend.warm, ids)
        if at is None or said is None or rev != self.rev or self.pump or len(said) != len(self._tokens) - at:
            return
        self._tokens[at:] = views.told(self._tokens[at:], said)
        self._send_patch(self._rendering.again(at), self._tokens[at:], whole=True)

    def _untold(self) -> int | None:
        """The first word of the model of which it is not known how likely it is here."""
        return next((n for n, t in enumerate(self._tokens) if t.by == "model" and t.logprob is None), None)

    def retag(self, steer: str) -> None:
        """A steer has other tags now."""
        tags, note = self.office.desk.steer_tags.get(steer, ((), None))
        if steer in self._steers:
            self._steers[steer] = self._steers[steer].model_copy(update={"tags": tags, "reason": note})
            self.emit(events.SteerEvent, steer=self._steers[steer])

    @property
    def length(self) -> int:
        """Tokens of the text so far, of a running stream too."""
        return len(self._tokens)

    def redraw(self) -> None:
        """After a step of the person: send what is new in text and steers."""
        patch = self._redraw()
        if patch is not None:
            self.rev += 1
            self._send_patch(patch, self._tokens[patch.at :])
        self.shown = self.draft.seen
        for id, steer in self._steers_now().items():
            if self._steers.get(id) != steer:
                self._steers[id] = steer
                self.emit(events.SteerEvent, steer=steer)

    def _redraw(self) -> Patch | None:
        ids = self.draft.answer_ids
        if ids == self._rendering.ids:
            return None
        patch = self._rendering.follow(ids)
        d = self.draft
        fresh = views.written(d.tokenizer, d.peek, d.received, d.prompt_length, self._rendering.ends, patch.at)
        self._tokens[patch.at :] = fresh
        return patch

    def _steers_now(self) -> dict[str, SteerView]:
        d, notes = self.draft, self.office.desk.steer_tags
        found = {}
        for id, steer in views.steer_views(d.tokenizer, d.peek, d.prompt_length, d.received).items():
            tags, note = notes.get(id, ((), None))
            found[id] = steer.model_copy(update={"tags": tags, "reason": note or steer.reason})
        return found

    # -- inside ----------------------------------------------------------------------------------------------------

    def _shown_text(self) -> str:
        return self._rendering.text + (self._rendering.settle().text if self.pump is None else "")

    def _send_patch(self, patch: Patch, tokens: list[TokenView], *, whole: bool = False) -> None:
        parts = parts_of(self._rendering.text, opened=self._opened)
        changed, self._parts = parts != self._parts, parts
        self.emit(
            events.Tokens,
            rev=self.rev,
            at=patch.at,
            from_=patch.start,
            text=patch.text,
            tokens=tuple(tokens),
            parts=parts if changed or whole else None,
        )

    async def _follow(self, pump: Pump, base: Place) -> None:
        """Spool and show what arrives; at the end of its own accord, keep it."""
        async for batch in pump.batches():
            if not batch:
                self._say_silent()
                continue
            await self._keep(pump, base, batch)
            self._stretch += batch
            patch = self._rendering.append([t.id for t in batch])
            fresh = views.arrived(self.draft.tokenizer, batch, self._rendering.ends[patch.at :])
            self._tokens += fresh
            self._send_patch(patch, fresh)
        self.rate, self.pump, self._following = pump.rate, None, None
        if self.trouble == "backend_busy":
            self.clear_trouble()
        if pump.error is not None:
            self.ended_by = "trouble"
            self.say_trouble(pump.error)
        elif pump.stopped:
            self.ended_by = "stopped" if self.trouble is None else "trouble"
        elif self._tokens and self._tokens[-1].ends:
            self.ended_by = "end"
        else:
            self.ended_by = "limit" if pump.count >= pump.limit else "context"
        self._resting = asyncio.create_task(self._at_rest())

    def _say_silent(self) -> None:
        if self.trouble is None:
            self.trouble, message = silence(SILENCE)
            self.emit(events.Trouble, code=self.trouble, message=message, passes=True)

    async def _keep(self, pump: Pump, base: Place, batch: list[Token]) -> None:
        ids, logprobs, shown = [t.id for t in batch], [t.logprob for t in batch], self.shown
        try:
            if not self.practice:
                await asyncio.to_thread(self.office.journal.spool, self.id, base, ids, logprobs, shown)
            self.clear_trouble()
        except StoreError as error:  # still in memory; said, and tried again when it becomes part of the draft
            pump.stop()
            self.say_trouble(error)

    async def _at_rest(self) -> None:
        async with self.lock:
            if self.pump is None:
                with contextlib.suppress(Refused):  # said as trouble; the next command tries again
                    await self.settle()
                self.emit_state()
                if self._untold() is not None:  # it wrote on at once behind a kept tail
                    self.read_again()
