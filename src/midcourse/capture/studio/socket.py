"""One tab's WebSocket: commands in, events out, never faster than the tab can take them.

Commands of a tab are carried out one after the other; only a look at what might stand there holds up none. A tab that
does not read is dropped; it reconnects and gets what it missed. It knows no draft beyond its room.
"""

import asyncio
import contextlib
import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pydantic import ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

import midcourse
from midcourse.capture.studio import commands as c
from midcourse.capture.studio import events
from midcourse.capture.studio.commanding import carry_out
from midcourse.capture.studio.limits import Bucket
from midcourse.capture.studio.room import Room
from midcourse.capture.studio.rooms import Rooms
from midcourse.capture.studio.troubles import Refused

__all__ = ["Socket", "Visitor"]

log = logging.getLogger("midcourse.studio")
_QUEUE = 20_000
_HELLO_WITHIN = 10.0
_LOOKS = 4
"""Looks of one tab that may be under way."""
_READING = (c.Alternatives, c.Ghost, c.Reason, c.Flag)
_ANYWHERE = ("next", "new", "open", "leave", "tree")
"""What may be done at a text of somebody else."""
MOST_BYTES = 1_000_000
"""Size of one command."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who is at the other end."""

    name: str
    role: Literal["admin", "annotator"]
    session: str | None = None
    """Hash of the cookie; None where the studio has no people."""


