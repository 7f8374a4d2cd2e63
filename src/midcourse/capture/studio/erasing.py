"""What somebody wrote, taken out of the store for good at their own wish.

Only texts in which nobody else had a hand go, each as a whole. Their drafts are let go of first, their tabs come back
to the first page, and the desk is read anew, for entries of the journal are gone. It knows no route.
"""

import asyncio
from collections.abc import Sequence

import sqlalchemy as sa

from midcourse.capture.studio.adopting import names_of
from midcourse.capture.studio.deeds import note
from midcourse.capture.studio.journal import forget
from midcourse.capture.studio.state import Studio
from midcourse.store.db import Store

__all__ = ["erase"]


async def erase(studio: Studio, name: str) -> tuple[int, int]:
    """Delete somebody's texts; how many, and how many exports and adapters still hold some of them."""
    names = await asyncio.to_thread(names_of, studio.office.store, name)
    await studio.rooms.let_go(name)
    done = await asyncio.to_thread(_purge, studio.office.store, name, names)
    await studio.office.read_anew()
    for socket in list(studio.sockets):
        if socket.visitor.name == name:
            socket.close()
    return done


def _purge(store: Store, name: str, names: Sequence[str]) -> tuple[int, int]:
    theirs = [t for t in store.trajectories(source="studio") if t.annotator in names]
    own = [t for t in theirs if all(s.annotator in (*names, None) for s in t.steers)]
    if not own:
        return 0, 0
    ids, steers = [t.id for t in own], sum(len(t.steers) for t in own)

    def also(connection: sa.Connection) -> None:
        forget(connection, ids)
        note(connection, "purge", {"texts": len(ids), "steers": steers}, name)

    done = store.purge(ids, why="by who wrote it", also=also)
    return done.trajectories, len(done.handed_out)
