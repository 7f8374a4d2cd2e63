"""The REST routes around the writing, as `rest.py` lists them: check who asks, call, answer."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request
from starlette.responses import Response, StreamingResponse

from midcourse.capture.studio import events, rest
from midcourse.capture.studio.desk import Item, Prompt
from midcourse.capture.studio.erasing import erase
from midcourse.capture.studio.guard import problem
from midcourse.capture.studio.prompts import entries, read_prompts
from midcourse.capture.studio.reading import Reader, prompt_line
from midcourse.capture.studio.socket import Visitor
from midcourse.capture.studio.state import Studio
from midcourse.errors import InputError, MidcourseError
from midcourse.publish.datasets import import_rows
from midcourse.publish.pairs import trl_rows

__all__ = ["add_routes", "admin", "visitor"]

_MOST_LINES = 200


def visitor(request: Request) -> Visitor:
    """Who asks; nobody we know is sent to the door."""
    studio: Studio = request.app.state.studio
    found = studio.access.visitor(request.cookies)
    if found is None:
        raise HTTPException(401, "open the link you were given; ask whoever runs this studio for one")
    return found


def admin(who: Annotated[Visitor, Depends(visitor)]) -> Visitor:
    """Who asks, if they may decide."""
    if who.role != "admin":
        raise HTTPException(403, "only an admin may do this")
    return who


Who = Annotated[Visitor, Depends(visitor)]
Admin = Annotated[Visitor, Depends(admin)]


def add_routes(app: FastAPI, studio: Studio) -> None:
    """Add all of them, and how errors look."""
    router = APIRouter(prefix="/api")
    reader = Reader(studio.office.store, lambda: studio.writer.tokenizer)
    _own_routes(router, studio, reader)
    _data_routes(router, studio)
    _queue_routes(router, studio)
    _notice_routes(router, studio)
    _review_routes(router, studio, reader)
    app.include_router(router)

    @app.exception_handler(HTTPException)
    async def refused(_: Request, error: HTTPException) -> Response:
        codes = {401: "no_session", 403: "not_allowed", 404: "not_found", 409: "busy"}
        return problem(error.status_code, codes.get(error.status_code, "input"), str(error.detail))

    @app.exception_handler(MidcourseError)
    async def mistake(_: Request, error: MidcourseError) -> Response:
        return problem(400 if isinstance(error, InputError) else 503, "input", str(error))


def _own_routes(router: APIRouter, studio: Studio, reader: Reader) -> None:
    office = studio.office

    @router.get("/me")
    async def me(who: Who) -> rest.Me:
        shares = [s for i in office.desk.items.values() for n, s in i.shares.items() if n == who.name]
        mine = sum(s.state == "open" for s in shares)
        return rest.Me(name=who.name, role=who.role, open_drafts=mine, alone=office.alone)

    @router.get("/drafts")
    async def drafts(who: Who, status: str | None = None) -> list[rest.DraftLine]:
        found = await asyncio.to_thread(reader.drafts, office.desk, name=who.name, status=status)
        return found[:_MOST_LINES]

    @router.get("/stats")
    async def stats(who: Who, mine: bool = False) -> rest.Stats:
        name = who.name if mine or who.role != "admin" else None
        return await asyncio.to_thread(reader.stats, office.desk, name=name)


def _data_routes(router: APIRouter, studio: Studio) -> None:
    """What somebody made goes with them, or away."""
    office = studio.office

    @router.get("/export")
    async def export(who: Who, format: str = "jsonl") -> Response:
        make = {"jsonl": import_rows, "trl": trl_rows}.get(format)
        if make is None:
            raise HTTPException(400, "format is jsonl or trl")
        mine = None if who.role == "admin" else who.name
        tokenizer = studio.writer.tokenizer
        await office.record("exported", {"where": "the page", "format": format}, who.name)

        async def lines() -> AsyncIterator[str]:
            found = await asyncio.to_thread(lambda: list(office.store.trajectories(source="studio")))
            for t in found:
                if t.steers and t.tokenizer == tokenizer.hash and mine in (None, office.desk.who(t.annotator or "")):
                    for row in await asyncio.to_thread(list, make(t, tokenizer)):
                        yield json.dumps(row, ensure_ascii=False) + "\n"

        return StreamingResponse(
            lines(),
            media_type="application/x-ndjson",
            headers={"Content-Disposition": 'attachment; filename="steers.jsonl"'},
        )

    @router.post("/forget")
    async def forget(who: Who, body: rest.Forget) -> dict[str, int]:
        if body.confirm != who.name:
            raise HTTPException(400, "give your own name as `confirm`: all of your steers are meant")
        if body.erase:
            erased, still = await erase(studio, who.name)
            return {"erased": erased, "made_of": still}

        def withdraw() -> int:
            made = (s for t in office.store.trajectories() for s in t.steers if s.counts)
            mine = [s for s in made if office.desk.who(s.annotator or "") == who.name]
            for s in mine:
                office.store.set_state(s.id, "withdrawn", who.name)
            return len(mine)

        return {"withdrawn": await asyncio.to_thread(withdraw)}

    @router.post("/leave")
    async def leave(who: Who) -> Response:
        if who.session is not None:
            await office.record("leave", {"hash": who.session}, who.name)
        return Response(status_code=204)

    @router.get("/people")
    async def people(_: Admin) -> list[rest.Person]:
        return [
            rest.Person(name=m.name, role=m.role, revoked=m.revoked, last_seen=studio.seen.get(m.name))
            for m in office.desk.members.values()
        ]


def _queue_routes(router: APIRouter, studio: Studio) -> None:
    office = studio.office

    @router.get("/queue")
    async def queue(who: Who) -> rest.Queue:
        everybody = who.role == "admin"
        lines = [_line(i, who.name, everybody=everybody) for i in _in_order(office.desk.items)]
        seen = [x for x in lines if x.state != "removed" and (everybody or x.done < x.wanted or x.state != "waiting")]
        counts = {s: sum(x.state == s and not x.practice for x in seen) for s in ("waiting", "open", "done", "skipped")}
        practice = sum(x.practice and x.state == "waiting" for x in seen)
        return rest.Queue(**counts, practice_left=practice, prompts=tuple(seen[:_MOST_LINES]))

    @router.post("/queue")
    async def add(body: rest.AddPrompts, who: Admin) -> dict[str, int]:
        given: list[Prompt] = [p if isinstance(p, str) else tuple(m.model_dump() for m in p) for p in body.prompts]
        if body.text is not None:
            given += read_prompts(body.text)
        new = entries(given, people=body.people, practice=body.practice)
        new = [e for e in {e["id"]: e for e in new}.values() if e["id"] not in office.desk.items]
        await office.record_many("prompt", new, who.name)
        studio.tell_all(events.Notice(about="queue"))
        return {"added": len(new)}

    @router.patch("/queue/{item}")
    async def change(item: str, body: rest.PromptChange, who: Admin) -> dict[str, bool]:
        if item not in office.desk.items:
            raise HTTPException(404, "there is no such prompt")
        await office.record("change", {"id": item, **body.model_dump()}, who.name)
        studio.tell_all(events.Notice(about="queue"))
        return {"changed": True}


def _notice_routes(router: APIRouter, studio: Studio) -> None:
    office = studio.office

    @router.get("/guidelines")
    async def guidelines(_: Who) -> rest.Guidelines:
        return rest.Guidelines(text=office.desk.guidelines)

    @router.put("/guidelines")
    async def put_guidelines(body: rest.Guidelines, who: Admin) -> rest.Guidelines:
        await office.record("guidelines", body.model_dump(), who.name)
        studio.tell_all(events.Notice(about="guidelines"))
        return body

    @router.get("/tags")
    async def tags(_: Who) -> dict[str, Any]:
        return {"tags": office.desk.tags}

    @router.put("/tags")
    async def put_tags(body: dict[str, list[str]], who: Admin) -> dict[str, Any]:
        given = [t.strip() for t in body.get("tags", []) if t.strip()]
        if len(given) > 20 or any(len(t) > 60 for t in given):
            raise HTTPException(400, "at most 20 tags of at most 60 characters")
        await office.record("tags", {"tags": given}, who.name)
        studio.tell_all(events.Notice(about="tags"))
        return {"tags": given}


def _review_routes(router: APIRouter, studio: Studio, reader: Reader) -> None:
    office = studio.office

    @router.get("/review")
    async def review(_: Admin, state: str = "pending") -> list[rest.ReviewLine]:
        return await asyncio.to_thread(reader.review, office.desk, state)

    @router.post("/review")
    async def verdict(body: rest.Verdict, who: Admin) -> dict[str, int]:
        def decide() -> int:
            for steer in body.steers:
                office.store.set_state(steer, body.state, who.name)
            return len(body.steers)

        done = await asyncio.to_thread(decide)
        studio.tell_all(events.Notice(about="review"), admins=True)
        return {"decided": done}

    @router.get("/agreement")
    async def agreed(_: Admin) -> rest.Agreement:
        return await asyncio.to_thread(reader.agreement, office.desk)

    @router.get("/differences")
    async def differences(_: Admin) -> list[rest.Difference]:
        return await asyncio.to_thread(reader.differences, office.desk)

    @router.post("/differences/{item}")
    async def settle(item: str, body: rest.Settlement, who: Admin) -> dict[str, int]:
        found = office.desk.items.get(item)
        drafts = {s.draft for s in found.shares.values()} if found is not None else set()
        if body.draft not in drafts:
            raise HTTPException(404, "there is no such draft of that prompt")

        def decide() -> int:
            refused = 0
            for t in office.store.trajectories(ids=sorted(d for d in drafts if d is not None)):
                for s in t.steers:
                    stands = t.id == body.draft
                    if s.state in ("active", "pending", "approved", "refused"):
                        office.store.set_state(s.id, "approved" if stands else "refused", who.name)
                        refused += not stands
            return refused

        refused = await asyncio.to_thread(decide)
        await office.record("settle", {"item": item, **body.model_dump()}, who.name)
        return {"refused": refused}


def _in_order(items: dict[str, Item]) -> list[Item]:
    return sorted(items.values(), key=lambda i: (not i.practice, i.seq))


def _line(item: Item, name: str, *, everybody: bool) -> rest.PromptLine:
    mine = item.shares.get(name)
    done = sum(s.state == "done" for s in item.shares.values())
    state: Any = mine.state if mine is not None else "waiting"
    if everybody and mine is None and item.shares:
        state = "done" if done >= item.people else "open"
    people = tuple(item.shares) if everybody else ((name,) if mine is not None else ())
    return rest.PromptLine(
        id=item.id,
        text=prompt_line(item.prompt),
        practice=item.practice,
        state="removed" if item.removed else state,
        done=done if everybody else int(mine is not None and mine.state == "done"),
        wanted=item.people if everybody else 1,
        people=people,
        skipped_for=mine.reason if mine is not None else None,
    )