class Socket:
    """One tab."""

    def __init__(self, socket: WebSocket, visitor: Visitor, rooms: Rooms, can: tuple[str, ...]) -> None:
        self.id = uuid.uuid4().hex[:8]
        self.visitor, self._rooms, self._can = visitor, rooms, can
        self._socket = socket
        self._queue: asyncio.Queue[str | None] = asyncio.Queue(_QUEUE)
        self._room: Room | None = None
        self._bucket = Bucket(rate=50, burst=200)
        self._looks: set[asyncio.Task[None]] = set()

    # -- out -------------------------------------------------------------------------------------------------------

    def send(self, text: str) -> None:
        """Queue one event; a tab that is too far behind is dropped."""
        try:
            self._queue.put_nowait(text)
        except asyncio.QueueFull:
            self.close()

    def close(self) -> None:
        """No more events."""
        with contextlib.suppress(asyncio.QueueEmpty):
            while self._queue.full():
                self._queue.get_nowait()
        self._queue.put_nowait(None)

    async def _sending(self) -> None:
        while (text := await self._queue.get()) is not None:
            await self._socket.send_text(text)
        if self._socket.application_state == WebSocketState.CONNECTED:
            await self._socket.close(1001)

    # -- in --------------------------------------------------------------------------------------------------------

    async def run(self, register: Callable[["Socket"], None], forget: Callable[["Socket"], None]) -> None:
        """Serve the tab until it goes."""
        await self._socket.accept()
        sending = asyncio.create_task(self._sending())
        register(self)
        try:
            if await self._greet():
                await self._listen()
        except (WebSocketDisconnect, RuntimeError):
            pass  # gone; what it missed is there when it comes back
        finally:
            forget(self)
            if self._room is not None:
                self._room.leave(self)
            for look in self._looks:
                look.cancel()
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError, WebSocketDisconnect, RuntimeError):
                await sending

    async def _greet(self) -> bool:
        try:
            first = await asyncio.wait_for(self._socket.receive_text(), _HELLO_WITHIN)
            hello = c.Hello.model_validate_json(first)
        except (TimeoutError, ValidationError, KeyError):
            await self._socket.close(4408, "send hello first")
            return False
        if hello.protocol != events.PROTOCOL:
            await self._socket.close(4409, "reload the page")
            return False
        desk = self._rooms.office.desk
        welcome = events.Welcome(
            version=midcourse.__version__,
            name=self.visitor.name,
            role=self.visitor.role,
            model=self._rooms.writer.view(),
            can=self._can,
            tags=desk.tags,
        )
        self.send(welcome.model_dump_json(by_alias=True))
        if hello.draft is not None:
            try:
                await self._show(await self._find(hello.draft), hello.epoch, hello.seq)
            except Refused as no:
                self._refuse(hello.id, no)
                return True
        self._ok(hello.id, draft=hello.draft)
        return True

    async def _listen(self) -> None:
        while True:
            text = await self._socket.receive_text()
            if len(text) > MOST_BYTES:
                self._refuse(None, Refused("too_large", f"a command may have {MOST_BYTES} bytes"))
                continue
            if not self._bucket.take():
                await self._socket.close(4429, "too fast")
                return
            try:
                command = c.COMMAND.validate_json(text)
            except ValidationError as error:
                self._refuse(None, Refused("protocol", _first(error)))
                continue
            if isinstance(command, c.Alternatives | c.Ghost):
                await self._look(command)
            else:
                await self._do(command)

    async def _look(self, command: c.Alternatives | c.Ghost) -> None:
        if len(self._looks) >= _LOOKS:
            self._refuse(command.id, Refused("too_fast", "the model is still asked for other places", retry=True))
            return
        look = asyncio.create_task(self._do(command))
        self._looks.add(look)
        look.add_done_callback(self._looks.discard)
        await asyncio.sleep(0)  # it reads the text as it is now, before the next command

    async def _do(self, command: c.Command) -> None:
        if isinstance(command, c.Plain) and command.cmd == "ping":
            self.send(events.Pong(re=command.id).model_dump_json())
            return
        try:
            self._check(command)
            shown = await self._elsewhere(command)
            if shown is not None:
                self._ok(command.id, draft=shown)
            elif self._room is None:
                raise Refused("not_found", "no draft is open in this tab")
            else:
                steer = await carry_out(self._room, self, command)
                self._ok(command.id, steer=steer)
        except Refused as no:
            self._refuse(command.id, no)
        except Exception:
            log.exception("a command failed", extra={"cmd": command.cmd})
            self._refuse(command.id, Refused("bug", "the server failed at this; the text is safe. Its log says where"))

    def _check(self, command: c.Command) -> None:
        """A text is one person's: what a reviewer did in it would be recorded as their doing, and count as read."""
        room = self._room
        if room is None or room.office.alone or room.owner == self.visitor.name:
            return
        if not isinstance(command, _READING) and command.cmd not in _ANYWHERE:
            said = f"this is {room.owner}'s text: read it, flag it, and approve or refuse its steers on the Review page"
            raise Refused("not_allowed", said)

    async def _elsewhere(self, command: c.Command) -> str | None:
        """Commands that show another draft here; its id, "" for none."""
        rooms, name = self._rooms, self.visitor.name
        match command:
            case c.Next():
                room = await rooms.next_for(name, practice=command.practice)
            case c.New():
                prompt = command.text if command.text is not None else tuple(m.model_dump() for m in command.messages)
                if not prompt:
                    raise Refused("input", "give the prompt as `text` or `messages`")
                room = await rooms.begin(name, prompt, raw=command.raw)
            case c.Open():
                room = await self._find(command.draft)
                await self._show(room)
                return room.id
            case c.Turn():
                if self._room is None:
                    raise Refused("not_found", "no draft is open in this tab")
                room = await rooms.following(self._room, command.text)
            case c.Skip():
                return await self._skip(command)
            case c.Plain(cmd="leave"):
                await self._show(None)
                return ""
            case _:
                return None
        await self._show(room)
        await carry_out(room, self, c.Continue(cmd="continue"))
        return room.id

    async def _skip(self, command: c.Skip) -> str:
        room = self._room
        if room is None or room.item is None:
            raise Refused("input", "only a prompt of the queue can be skipped; discard this text instead")
        value = {"item": room.item, "reason": command.reason, "again": command.again}
        async with room.lock:
            await room.halt()
            await room.work(room.draft.discard)
            await room.save_time()
        await room.office.record("skip", value, room.owner)
        await self._show(None)
        return ""

    async def _find(self, draft: str) -> Room:
        return await self._rooms.find(draft, self.visitor.name, sees_all=self.visitor.role == "admin")

    async def _show(self, room: Room | None, epoch: str | None = None, seq: int | None = None) -> None:
        if self._room is not None:
            self._room.leave(self)
        self._room = room
        if room is not None:
            room.join(self, epoch, seq)

    # -- answers ---------------------------------------------------------------------------------------------------

    def _ok(self, re: int | None, draft: str | None = None, steer: str | None = None) -> None:
        self.send(events.Ok(re=re, draft=draft, steer=steer).model_dump_json())

    def _refuse(self, re: int | None, no: Refused) -> None:
        self.send(events.ErrorEvent(re=re, code=no.code, message=no.message, retry=no.retry).model_dump_json())


def _first(error: ValidationError) -> str:
    """What is wrong with a command, without what was in it."""
    at = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return f"{'.'.join(map(str, at['loc']))}: {at['msg']}"[:300]
