"""Everything that comes in goes on to the model server, and its answer comes back piece by piece as it arrives.

Raw ASGI. Somebody may listen: they are told what was sent and what was answered, after the client has it, and cannot
hold the answer up. When the client leaves, the server is let go at once. It knows no format of a request or an answer.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from midcourse.capture.proxy.exchange import End
from midcourse.capture.proxy.upstream import Answer, BrokenOff, Header, Unreachable, Upstream

__all__ = ["Call", "Hearing", "Listener", "Passing"]

log = logging.getLogger("midcourse.proxy")
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
MOST_BODY = 1_000_000
"""Bytes of a request that are held to be compared with earlier ones; a longer one passes unheard."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request as a listener is asked about it."""

    method: str
    path: str
    headers: list[Header]
    peer: str
    """Address it came from."""


class Hearing(Protocol):
    """Listens to one request and its answer."""

    def asked(self, body: bytes, headers: list[Header]) -> tuple[bytes, list[Header]]:
        """The body, before it is sent; returns what is sent on."""
        ...

    def began(self, status: int, headers: list[Header]) -> list[Header]:
        """The answer begins; returns the headers that the client gets."""
        ...

    def shown(self, part: bytes) -> bytes | None:
        """What the client gets for a part of the answer; None: the part itself."""
        ...

    def heard(self, part: bytes) -> None:
        """A part of the answer, after the client was sent it."""
        ...

    def rest(self) -> bytes:
        """What the client is still to get at the end."""
        ...

    def ended(self, end: End) -> None:
        """No more will come; `stop` where the answer is whole, whatever it says of itself."""
        ...


class Listener(Protocol):
    """Whoever may want to listen."""

    def hears(self, call: Call) -> Hearing | None:
        """None: this request is nobody's business."""
        ...


class _Gone(Exception):
    """The client left while it was still sending."""


@dataclass(slots=True)
class _Incoming:
    """The request's body, read once, and then the news that the client has left."""

    receive: Receive
    whole: asyncio.Event = field(default_factory=asyncio.Event)
    left: bool = False
    """Whether the client went before all of it was there."""

    async def parts(self) -> AsyncIterator[bytes]:
        while not self.whole.is_set():
            message = await self.receive()
            if message["type"] == "http.disconnect":
                self.left = True
                raise _Gone
            if not message.get("more_body"):
                self.whole.set()
            if message.get("body"):
                yield message["body"]

    async def gone(self) -> None:
        await self.whole.wait()
        while (await self.receive())["type"] != "http.disconnect":
            pass


@dataclass
class Passing:
    """The ASGI application."""

    upstream: Upstream
    listener: Listener
    open_: Callable[[], None] = lambda: None
    close: Callable[[], None] = lambda: None
    """Called when the server starts and when it ends."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._pass(scope, receive, send)
        else:
            await receive()
            await send({"type": "websocket.close", "code": 1003, "reason": "the proxy passes HTTP only"})

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self.open_()
                await send({"type": "lifespan.startup.complete"})
            else:
                await self.upstream.close()
                await asyncio.to_thread(self.close)
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        incoming = _Incoming(receive)
        client = scope.get("client") or ("?", 0)
        call = Call(scope["method"], scope["path"], list(scope["headers"]), client[0])
        course = _Course(self.upstream, self.listener.hears(call), send)
        pump = asyncio.ensure_future(course.run(scope, call, incoming))
        gone = asyncio.ensure_future(incoming.gone())
        try:
            await asyncio.wait({pump, gone}, return_when=asyncio.FIRST_COMPLETED)
            course.left = not pump.done()
        finally:
            # Also on shutdown: both must be over before the connections go.
            gone.cancel()
            pump.cancel()
            await asyncio.gather(pump, gone, return_exceptions=True)
            course.over()
        if not pump.cancelled() and (error := pump.exception()) is not None and not isinstance(error, _Gone):
            raise error


@dataclass(slots=True)
class _Course:
    """One request on its way there and back."""

    upstream: Upstream
    hearing: Hearing | None
    send: Send
    end: End = "failed"
    left: bool = False
    """Whether the client went before the answer was whole."""

    async def run(self, scope: Scope, call: Call, incoming: _Incoming) -> None:
        path = scope.get("raw_path") or scope["path"].encode()
        if scope.get("query_string"):
            path += b"?" + scope["query_string"]
        content, headers = await self._content(call, incoming)
        try:
            answer = await self.upstream.send(call.method.encode(), path, headers, content)
        except Unreachable as error:
            if incoming.left:
                raise _Gone from error
            log.warning("%s", error)
            await self._refuse(502, str(error))
            return
        try:
            await self._answer(answer)
        finally:
            answer.close()

    async def _content(self, call: Call, incoming: _Incoming) -> tuple[bytes | AsyncIterator[bytes], list[Header]]:
        """The body to send: whole where somebody listens or there is none, else as it arrives."""
        names = {name.lower() for name, _ in call.headers}
        if self.hearing is None and names & {b"content-length", b"transfer-encoding"}:
            return incoming.parts(), call.headers
        held, size = list[bytes](), 0
        parts = incoming.parts()
        async for part in parts:
            held.append(part)
            size += len(part)
            if size > MOST_BODY:
                self.hearing = None
                return _chained(held, parts), call.headers
        body = b"".join(held)
        return (body, call.headers) if self.hearing is None else self.hearing.asked(body, call.headers)

    async def _answer(self, answer: Answer) -> None:
        send, hearing = self.send, self.hearing
        headers = answer.headers if hearing is None else hearing.began(answer.status, answer.headers)
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        try:
            async for part in answer.parts():
                shown = None if hearing is None else hearing.shown(part)
                body = part if shown is None else shown
                if body:
                    await send({"type": "http.response.body", "body": body, "more_body": True})
                if hearing is not None:
                    hearing.heard(part)
        except BrokenOff as error:
            # Returning without an end closes the client's connection: it sees what it would have seen without us.
            log.warning("the model server at %s broke off in the middle of an answer (%s)", self.upstream.url, error)
            return
        self.end = "stop"
        await send({"type": "http.response.body", "body": b"" if hearing is None else hearing.rest()})

    async def _refuse(self, status: int, words: str) -> None:
        said = {"error": {"message": words, "type": "upstream_error", "param": None, "code": status}}
        body = json.dumps(said).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})

    def over(self) -> None:
        """Tell whoever listened how it ended."""
        if self.hearing is not None:
            self.hearing.ended("aborted" if self.left and self.end != "stop" else self.end)


async def _chained(held: list[bytes], rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    for part in held:
        yield part
    held.clear()
    async for part in rest:
        yield part
