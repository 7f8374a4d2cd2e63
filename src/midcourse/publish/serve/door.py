"""What every request passes: the key, the host's name, the size of its body. Plain ASGI, so that streams go through."""

import hmac
import ipaddress
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Door", "is_loopback", "refusal"]

MOST_BYTES = 32_000_000


def refusal(
    status: int,
    message: str,
    *,
    kind: str = "invalid_request_error",
    param: str | None = None,
    code: Any = None,
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    """An error in OpenAI's shape."""
    return JSONResponse({"error": {"message": message, "type": kind, "param": param, "code": code}}, status, headers)


def is_loopback(host: str) -> bool:
    """Whether a name or address stays on this machine."""
    name = host.strip("[]")
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


class Door:
    """Wraps the application; without a key it answers on loopback names only, which keeps foreign web pages out."""

    def __init__(self, app: ASGIApp, key: str | None = None) -> None:
        self._app, self._key = app, key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        no = self._refusal(scope, Headers(scope=scope))
        await (no(scope, receive, send) if no is not None else self._app(scope, _limited(receive), send))

    def _refusal(self, scope: Scope, headers: Headers) -> JSONResponse | None:
        if self._key is not None:
            given = headers.get("authorization", "").removeprefix("Bearer ")
            if scope["path"] != "/health" and not hmac.compare_digest(given.encode(), self._key.encode()):
                return refusal(401, "the key is missing or wrong: send it as a bearer token", code="invalid_api_key")
        elif not is_loopback(urlsplit(f"//{headers.get('host', '')}").hostname or ""):
            return refusal(403, "without a key this server answers on loopback names only")
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > MOST_BYTES:
            return refusal(413, f"a body may have {MOST_BYTES} bytes")
        return None


def _limited(receive: Receive) -> Receive:
    """A body without a length is cut off where it grows too large."""
    taken = 0

    async def next_part() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        return {"type": "http.disconnect"} if taken > MOST_BYTES else message

    return next_part
