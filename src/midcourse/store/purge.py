"""Taking someone's texts out for good: the one thing that deletes, and what it leaves behind to say so.

A trajectory goes as a whole with all that happened in it, for no part of a text can be taken out without the rest
changing its meaning. Nodes go when no other trajectory uses them. A tombstone with the ids stays, so that importing the
same file again does not bring it back. It knows no text and no tokenizer.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from midcourse.store import schema
from midcourse.store.reading import chunks

__all__ = [
    "HandedOut",
    "Purged",
    "buried",
    "find",
    "findable",
    "forget",
    "handed_out",
    "last",
    "made_of",
    "person",
    "purge",
    "record",
]


@dataclass(frozen=True, slots=True)
class HandedOut:
    """What was made of stored trajectories and lies outside of the store."""

    kind: str
    """`export`, `adapter`, or `copy` of an adapter that was published."""
    where: str
    """File or folder."""
    at: float
    """Unix time."""
    trajectories: frozenset[str]


@dataclass(frozen=True, slots=True)
class Purged:
    """What a purge took."""

    trajectories: int
    steers: int
    nodes: int
    handed_out: tuple[HandedOut, ...]
    """Exports and adapters that were made of it; they still hold it."""


def find(
    connection: sa.Connection, *, authors: Sequence[str] = (), since: float | None = None, until: float | None = None
) -> list[str]:
    """Trajectories in which a person had a hand, or that were made in a span of time; all conditions must hold.

    Args:
        connection: Open.
        authors: The person's names, any of which is annotator of the trajectory or of one of its steers; a client with
            whoever stands behind it.
        since: Unix time; a trajectory that names no time of its own counts from when it was stored.
        until: Unix time, exclusive.
    """
    t, s, state = schema.trajectory.c, schema.steer.c, schema.trajectory_state.c
    stored = sa.select(sa.func.min(state.at)).where(state.trajectory == t.id).scalar_subquery()
    made = sa.func.coalesce(t.created, stored)
    query = sa.select(t.id).order_by(t.seq)
    if authors:
        theirs = sa.select(s.trajectory).where(sa.or_(*(person(s.annotator, name) for name in authors)))
        query = query.where(sa.or_(*(person(t.annotator, name) for name in authors), t.id.in_(theirs)))
    if since is not None:
        query = query.where(made >= since)
    if until is not None:
        query = query.where(made < until)
    return list(connection.execute(query).scalars())


def person(column: sa.ColumnElement[str], name: str) -> sa.ColumnElement[bool]:
    """Whether a column names somebody, or somebody behind this client (`client/…`)."""
    return sa.or_(column == name, column.startswith(f"{name}/", autoescape=True))


def purge(connection: sa.Connection, ids: Sequence[str], why: str | None) -> Purged:
    """Delete trajectories, their steers, and every node that nothing uses any more; leave tombstones.

    Args:
        connection: Inside a writing transaction.
        ids: Trajectories.
        why: Kept with the tombstones; must not name whom the purge is for.
    """
    given = tuple(h for h in handed_out(connection) if h.trajectories & set(ids))
    steers = trajectories = 0
    now = time.time()
    for part in chunks(list(ids)):
        gone = list(
            connection.execute(sa.select(schema.steer.c.id).where(schema.steer.c.trajectory.in_(part))).scalars()
        )
        for some in chunks(gone):
            connection.execute(schema.rejected.delete().where(schema.rejected.c.steer.in_(some)))
            connection.execute(schema.steer_state.delete().where(schema.steer_state.c.steer.in_(some)))
        connection.execute(schema.steer.delete().where(schema.steer.c.trajectory.in_(part)))
        for table in (schema.trajectory_state, schema.use):
            connection.execute(table.delete().where(table.c.trajectory.in_(part)))
        trajectories += connection.execute(schema.trajectory.delete().where(schema.trajectory.c.id.in_(part))).rowcount
        steers += len(gone)
        stones = [("trajectory", i) for i in part] + [("steer", i) for i in gone]
        connection.execute(schema.tombstone.insert(), [{"kind": k, "id": i, "at": now, "why": why} for k, i in stones])
    unused = ~sa.exists().where(schema.use.c.node == schema.node.c.id)
    with findable(connection):
        nodes = connection.execute(schema.node.delete().where(unused)).rowcount
    return Purged(trajectories, steers, nodes, given)


@contextmanager
def findable(connection: sa.Connection) -> Iterator[None]:
    """Within the block what refers to a node is found by an index, also where a store keeps none."""
    if connection.dialect.name == "postgresql":  # it has them, and making one would hold up everybody who writes
        yield
        return
    for index in schema.BY_NODE:
        (column,) = index.columns
        connection.exec_driver_sql(f"CREATE INDEX {index.name} ON {column.table.name} ({column.name})")
    yield
    for index in schema.BY_NODE:
        connection.exec_driver_sql(f"DROP INDEX {index.name}")


def forget(connection: sa.Connection, authors: Sequence[str]) -> None:
    """Take a person's names from the reviews of what stays."""
    table = schema.steer_state
    connection.execute(table.update().where(table.c.by.in_(authors)).values(by=None))


def buried(connection: sa.Connection, kind: str, ids: set[str]) -> set[str]:
    """Which of these ids were purged."""
    t = schema.tombstone.c
    return {
        i
        for part in chunks(sorted(ids))
        for i in connection.execute(sa.select(t.id).where(t.kind == kind, t.id.in_(part))).scalars()
    }


def last(connection: sa.Connection) -> int:
    """Number of the newest tombstone: whoever remembers stored texts forgets them when it changes."""
    return int(connection.execute(sa.select(sa.func.max(schema.tombstone.c.seq))).scalar() or 0)


def record(connection: sa.Connection, kind: str, where: str, trajectories: Sequence[str]) -> None:
    """Keep what was made of which trajectories."""
    row: dict[str, Any] = {"kind": kind, "where": where, "at": time.time(), "trajectories": sorted(set(trajectories))}
    connection.execute(schema.handed_out.insert(), [row])


def made_of(connection: sa.Connection, where: str) -> list[str] | None:
    """The trajectories of which an export or adapter on record was made; None where it is not on record."""
    found = [h.trajectories for h in handed_out(connection) if h.where == where]
    return sorted(frozenset().union(*found)) if found else None


def handed_out(connection: sa.Connection) -> list[HandedOut]:
    """All exports and adapters, in the order in which they were made."""
    table = schema.handed_out
    return [
        HandedOut(r.kind, r._mapping["where"], r.at, frozenset(r.trajectories))
        for r in connection.execute(sa.select(table).order_by(table.c.seq))
    ]
