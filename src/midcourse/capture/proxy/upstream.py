"""The connection to the model server behind the proxy: requests go out as they came in, answers come back in pieces.

Bytes and their timing are kept: nothing is decoded, buffered or retried. It knows HTTP and no model; what a server that
is not there means for the client is said in one sentence.
"""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from midcourse.errors import InputError

__all__ = ["Answer", "BrokenOff", "Header", "Unreachable", "Upstream", "between_hops"]

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
LONGEST = 65_536
"""Bytes of a header that are read."""
_OWN = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
"""Headers that aiohttp would add of its own accord."""


class Unreachable(Exception):
    """No answer began; the sentence is for the client."""


class BrokenOff(Exception):
    """The server went away in the middle of an answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that has begun."""

    status: int
    headers: list[Header]
    response: aiohttp.ClientResponse

    async def parts(self) -> AsyncIterator[bytes]:
        """Its body as it arrives.

        Raises:
            BrokenOff: The server breaks off.
        """
        try:
            async for part in self.response.content.iter_any():
                yield part
        except (aiohttp.ClientError, OSError) as error:
            raise BrokenOff(str(error) or type(error).__name__) from error

    def close(self) -> None:
        """Let go; an answer that is not over is aborted, which stops the server from generating."""
        self.response.close()


class _AsItCame(aiohttp.ClientRequest):
    """Says nothing of a body that is not there: aiohttp adds a length of 0 for methods that may have one."""

    GET_METHODS = aiohttp.ClientRequest.GET_METHODS | {"DELETE", "PATCH", "POST", "PUT"}


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
            _ = parts.port
        except ValueError as error:
            raise InputError(f"{url!r} is no address ({error}); expected e.g. http://localhost:8080") from error
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InputError(f"{url!r} is no address of a server; expected e.g. http://localhost:8080")
        self._named = parts.netloc.rpartition("@")[2]
        self._root = f"{parts.scheme}://{self._named}{parts.path}"
        self._session: aiohttp.ClientSession | None = None

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
        if self._session is None:
            self._session = _session()
        kept = [("Host", self._named), *((n.decode("latin-1"), _words(v)) for n, v in between_hops(headers, _NOT_SENT))]
        if content and isinstance(content, bytes):  # its length may not be what it was
            kept = [h for h in kept if h[0].lower() != "content-length"]
        try:
            response = await self._session.request(
                method.decode(), URL(self._root + path.decode("latin-1"), encoded=True), headers=kept,
                data=content or None, skip_auto_headers=_OWN, allow_redirects=False,
            )  # fmt: skip
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise Unreachable(f"the model server at {self.url} cannot be reached; is it running?") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Unreachable(f"the model server at {self.url} broke off before it answered ({error})") from error
        return Answer(response.status, between_hops(response.raw_headers), response)

    async def close(self) -> None:
        """Let go of the connections."""
        if self._session is not None:
            await self._session.close()


def _session() -> aiohttp.ClientSession:
    """As many connections as are asked for; bytes as they are, no cookies, no limit of time once connected."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE),
        request_class=_AsItCame,
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        max_line_size=LONGEST,
        max_field_size=LONGEST,
    )


def _words(value: bytes) -> str:
    """A header's value as aiohttp will write it: UTF-8, else what HTTP once took such bytes for."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def between_hops(headers: Iterable[Header], also: frozenset[bytes] = frozenset()) -> list[Header]:
    """The headers without those of one connection, in their order, without `also` and without those meant for us."""
    return [
        (name, value)
        for name, value in headers
        if (low := name.lower()) not in _HOPS and low not in also and not low.startswith(b"x-steer-")
    ]
