"""The studio's server put together: page, socket, routes, door.

This module wires parts and decides nothing. It opens no port; `serving.py` does.
"""

import asyncio
import contextlib
import logging
import mimetypes
import time
from collections.abc import AsyncIterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.websockets import WebSocket

from midcourse.backends.protocol import Sampling
from midcourse.capture.studio import events
from midcourse.capture.studio.access import COOKIE, SESSION_DAYS, Access
from midcourse.capture.studio.guard import Guard, problem
from midcourse.capture.studio.inbox_routes import add_inbox, look
from midcourse.capture.studio.office import Office
from midcourse.capture.studio.protocol import json_schema
from midcourse.capture.studio.rooms import Rooms
from midcourse.capture.studio.routes import add_routes
from midcourse.capture.studio.socket import Socket
from midcourse.capture.studio.state import Studio
from midcourse.capture.studio.training import Plan
from midcourse.capture.studio.training_routes import add_training
from midcourse.capture.studio.writer import Writer

__all__ = ["create_app"]

log = logging.getLogger("midcourse.studio")
_SWEEP_EVERY = 60.0
_LOOK_EVERY = 5.0

_DOOR = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Midcourse studio</title>
<form method="post" action="../enter"><input type="hidden" name="token" value="{token}">
<p>This link signs you in once, on this device.</p><button autofocus>Enter the studio</button></form></html>"""


def create_app(
    office: Office,
    writer: Writer,
    *,
    sampling: Sampling,
    plan: Plan | None = None,
    name: str | None = None,
    dev: bool = False,
) -> FastAPI:
    """The application; `app.state.studio` is its `Studio`. Without a plan there is no training."""
    access = Access(office, name=name) if name else Access(office)
    studio = Studio(office, writer, Rooms(office, writer, sampling), access, dev=dev)

    @contextlib.asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(_sweep(studio)), asyncio.create_task(_look(studio))]
        studio.ready = True
        yield
        studio.ready = False
        for task in tasks:
            task.cancel()
        studio.tell_all(events.Notice(about="shutdown", message="the studio is being stopped"))
        if trainings is not None:
            await trainings.stop()
        await studio.rooms.close()
        for socket in list(studio.sockets):
            socket.close()

    app = FastAPI(title="Midcourse studio", docs_url=None, redoc_url=None, openapi_url=None, lifespan=life)
    app.state.studio = studio
    _socket_route(app, studio)
    _door_routes(app, studio)
    _machine_routes(app, studio)
    add_routes(app, studio)
    add_inbox(app, studio)
    trainings = add_training(app, studio, plan) if plan is not None else None
    _page_routes(app, studio)
    app.add_middleware(Guard, access=access, counts=studio.counts)
    return app


async def _sweep(studio: Studio) -> None:
    while True:
        await asyncio.sleep(_SWEEP_EVERY)
        with contextlib.suppress(Exception):
            await studio.rooms.sweep()


async def _look(studio: Studio) -> None:
    """What other processes wrote: whoever was revoked is shown out, what a proxy recognised is told."""
    while True:
        await asyncio.sleep(_LOOK_EVERY)
        try:
            await studio.office.refresh()
            await look(studio)
        except Exception:  # said where it hinders somebody; here it is tried again
            continue
        for socket in list(studio.sockets):
            session = socket.visitor.session
            if not studio.office.alone and session not in studio.office.desk.sessions:
                socket.close()


def _socket_route(app: FastAPI, studio: Studio) -> None:
    @app.websocket("/ws")
    async def ws(socket: WebSocket) -> None:
        visitor = studio.access.visitor(socket.cookies)
        if visitor is not None:
            studio.seen[visitor.name] = time.time()
        else:
            await socket.accept()
            await socket.close(4401, "sign in")
            return
        tab = Socket(socket, visitor, studio.rooms, studio.can(visitor))
        await tab.run(studio.sockets.add, studio.sockets.discard)


def _door_routes(app: FastAPI, studio: Studio) -> None:
    @app.get("/enter/{token}")
    async def door(token: str) -> Response:
        # A button, not a redirect: programs that look at links in mail must not use it up.
        plain = token if token.replace("-", "").replace("_", "").isalnum() and token.isascii() else ""
        return HTMLResponse(_DOOR.format(token=plain))

    @app.post("/enter")
    async def enter(request: Request) -> Response:
        body = (await request.body()).decode("ascii", "replace")
        token = body.partition("token=")[2].partition("&")[0]
        cookie = await studio.access.enter(token)
        if cookie is None:
            return HTMLResponse("<!doctype html><p>This link is wrong, old or used. Ask for a new one.", 403)
        base = request.scope.get("root_path", "") or ""
        response = Response(status_code=303, headers={"Location": f"{base}/"})
        response.set_cookie(
            COOKIE,
            cookie,
            max_age=SESSION_DAYS * 86_400,
            path=f"{base}/",
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return response


def _machine_routes(app: FastAPI, studio: Studio) -> None:
    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz")
    async def readyz() -> Response:
        try:
            await asyncio.to_thread(studio.office.journal.since, studio.office.desk.seq)
        except Exception:
            return problem(503, "store", "the store cannot be read")
        return Response("ok") if studio.ready else problem(503, "shutdown", "not ready")

    @app.get("/metrics")
    async def metrics() -> Response:
        lines = [
            f"midcourse_studio_tabs {len(studio.sockets)}",
            f"midcourse_studio_drafts_open {len(studio.rooms.open_now)}",
            f"midcourse_studio_streams {sum(r.pump is not None for r in studio.rooms.open_now.values())}",
            f"midcourse_studio_waiting {studio.writer.turns.waiting}",
            *(
                f'midcourse_studio_requests_total{{what="{what}"}} {n}'.replace("\\", "")
                for what, n in sorted(studio.counts.items())
            ),
        ]
        return Response("\n".join(lines) + "\n", media_type="text/plain; version=0.0.4")

    @app.get("/api/schema")
    async def schema() -> dict[str, Any]:
        return json_schema()


def _page_routes(app: FastAPI, studio: Studio) -> None:
    """Only names that were there at the start are served: no request ever becomes a path."""
    known = _page_files(files("midcourse.capture.studio") / "page")

    @app.api_route("/{name:path}", methods=["GET", "HEAD"], include_in_schema=False)
    async def page(name: str) -> Response:
        if studio.dev:
            known.update(_page_files(files("midcourse.capture.studio") / "page"))
        found = known.get(name or "index.html")
        if found is None:
            return problem(404, "not_found", "there is no such page")
        kind = "text/javascript" if found.name.endswith((".js", ".mjs")) else mimetypes.guess_type(found.name)[0]
        body = await asyncio.to_thread(found.read_bytes)
        return Response(body, media_type=kind or "application/octet-stream", headers={"Cache-Control": "no-cache"})


def _page_files(folder: Traversable, prefix: str = "") -> dict[str, Traversable]:
    found: dict[str, Traversable] = {}
    for entry in folder.iterdir():
        if entry.is_dir():
            found.update(_page_files(entry, f"{prefix}{entry.name}/"))
        elif not entry.name.startswith("."):
            found[prefix + entry.name] = entry
    return found
