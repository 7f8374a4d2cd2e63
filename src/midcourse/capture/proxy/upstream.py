"""The connection to the model server behind the proxy: requests go out as they came in, answers come back in pieces.

Bytes and their timing are kept: nothing is decoded, buffered or retried. It knows HTTP and no model; what a server that
is not there means for the client is said in one sentence.
"""

from collections.abc import AsyncIterable, AsyncIterator, Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpcore

from midcourse.errors import InputError

__all__ = ["Answer", "Header", "Unreachable", "Upstream", "between_hops"]

Header = tuple[bytes, bytes]
_HOPS = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade")
)
"""Headers that speak of one connection, not of the message (RFC 9110, 7.6.1)."""
_NOT_SENT = frozenset((b"host", b"expect"))
CONNECT = 10.0
"""Seconds to wait for a connection. For an answer there is no limit: whoever asked decides when to leave."""
IDLE = 3.0
"""Seconds a connection is kept for the next request: less than any server keeps it, so that none is sent into a closed
one."""


class Unreachable(Exception):
    """No answer began; the sentence is for the client."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that has begun."""

    status: int
    headers: list[Header]
    parts: AsyncIterable[bytes]
    """Its body as it arrives; ends early with `httpcore` errors where the server breaks off."""
    response: httpcore.Response

    async def aclose(self) -> None:
        """Let go; an answer that is not over is aborted, which stops the server from generating."""
        await self.response.aclose()


class Upstream:
    """One model server."""

    def __init__(self, url: str) -> None:
        """Nothing is sent yet.

        Args:
            url: Address with or without the closing /v1, which clients put into their paths.

        Raises:
            InputError: The address is none.
        """
        self.url = url.rstrip("/").removesuffix("/v1")
        try:
            parts = urlsplit(self.url)
            port = parts.port
        except ValueError as error:
            raise InputError(f"{url!r} is no address ({error}); expected e.g. http://localhost:8080") from error
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InputError(f"{url!r} is no address of a server; expected e.g. http://localhost:8080")
        self._scheme, self._host, self._port = parts.scheme.encode(), parts.hostname.encode(), port
        self._prefix = parts.path.encode()
        self._named = parts.netloc.rpartition("@")[2].encode()
        self._pool: httpcore.AsyncConnectionPool | None = None

    async def send(
        self, method: bytes, path: bytes, headers: Iterable[Header], content: bytes | AsyncIterator[bytes]
    ) -> Answer:
        """Send a request and wait until its answer begins. Cancelling this aborts the request.

        Args:
            method: GET, POST, …
            path: With its query.
            headers: As they came.
            content: The body: whole, or as it arrives.

        Raises:
            Unreachable: Nobody answers, or not in HTTP.
        """
        self._pool = self._pool or httpcore.AsyncConnectionPool(
            max_connections=None, max_keepalive_connections=256, keepalive_expiry=IDLE
        )
        url = httpcore.URL(scheme=self._scheme, host=self._host, port=self._port, target=self._prefix + path)
        kept = [(b"Host", self._named), *between_hops(headers, _NOT_SENT)]
        if not isinstance(content, bytes):
            if not any(name.lower() == b"content-length" for name, _ in kept):
                kept.append((b"Transfer-Encoding", b"chunked"))
        elif content:
            kept = [h for h in kept if h[0].lower() != b"content-length"]
            kept.append((b"Content-Length", str(len(content)).encode()))
        request = httpcore.Request(
            method, url, headers=kept, content=content, extensions={"timeout": {"connect": CONNECT}}
        )
        try:
            response = await self._pool.handle_async_request(request)
        except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
            raise Unreachable(f"the model server at {self.url} cannot be reached; is it running?") from error
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as error:
            raise Unreachable(f"the model server at {self.url} broke off before it answered ({error})") from error
        assert isinstance(response.stream, AsyncIterable)
        return Answer(response.status, between_hops(response.headers), response.stream, response)

    async def close(self) -> None:
        """Let go of the connections."""
        if self._pool is not None:
            await self._pool.aclose()


def between_hops(headers: Iterable[Header], also: frozenset[bytes] = frozenset()) -> list[Header]:
    """The headers without those of one connection, in their order, without `also` and without those meant for us."""
    return [
        (name, value)
        for name, value in headers
        if (low := name.lower()) not in _HOPS and low not in also and not low.startswith(b"x-steer-")
    ]
