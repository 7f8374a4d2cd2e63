"""What passed between a client and a model server, kept for a time so that the next request can be compared with it.

An exchange is plain JSON to this module. It knows no protocol of a server, and nothing of steers.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from midcourse.store.purge import person
from midcourse.store.reading import chunks
from midcourse.store.schema import exchange, tombstone

__all__ = ["KeptExchange", "bury", "count", "delete", "find", "newest", "put", "recent", "strings"]


@dataclass(frozen=True, slots=True)
class KeptExchange:
    """One request and its answer."""

    id: str
    client: str
    """Who asked: an HMAC, never a key or a name."""
    chat: str | None
    """Which conversation, where the client says."""
    model: str | None
    at: float
    """Unix time."""
    value: Mapping[str, Any]


def put(connection: sa.Connection, kept: KeptExchange) -> None:
    """Keep one."""
    row = {"id": kept.id, "client": kept.client, "chat": kept.chat, "model": kept.model, "at": kept.at}
    connection.execute(exchange.insert(), [{**row, "value": dict(kept.value)}])


def recent(connection: sa.Connection, client: str, chat: str | None, limit: int) -> list[KeptExchange]:
    """The newest of a client in one conversation (None: in none that it names), oldest first."""
    rows = list(connection.execute(_newest_first(sa.select(exchange), client, chat).limit(limit)))
    return [_read(r) for r in reversed(rows)]


def newest(connection: sa.Connection, client: str, chat: str | None) -> str | None:
    """Id of the last of them."""
    found = connection.execute(_newest_first(sa.select(exchange.c.id), client, chat).limit(1)).scalar()
    return None if found is None else str(found)


def _newest_first(query: sa.Select[Any], client: str, chat: str | None) -> sa.Select[Any]:
    query = query.where(exchange.c.client == client)
    query = query.where(exchange.c.chat.is_(None) if chat is None else exchange.c.chat == chat)
    return query.order_by(exchange.c.seq.desc())


def find(
    connection: sa.Connection,
    *,
    client: str | None = None,
    since: float | None = None,
    until: float | None = None,
    text: str | None = None,
) -> list[str]:
    """Ids of those for which all conditions hold.

    Args:
        connection: Open.
        client: Who asked; with `client/…`, whoever stands behind it.
        since: Unix time.
        until: Unix time, exclusive.
        text: Words that stand anywhere in the request or the answer.
    """
    query = sa.select(exchange).order_by(exchange.c.seq)
    if client is not None:
        query = query.where(person(exchange.c.client, client))
    if since is not None:
        query = query.where(exchange.c.at >= since)
    if until is not None:
        query = query.where(exchange.c.at < until)
    rows = connection.execute(query.execution_options(yield_per=100))
    return [r.id for r in rows if text is None or any(text in s for s in strings(r.value))]


def delete(connection: sa.Connection, ids: Sequence[str]) -> int:
    """Delete some; returns how many."""
    return sum(
        connection.execute(exchange.delete().where(exchange.c.id.in_(part))).rowcount for part in chunks(list(ids))
    )


def bury(connection: sa.Connection, ids: Sequence[str], why: str | None = None) -> int:
    """Delete some for a purge: tombstones tell whoever remembers them to forget; returns how many."""
    stones = [{"kind": "exchange", "id": id, "at": time.time(), "why": why} for id in ids]
    if stones:
        connection.execute(tombstone.insert(), stones)
    return delete(connection, ids)


def count(connection: sa.Connection) -> int:
    """How many are kept."""
    return int(connection.execute(sa.select(sa.func.count()).select_from(exchange)).scalar_one())


def strings(value: Any) -> Iterator[str]:
    """All texts in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from strings(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from strings(part)


def _read(row: Any) -> KeptExchange:
    return KeptExchange(row.id, row.client, row.chat, row.model, row.at, row.value)
