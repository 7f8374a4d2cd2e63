"""The store, the journal and the desk together: what happens is written down first, then it counts."""

import asyncio
import hashlib
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from midcourse.capture.studio.desk import Desk
from midcourse.capture.studio.journal import Entry, Journal
from midcourse.store.db import Store

__all__ = ["Office", "digest"]


def digest(secret: str) -> str:
    """What is kept of a token or cookie."""
    return hashlib.sha256(secret.encode()).hexdigest()


class Office:
    """One server's access to what it keeps; blocking calls run in threads."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.journal = Journal(store)
        self.desk = Desk(self.journal.since())
        self._lock = asyncio.Lock()

    @property
    def alone(self) -> bool:
        """Whether nobody was ever added: one person on this machine."""
        return not self.desk.members

    async def record(self, kind: str, value: Mapping[str, Any], by: str | None = None) -> None:
        """Keep one entry; returns when it is on disk and counts."""
        await self.record_many(kind, [value], by)

    async def record_many(self, kind: str, values: Sequence[Mapping[str, Any]], by: str | None = None) -> None:
        """Keep several, all or none."""
        async with self._lock:
            self._apply(await asyncio.to_thread(self._kept, kind, values, by))

    def add_now(self, kind: str, values: Sequence[Mapping[str, Any]], by: str | None = None) -> None:
        """Keep entries before the server runs."""
        if values:
            self._apply(self._kept(kind, values, by))

    async def refresh(self) -> None:
        """Take in what another process wrote, as `midcourse studio users` does."""
        async with self._lock:
            self._apply(await asyncio.to_thread(self.journal.since, self.desk.seq))

    async def read_anew(self) -> None:
        """Entries are gone: the desk as the journal tells it now."""
        async with self._lock:
            self.desk = await asyncio.to_thread(lambda: Desk(self.journal.since()))

    async def take_next(self, name: str, *, practice: bool = False) -> tuple[str, str] | None:
        """Reserve the person's next prompt: (item, id of the draft to be); None where none is left."""
        async with self._lock:
            item = self.desk.next_for(name, practice=practice)
            if item is None:
                return None
            draft = uuid.uuid4().hex
            entry = {"item": item.id, "draft": draft}
            self._apply(await asyncio.to_thread(self._kept, "take", [entry], name))
            return item.id, draft

    def _kept(self, kind: str, values: Sequence[Mapping[str, Any]], by: str | None) -> list[Entry]:
        """Keep entries; what is new since the last look, for another process may have written between."""
        self.journal.add_many(kind, values, by)
        return self.journal.since(self.desk.seq)

    def _apply(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if entry.seq > self.desk.seq:
                self.desk.apply(entry)
