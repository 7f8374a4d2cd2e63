"""From an older layout to today's, one step at a time and with a copy of the store made first.

A newer layout than ours is refused with the release to install. It knows no steer.
"""

import logging
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa

from midcourse.errors import StoreError
from midcourse.store import dialects, transacting
from midcourse.store.schema import (
    BY_NODE,
    SINCE,
    VERSION,
    consent,
    exchange,
    handed_out,
    meta,
    metadata,
    rejected,
    review,
    review_state,
    tombstone,
)

__all__ = ["STEPS", "check", "migrate", "prepare"]

log = logging.getLogger(__name__)
PATIENCE = 60.0
"""Seconds for which a migration waits until whoever writes has finished; new writers queue behind it."""


def _say_what_is_taught(connection: sa.Connection) -> None:
    """Until version 2 every trajectory held steers."""
    connection.exec_driver_sql("ALTER TABLE trajectory ADD COLUMN teaches VARCHAR NOT NULL DEFAULT 'steers'")


def _remember_what_left(connection: sa.Connection) -> None:
    """Until version 3 nothing could be purged, and nobody kept what was made of a store."""
    metadata.create_all(connection, tables=[tombstone, handed_out])


def _listen_to_others(connection: sa.Connection) -> None:
    """Until version 4 nothing was kept of what passes between other programs and a model server."""
    metadata.create_all(connection, tables=[consent, exchange, review, review_state])


def _find_what_refers(connection: sa.Connection) -> None:
    """Until version 5 whole tables were read for every node that was purged, and `rejected` for every few texts; and a
    server's own numbers were trusted to say whether a transaction was kept."""
    transacting.prepare(connection)
    for index in (*rejected.indexes, *BY_NODE):
        index.create(connection, checkfirst=True)


STEPS: dict[int, Callable[[sa.Connection], None]] = {
    1: _say_what_is_taught,
    2: _remember_what_left,
    3: _listen_to_others,
    4: _find_what_refers,
}
"""By schema version: what leads from it to the next."""


def prepare(engine: sa.Engine, *, create: bool) -> None:
    """Make sure that the database holds today's layout: create it, migrate it, or say why not.

    A lone local SQLite store is migrated by itself; anything shared waits for `migrate`, which its owner calls.

    Raises:
        StoreError: It is something else, newer, or older and shared.
    """
    with engine.execution_options(write=create).begin() as connection:
        version = _version(connection)
        if version is None and create:
            dialects.schema_lock(connection)
            version = _version(connection)  # another process may have been faster
            if version is None:
                _create(connection, dialects.where(engine.url))
                return
    name = dialects.where(engine.url)
    if version is None:
        raise StoreError(f"{name} is not a Midcourse store: name another one with --store")
    if version < VERSION:
        engine.dispose()  # our own connection must not count as another user
        if not dialects.lone(engine.url):
            raise StoreError(
                f"{name} has the older schema {version} and is shared or open elsewhere: close it there, back it up, "
                "and run `midcourse store migrate`"
            )
        migrate_engine(engine)
    elif version > VERSION:
        with engine.connect() as connection:
            since = _read(connection).get("since", "of a newer version")
        raise StoreError(
            f"{name} has schema {version}, this Midcourse reads {VERSION}: pip install 'midcourse>={since}'"
        )


def check(connection: sa.Connection) -> None:
    """Whether a store that was opened long ago still has our layout; called in every writing transaction.

    Raises:
        StoreError: It was migrated meanwhile; nothing of this transaction is kept.
    """
    query = sa.select(meta.c.value).where(meta.c.key == "schema")
    version = connection.execute(query).scalar()
    if version != str(VERSION):
        since = connection.execute(sa.select(meta.c.value).where(meta.c.key == "since")).scalar()
        raise StoreError(
            f"{dialects.where(connection.engine.url)} was brought to schema {version} while it was open here: nothing "
            f"of this step was kept; pip install 'midcourse>={since}', start again and repeat it"
        )


def migrate(url: str | None) -> tuple[int, Path | None]:
    """Bring an older store to today's layout; of a SQLite file a copy is kept beside it.

    Returns:
        The version it had, and the copy (None where nothing was to do, or on PostgreSQL).
    """
    target = dialects.read_url(url)
    with dialects.clear_errors(target):
        engine = dialects.connect(target, PATIENCE)
        try:
            return migrate_engine(engine)
        finally:
            engine.dispose()


def migrate_engine(engine: sa.Engine) -> tuple[int, Path | None]:
    """Take every missing step in one transaction, after a backup where the store is a file; see `migrate`."""
    with engine.connect() as connection:
        version = _version(connection)
    if version is None:
        raise StoreError(f"{dialects.where(engine.url)} is not a Midcourse store: name another one with --store")
    if version >= VERSION:
        return version, None
    had, copy = version, None
    if engine.dialect.name == "sqlite":
        copy = dialects.backup(engine.url, f"schema{version}.bak")
        log.warning("migrating the store; a copy is kept at %s", copy)
    with engine.execution_options(write=True).begin() as connection:
        dialects.schema_lock(connection)
        dialects.unhurried(connection)
        version = _version(connection)
        version = VERSION if version is None else version
        for step in range(version, VERSION):
            if step not in STEPS:
                raise StoreError(f"{dialects.where(engine.url)} has schema {step}, which no release of Midcourse wrote")
            STEPS[step](connection)
        for key, value in (("schema", str(VERSION)), ("since", SINCE)):
            connection.execute(meta.update().where(meta.c.key == key).values(value=value))
    return had, copy


def _create(connection: sa.Connection, name: str) -> None:
    there = set(sa.inspect(connection).get_table_names())
    # A file belongs to one application; a PostgreSQL database may hold other tables beside ours.
    foreign = there if connection.dialect.name == "sqlite" else there & {*metadata.tables, transacting.last_commit.name}
    if foreign:
        raise StoreError(
            f"{name} is the database of something else (it has a table {min(foreign)!r}): name another one with --store"
        )
    metadata.create_all(connection)
    transacting.prepare(connection)
    rows = [("format", "midcourse"), ("schema", str(VERSION)), ("since", SINCE)]
    connection.execute(meta.insert(), [{"key": k, "value": v} for k, v in rows])


def _version(connection: sa.Connection) -> int | None:
    found = _read(connection)
    if found.get("format") != "midcourse" or not found.get("schema", "").isdigit():
        return None
    return int(found["schema"])


def _read(connection: sa.Connection) -> dict[str, str]:
    inspector = sa.inspect(connection)
    if not inspector.has_table("meta") or {c["name"] for c in inspector.get_columns("meta")} != {"key", "value"}:
        return {}
    return {row.key: row.value for row in connection.execute(sa.select(meta))}
