"""What every request passes: host, origin, size, pace, headers, a line in the log without a word of text.

Plain ASGI, so that streams and sockets go through it unchanged. It knows no route.
"""

import json
import logging
import time
from collections import Counter
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from midcourse.capture.studio.access import Access
from midcourse.capture.studio.limits import Buckets

__all__ = ["CSP", "Guard", "JsonLines", "problem"]

log = logging.getLogger("midcourse.studio")
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; frame-src 'self'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'"
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with no-referrer a form says `Origin: null`: nobody could sign in
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
BODY, BIG_BODY = 1_000_000, 20_000_000
_BIG = ("/api/queue",)
_SAFE = ("GET", "HEAD")


def problem(status: int, code: str, message: str) -> JSONResponse:
    """An error as every route gives it."""
    return JSONResponse({"error": {"code": code, "message": message}}, status)


class Guard:
    """Wraps the whole application."""

    def __init__(self, app: ASGIApp, access: Access, counts: Counter[str]) -> None:
        self._app, self._access, self._counts = app, access, counts
        self._pace = Buckets(rate=30, burst=300)
        self._door = Buckets(rate=0.1, burst=20)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request or socket."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers, began, status = Headers(scope=scope), time.monotonic(), [0]
        web = scope["type"] == "websocket"

        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start":
                status[0] = message["status"]
                _add_headers(MutableHeaders(scope=message))
            await send(message)

        no = self._refusal(scope, headers)
        if no is not None and web:
            await receive()
            await send({"type": "websocket.close", "code": 4403 if no.status_code == 403 else 4429, "reason": ""})
        elif no is not None:
            await no(scope, receive, tell)
        else:
            await self._app(scope, _limited(receive, scope) if not web else receive, tell)
        route = getattr(scope.get("route"), "path", "unknown")
        self._counts[f"{'ws' if web else scope['method']} {route} {status[0]}"] += 1
        facts = {"route": route, "status": status[0], "ms": round(1000 * (time.monotonic() - began), 1)}
        log.info("socket closed" if web else "request", extra={"facts": facts})

    def _refusal(self, scope: Scope, headers: Headers) -> JSONResponse | None:
        host, path = headers.get("host"), scope["path"]
        if not self._access.right_host(host):
            return problem(403, "not_allowed", "this studio answers on loopback names only")
        changes = scope["type"] == "websocket" or scope["method"] not in _SAFE
        if changes and not self._access.same_origin(headers.get("origin"), host):
            return problem(403, "not_allowed", "this must come from the studio's own page")
        who = scope["client"][0] if scope.get("client") else "?"
        if "/enter" in path and scope["type"] == "http" and not self._door.take(who):
            return problem(429, "too_fast", "too many tries: wait a minute")
        if not self._pace.take(who):
            return problem(429, "too_fast", "too many requests: wait a moment")
        if int(headers.get("content-length") or 0) > _most(path):
            return problem(413, "too_large", f"a body may have {_most(path)} bytes here")
        return None


class _TooLarge(Exception):
    pass


def _most(path: str) -> int:
    return BIG_BODY if path.endswith(_BIG) else BODY


def _limited(receive: Receive, scope: Scope) -> Receive:
    """A body without a length is cut off where it grows too large."""
    taken, most = [0], _most(scope["path"])

    async def next_part() -> Message:
        message = await receive()
        taken[0] += len(message.get("body", b""))
        if taken[0] > most:
            return {"type": "http.disconnect"}
        return message

    return next_part


def _add_headers(headers: MutableHeaders) -> None:
    for name, value in _HEADERS.items():
        headers.setdefault(name, value)
    headers.setdefault("Content-Security-Policy", CSP)
    headers.setdefault("Cache-Control", "no-store")


class JsonLines(logging.Formatter):
    """One JSON object a line; of a failure its type and place, never its message, which may quote a text."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line: dict[str, Any] = {
            "at": round(record.created, 3),
            "level": record.levelname.lower(),
            "what": record.msg if isinstance(record.msg, str) else type(record.msg).__name__,
            **getattr(record, "facts", {}),
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
            line["where"] = _frames(record.exc_info[2])
        return json.dumps(line)


def _frames(trace: Any) -> list[str]:
    found = []
    while trace is not None:
        code = trace.tb_frame.f_code
        found.append(f"{urlsplit(code.co_filename).path.rsplit('/', 1)[-1]}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return found[-8:]
