"""Routes of the inbox: what waits, taken as it is, with other words, or not; for admins."""

import asyncio

from fastapi import APIRouter, FastAPI

from midcourse.capture.studio import events, rest
from midcourse.capture.studio.inbox import keep, lines
from midcourse.capture.studio.routes import Admin
from midcourse.capture.studio.state import Studio
from midcourse.store.reviews import Inbox

__all__ = ["add_inbox", "look"]


def add_inbox(app: FastAPI, studio: Studio) -> None:
    """Add them."""
    router = APIRouter(prefix="/api/inbox")
    store = studio.office.store

    @router.get("")
    async def waiting(_: Admin) -> rest.InboxView:
        count = await asyncio.to_thread(Inbox(store).count)
        return rest.InboxView(waiting=count, lines=tuple(await asyncio.to_thread(lines, store)))

    @router.post("/{review}/accept")
    async def take(review: str, body: rest.InboxWords, who: Admin) -> dict[str, bool]:
        writer = studio.writer
        await asyncio.to_thread(
            lambda: keep(store, review, writer.tokenizer, chosen=body.chosen, by=who.name, model=writer.ref)
        )
        await look(studio)
        return {"accepted": True}

    @router.post("/{review}/reject")
    async def drop(review: str, who: Admin) -> dict[str, bool]:
        await asyncio.to_thread(Inbox(store).reject, review, who.name)
        await look(studio)
        return {"rejected": True}

    app.include_router(router)


async def look(studio: Studio) -> None:
    """Tell whoever reviews when there is more or less of it; a proxy puts it there from a process of its own."""
    count = await asyncio.to_thread(Inbox(studio.office.store).count)
    if count != studio.waiting:
        studio.waiting = count
        studio.tell_all(events.Notice(about="inbox"), admins=True)
