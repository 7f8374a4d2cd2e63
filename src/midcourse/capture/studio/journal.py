"""What the studio remembers beside the steers: an append-only journal, and what has arrived but is not kept yet.

Queue, people, sessions, reasons, flags and rounds are entries that are only ever added; `desk.py` reads them in order.
The spool holds the tokens of a running stream until they become nodes, so that a killed server loses none that a page
has shown. All of it lives in the store's database. This module knows no meaning of an entry.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa

from midcourse.store import dialects
from midcourse.store.db import Store
from midcourse.store.schema import Json
from midcourse.types import Place

__all__ = ["TABLES", "Entry", "Journal", "Spooled", "forget"]

TABLES = sa.MetaData()
_Seq = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_entries = sa.Table(
    "studio_journal",
    TABLES,
    sa.Column("seq", _Seq, primary_key=True, autoincrement=True),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("by", sa.String),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("value", Json, nullable=False),
)
_spool = sa.Table(
    "studio_spool",
    TABLES,
    sa.Column("seq", _Seq, primary_key=True, autoincrement=True),
    sa.Column("draft", sa.String, nullable=False, index=True),
    sa.Column("node", sa.String, nullable=False),
    sa.Column("depth", sa.Integer, nullable=False),
    sa.Column("token_ids", sa.LargeBinary, nullable=False),
    sa.Column("logprobs", sa.LargeBinary, nullable=False),
    sa.Column("shown", sa.Integer, nullable=False),
)
_notes = sa.Table(
    "studio_note",
    TABLES,
    sa.Column("key", sa.String, primary_key=True),
    sa.Column("value", Json, nullable=False),
    comment="uncommitted typing and the like: the only rows that are overwritten",
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened."""

    seq: int
    kind: str
    by: str | None
    at: float
    value: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Spooled:
    """Tokens of a stream that was cut off."""

    base: Place
    """Where the stream began."""
    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    shown: int
    """Tokens of the answer that had been seen."""


class Journal:
    """The studio's own records in a store."""

    def __init__(self, store: Store) -> None:
        """Make the tables if they are not there."""
        self._store = store
        store.write(TABLES.create_all)

    # -- entries ---------------------------------------------------------------------------------------------------

    def add(self, kind: str, value: Mapping[str, Any], by: str | None = None) -> Entry:
        """Keep one entry."""
        return self.add_many(kind, [value], by)[0]

    def add_many(self, kind: str, values: Sequence[Mapping[str, Any]], by: str | None = None) -> list[Entry]:
        """Keep several, all or none."""
        at = time.time()

        def work(connection: sa.Connection) -> list[Entry]:
            dialects.take_turns(connection, ["journal"])  # numbered in the order in which they can be read
            made = []
            for value in values:
                row = {"kind": kind, "by": by, "at": at, "value": dict(value)}
                [seq] = connection.execute(_entries.insert(), row).inserted_primary_key or (0,)
                made.append(Entry(int(seq), kind, by, at, value))
            return made

        return self._store.write(work)

    def since(self, seq: int = 0) -> list[Entry]:
        """All entries after `seq`."""
        query = sa.select(_entries).where(_entries.c.seq > seq).order_by(_entries.c.seq)
        return self._store.read(lambda c: [Entry(r.seq, r.kind, r.by, r.at, r.value) for r in c.execute(query)])

    # -- the spool -------------------------------------------------------------------------------------------------

    def spool(self, draft: str, base: Place, token_ids: Sequence[int], logprobs: Sequence[float], shown: int) -> None:
        """Keep tokens that arrived behind those spooled before."""
        row = {
            "draft": draft,
            "node": base.node,
            "depth": base.depth,
            "token_ids": np.asarray(token_ids, "<u4").tobytes(),
            "logprobs": np.asarray(logprobs, "<f8").tobytes(),
            "shown": shown,
        }
        self._store.write(lambda connection: connection.execute(_spool.insert(), row))

    def unspool(self, draft: str) -> None:
        """Forget them: they are nodes now."""
        self._store.write(lambda connection: connection.execute(_spool.delete().where(_spool.c.draft == draft)))

    def spooled(self, draft: str) -> Spooled | None:
        """What a stream left behind."""
        query = sa.select(_spool).where(_spool.c.draft == draft).order_by(_spool.c.seq)
        rows = self._store.read(lambda connection: list(connection.execute(query)))
        if not rows:
            return None
        ids = np.frombuffer(b"".join(r.token_ids for r in rows), "<u4").tolist()
        logprobs = np.frombuffer(b"".join(r.logprobs for r in rows), "<f8").tolist()
        return Spooled(Place(rows[0].node, rows[0].depth), tuple(ids), tuple(logprobs), max(r.shown for r in rows))

    # -- notes -----------------------------------------------------------------------------------------------------

    def note(self, key: str, value: Any) -> None:
        """Overwrite a note; None takes it away."""

        def work(connection: sa.Connection) -> None:
            connection.execute(_notes.delete().where(_notes.c.key == key))
            if value is not None:
                connection.execute(_notes.insert(), {"key": key, "value": value})

        self._store.write(work)

    def noted(self, key: str) -> Any:
        """A note, or None."""
        query = sa.select(_notes.c.value).where(_notes.c.key == key)
        return self._store.read(lambda connection: connection.execute(query).scalar())


def forget(connection: sa.Connection, trajectories: Sequence[str], authors: Sequence[str] = ()) -> None:
    """Delete whatever the studio keeps of some texts, and all that a person did in it; for a purge of the store.

    Args:
        connection: Inside the purge's transaction.
        trajectories: Ids that are purged.
        authors: The person's names, whose entries go.
    """
    if not sa.inspect(connection).has_table(_entries.name):
        return
    ids = set(trajectories)
    for draft in ids:
        connection.execute(_spool.delete().where(_spool.c.draft == draft))

    def of_them(*values: Any) -> bool:
        return any(i in said for said in map(json.dumps, values) for i in ids)

    rows = list(connection.execute(sa.select(_entries).order_by(_entries.c.seq)))
    for seq in [r.seq for r in rows if r.by in authors or of_them(r.value)]:
        here = _entries.c.seq == seq
        if seq == rows[-1].seq:  # the last number stays taken: given anew, a desk that has read so far would miss it
            connection.execute(_entries.update().where(here).values(kind="gone", by=None, value={}))
        else:
            connection.execute(_entries.delete().where(here))
    notes = list(connection.execute(sa.select(_notes)))
    for key in [r.key for r in notes if of_them(r.key, r.value)]:
        connection.execute(_notes.delete().where(_notes.c.key == key))
