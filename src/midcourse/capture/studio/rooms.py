"""The drafts that are open now: made from prompts, read back from the store, closed when nobody looks.

Who may see a draft is decided here: its owner, and whoever reviews.
"""

import asyncio
import contextlib
import uuid
from collections.abc import Sequence

from midcourse.backends.protocol import Sampling, Token
from midcourse.capture.studio.desk import Prompt
from midcourse.capture.studio.journal import Spooled
from midcourse.capture.studio.office import Office
from midcourse.capture.studio.room import Room
from midcourse.capture.studio.shapes import TypingView
from midcourse.capture.studio.troubles import Refused, refusal_of
from midcourse.capture.studio.writer import Writer
from midcourse.drafts.draft import Draft
from midcourse.drafts.history import ahead_of
from midcourse.drafts.turns import next_turn
from midcourse.errors import InputError, MidcourseError
from midcourse.types import Message, Place, Trajectory

__all__ = ["Rooms"]

MOST = 256
"""Drafts open at a time."""
_STOP_AFTER, _KEPT, _PRACTICE_KEPT = 60.0, 900.0, 6 * 3600.0
"""Seconds without a tab: until the model stops, and until the draft is only in the store (practice: gone)."""


class Rooms:
    """Open drafts by id."""

    def __init__(self, office: Office, writer: Writer, sampling: Sampling, source: str = "studio") -> None:
        self.office, self.writer, self.sampling, self.source = office, writer, sampling, source
        self.open_now: dict[str, Room] = {}
        self._opening = asyncio.Lock()

    # -- making ----------------------------------------------------------------------------------------------------

    async def next_for(self, name: str, *, practice: bool = False) -> Room:
        """The person's next prompt as a draft."""
        taken = await self.office.take_next(name, practice=practice)
        if taken is None:
            raise Refused("empty", "no prompt is waiting for you: add some, or write one of your own")
        item, id = taken
        of = self.office.desk.items[item]
        return await self.begin(name, of.prompt, id=id, item=item, practice=of.practice)

    async def begin(
        self,
        name: str,
        prompt: Prompt,
        *,
        id: str | None = None,
        item: str | None = None,
        practice: bool = False,
        raw: bool = False,
    ) -> Room:
        """A new draft below a prompt. Practice lives in memory alone: it must neither train nor count."""
        given = _messages(prompt, raw or self.writer.tokenizer.template is None)
        draft = self._draft(name, keep=not practice)
        group = f"prompt:{item}" if item is not None else None
        id = id or uuid.uuid4().hex
        try:
            await asyncio.to_thread(lambda: draft.start(given, id=id, group=group))
        except MidcourseError as error:
            raise refusal_of(error) from error
        return await self._add(Room(draft, self.office, self.writer, owner=name, item=item, practice=practice))

    async def following(self, room: Room, said: str) -> Room:
        """The next turn of an accepted draft."""
        if room.draft.status != "accepted":
            raise Refused("input", "accept this answer first, then say something to it")
        try:
            draft = await asyncio.to_thread(next_turn, room.draft, said)
        except MidcourseError as error:
            raise refusal_of(error) from error
        return await self._add(Room(draft, self.office, self.writer, owner=room.owner, practice=room.practice))

    # -- finding ---------------------------------------------------------------------------------------------------

    async def find(self, id: str, name: str, *, sees_all: bool = False) -> Room:
        """An open draft, or one from the store, with what a killed server left in the spool."""
        async with self._opening:
            room = self.open_now.get(id) or await self._read(id, name)
        if room.owner != name and not sees_all:
            raise Refused("not_found", "there is no such draft of yours")
        return room

    async def _read(self, id: str, name: str) -> Room:
        try:
            kept = await asyncio.to_thread(self.office.store.trajectory, id)
        except InputError as error:
            raise Refused("not_found", "there is no such draft of yours") from error
        except MidcourseError as error:
            raise refusal_of(error) from error
        if kept.id != id:
            raise Refused("not_found", "there is no such draft of yours")
        return await self._add(await asyncio.to_thread(self._restore, kept, self._whose(kept, name)))

    def _whose(self, kept: Trajectory, name: str) -> str:
        return self.office.desk.who(kept.annotator or name)

    def _restore(self, kept: Trajectory, owner: str) -> Room:
        draft = self._draft(owner, keep=True)
        try:
            left = self.office.journal.spooled(kept.id)
            draft.reopen(kept, ahead=_unseen(kept, left))
            if left is not None:
                if kept.status == "open" and kept.head.depth <= left.base.depth:
                    pairs = zip(left.token_ids, left.logprobs, strict=True)
                    draft.take([Token(i, p) for i, p in pairs], seen=left.shown)
                self.office.journal.unspool(kept.id)
        except MidcourseError as error:
            raise refusal_of(error) from error
        room = Room(draft, self.office, self.writer, owner=owner, item=self.office.desk.item_of.get(kept.id))
        typing = self.office.journal.noted(f"typing:{kept.id}")
        room.typing = TypingView(**typing) if typing else None
        return room

    # -- life ------------------------------------------------------------------------------------------------------

    async def sweep(self) -> None:
        """Stop streams nobody has looked at for a while, and later let go of their drafts."""
        for room in list(self.open_now.values()):
            if room.audience.alone_for < _STOP_AFTER:
                continue
            async with room.lock:
                try:
                    await room.halt()
                    await room.save_time()
                except Refused:
                    continue
            if room.audience.alone_for > (_PRACTICE_KEPT if room.practice else _KEPT):
                self.open_now.pop(room.id, None)

    async def close(self) -> None:
        """Stop every stream and keep what it wrote."""
        for room in list(self.open_now.values()):
            async with room.lock:
                try:
                    await room.halt()
                    await room.save_time()
                except Refused:
                    continue

    async def let_go(self, owner: str) -> None:
        """Somebody's drafts are open no more; what they wrote is kept first."""
        for room in [r for r in self.open_now.values() if r.owner == owner]:
            async with room.lock:
                with contextlib.suppress(Refused):
                    await room.halt()
                self.open_now.pop(room.id, None)

    async def _add(self, room: Room) -> Room:
        """Open it; where too many are, the one that nobody has looked at for longest goes back to the store."""
        while len(self.open_now) >= MOST:
            idle = [r for r in self.open_now.values() if r.idle]
            if not idle:
                raise Refused("too_fast", f"{MOST} drafts are open on this server: close some tabs first", retry=True)
            longest = max(idle, key=lambda r: r.audience.alone_for)
            with contextlib.suppress(MidcourseError):
                await longest.save_time()
            if longest.idle:
                self.open_now.pop(longest.id, None)
        self.open_now[room.id] = room
        return room

    def _draft(self, name: str, *, keep: bool) -> Draft:
        return Draft(
            self.writer.backend(),
            self.writer.tokenizer,
            self.office.store if keep else None,
            sampling=self.sampling,
            model=self.writer.ref,
            annotator=name,
            source=self.source,
        )


def _unseen(kept: Trajectory, left: Spooled | None) -> Place | None:
    """Where the text goes on beyond what was seen: to where the cut-off stream began, or as far as it was kept."""
    if left is not None:
        return left.base if left.base.depth > kept.head.depth else None
    return ahead_of(kept) if kept.status == "open" else None


def _messages(prompt: Prompt, raw: bool) -> str | Sequence[Message]:
    if isinstance(prompt, str):
        return prompt if raw else (Message("user", prompt),)
    return tuple(Message(m["role"], m["content"]) for m in prompt)
