"""The one place that knows how SQLite and PostgreSQL differ, and how their errors read to a person.

Everything else in the store is SQLAlchemy Core. It knows no table.
"""

import hashlib
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from midcourse.errors import InputError, MissingExtra, StoreError

__all__ = [
    "away",
    "backup",
    "clear_errors",
    "collided",
    "connect",
    "damage",
    "insert_new",
    "lone",
    "number_on",
    "read_url",
    "schema_lock",
    "share_schema",
    "take_turns",
    "unhurried",
    "vacuum",
    "where",
]


CACHE = 64 * 1024
"""Kilobytes of pages that SQLite keeps, so that what one transaction touches is written once."""
LOG_PAGES = 16_384
"""Pages (of 4 KB) that SQLite's log may hold before they are copied into the file. Ids are hashes, so that a large
store changes other pages in every transaction, and most of them again in the next: the longer the log, the fewer
copies."""
SERVER = {
    "pool_size": "5",
    "max_overflow": "10",
    "statement_timeout": "60s",
    "lock_timeout": "",
    "idle_timeout": "5min",
}
"""What a PostgreSQL URL may set after its `?`: connections that are kept, and opened beyond them for a moment; how long
a statement may take; how long it waits for another writer (by default the store's patience); after how long the server
rolls back for somebody who went silent in the middle of a transaction."""
_LIBPQ = {
    "connect_timeout": "10",
    "application_name": "midcourse",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
"""Of the connection itself, under libpq's names; without them a cable that was pulled is noticed after hours."""
_SCHEMA = 6841117
"""Number of the lock on the layout: shared by all who write, alone by whoever changes it."""


def read_url(url: str | Path | None) -> sa.URL:
    """The database that is meant: a URL, a path, or by default `MIDCOURSE_STORE`, else ./midcourse.db."""
    given = url if url is not None else os.environ.get("MIDCOURSE_STORE") or "midcourse.db"
    if isinstance(given, Path) or "://" not in given:
        return sa.URL.create("sqlite", database=str(given))
    try:
        parsed = sa.make_url(given)
    except sa.exc.ArgumentError as error:
        raise InputError(f"{given!r} is neither a path nor a database URL such as postgresql://host/name") from error
    name = parsed.get_backend_name()
    if name == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    if name != "sqlite":
        raise InputError(f"a store lives in SQLite or PostgreSQL, not in {name}: {where(parsed)}")
    return parsed


def where(url: sa.URL) -> str:
    """The store's name in messages: the path of a file, or the URL without its password."""
    return url.database or "memory" if url.get_backend_name() == "sqlite" else url.render_as_string(hide_password=True)


def connect(url: sa.URL, patience: float) -> sa.Engine:
    """An engine whose transactions hold: WAL, full sync, foreign keys, and write locks taken at the beginning.

    Args:
        url: As from `read_url`.
        patience: Seconds to wait for another writer.
    """
    if url.get_backend_name() == "postgresql":
        return _connect_server(url, patience)
    engine = sa.create_engine(url, connect_args={"timeout": patience})
    sa.event.listen(engine, "connect", _on_connect)
    sa.event.listen(engine, "begin", _on_begin)
    return engine


def _connect_server(url: sa.URL, patience: float) -> sa.Engine:
    given = {k: str(url.query.get(k) or v) for k, v in SERVER.items()}
    libpq = {k: v for k, v in _LIBPQ.items() if k not in url.query}
    try:
        engine = sa.create_engine(
            url.difference_update_query(SERVER),
            pool_pre_ping=True,
            pool_use_lifo=True,  # what a quiet hour does not need may close
            pool_timeout=max(patience, 0.1),
            pool_size=int(given["pool_size"]),
            max_overflow=int(given["max_overflow"]),
            connect_args=libpq,
        )
    except ModuleNotFoundError as error:
        raise MissingExtra.of("postgres", "A store on PostgreSQL") from error
    except ValueError as error:
        raise InputError(f"pool_size and max_overflow are whole numbers in {where(url)}") from error
    locks = given["lock_timeout"] or f"{max(1, round(patience * 1000))}ms"

    def set_up(raw: Any, _: Any) -> None:
        with raw.cursor() as cursor:
            for name, value in (
                ("statement_timeout", given["statement_timeout"]),
                ("lock_timeout", locks),
                ("idle_in_transaction_session_timeout", given["idle_timeout"]),
            ):
                cursor.execute("SELECT set_config(%s, %s, false)", (name, value))
            # A server may be set to answer before its disk has it; a steer that was acknowledged is on disk.
            cursor.execute(
                "SELECT set_config('synchronous_commit', 'on', false) "
                "WHERE current_setting('synchronous_commit') = 'off'"
            )
        raw.commit()

    sa.event.listen(engine, "connect", set_up)
    return engine


def _on_connect(raw: Any, _: Any) -> None:
    raw.isolation_level = None  # transactions begin in _on_begin, not when the driver thinks fit
    cursor = raw.cursor()
    try:
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA secure_delete=ON")  # what a purge deletes is overwritten, not only let go
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute(f"PRAGMA cache_size=-{CACHE}")
        cursor.execute(f"PRAGMA wal_autocheckpoint={LOG_PAGES}")
    finally:
        cursor.close()


def _on_begin(connection: sa.Connection) -> None:
    # A reader that turns writer in WAL mode fails at once instead of waiting, so writers say so at the beginning.
    write = connection.get_execution_options().get("write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def insert_new(connection: sa.Connection, table: sa.Table) -> Any:
    """An INSERT that passes over rows whose unique key is there already."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    return dialect.insert(table).on_conflict_do_nothing()


def schema_lock(connection: sa.Connection) -> None:
    """Let one connection at a time create or change tables, until its transaction ends; whoever writes has finished."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_SCHEMA})")


def share_schema(connection: sa.Connection) -> None:
    """Wait until nobody changes the tables, and keep it so until the transaction ends. SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock_shared({_SCHEMA})")


def take_turns(connection: sa.Connection, names: Iterable[str]) -> None:
    """One writer at a time for each of these trajectories or reviews, until the transaction ends.

    What is decided by looking first (is this side there already? who was faster?) would else be decided twice on
    PostgreSQL. Always taken in one order, so that two never wait for each other.
    """
    if connection.dialect.name == "postgresql":
        keys = sorted(
            {
                int.from_bytes(hashlib.sha256(n.encode("utf-8", "surrogatepass")).digest()[:8], signed=True)
                for n in names
            }
        )
        for part in (keys[i : i + 1000] for i in range(0, len(keys), 1000)):
            connection.execute(
                sa.text("SELECT pg_advisory_xact_lock(k) FROM unnest(CAST(:keys AS bigint[])) AS k"), {"keys": part}
            )


def unhurried(connection: sa.Connection) -> None:
    """Let this transaction take what it takes: a check, a copy, a purge or a migration reads a whole store."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")


def away(error: sa.exc.DBAPIError) -> bool:
    """Whether a server was not there, or went away: what was not committed is not kept."""
    if isinstance(error.orig, sqlite3.Error):
        return False
    state = getattr(error.orig, "sqlstate", None) or ""
    if state:
        return state.startswith(("08", "57P01", "57P02", "57P03"))
    return error.connection_invalidated or any(words in str(error.orig) for words in _AWAY)


def collided(error: sa.exc.DBAPIError) -> bool:
    """Whether another writer was in the way, so that a second try may well succeed."""
    return getattr(error.orig, "sqlstate", None) in ("40001", "40P01", "23505")


def number_on(connection: sa.Connection, table: sa.Table) -> None:
    """After rows came in with their own `seq`: the next one goes on after the last, as in SQLite by itself."""
    if connection.dialect.name == "postgresql" and "seq" in table.c:
        last = connection.execute(sa.select(sa.func.max(table.c.seq))).scalar_one()
        if last is not None:
            sequence = sa.func.pg_get_serial_sequence(f'"{table.name}"', "seq")
            connection.execute(sa.select(sa.func.setval(sequence, last)))


def damage(connection: sa.Connection) -> list[str]:
    """What the database itself finds wrong with its file; PostgreSQL guards its own pages and keys."""
    if connection.dialect.name != "sqlite":
        return []
    found = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA integrity_check")]
    broken = [tuple(row) for row in connection.exec_driver_sql("PRAGMA foreign_key_check")]
    return [f"the database reports: {line}" for line in found if line != "ok"] + [
        f"row {row[1]} of table {row[0]} refers to a row of {row[2]} that is not there" for row in broken
    ]


def vacuum(engine: sa.Engine, tables: Sequence[str]) -> None:
    """Write the database anew without what was deleted, and empty its log; takes as much room again meanwhile."""
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for table in tables:
                connection.exec_driver_sql(f'VACUUM FULL "{table}"')
        return
    raw = engine.raw_connection()
    try:
        for statement in ("VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"):
            raw.cursor().execute(statement).fetchall()
    finally:
        raw.close()


def lone(url: sa.URL) -> bool:
    """Whether no other process has a local SQLite store open (in WAL mode every open connection holds a lock)."""
    if url.get_backend_name() != "sqlite" or not url.database:
        return False
    raw = sqlite3.connect(url.database, timeout=0, isolation_level=None)
    try:
        raw.execute("PRAGMA locking_mode=EXCLUSIVE")
        raw.execute("BEGIN EXCLUSIVE")
        raw.execute("ROLLBACK")
    except sqlite3.OperationalError:
        return False
    finally:
        raw.close()
    return True


def backup(url: sa.URL, suffix: str) -> Path:
    """Copy a SQLite store beside itself, under a name that was free."""
    path = Path(str(url.database))
    target = path.with_name(f"{path.name}.{suffix}")
    number = 1
    while target.exists():
        number += 1
        target = path.with_name(f"{path.name}.{suffix}.{number}")
    raw = sqlite3.connect(str(path))
    try:
        raw.execute("VACUUM INTO ?", (str(target),))
    finally:
        raw.close()
    return target


_AWAY = (
    "Connection refused",
    "connection refused",
    "server closed the connection",
    "terminating connection",
    "connection is closed",
    "the connection is lost",
    "starting up",
    "shutting down",
    "not yet accepting connections",
    "in recovery mode",
    "could not receive data",
    "could not send data",
    "Connection timed out",
    "connection timeout expired",
    "timeout expired",
    "No route to host",
    "Network is unreachable",
    "could not translate host name",
    "failed to resolve host",
    "Name or service not known",
    "no connection to the server",
    "consuming input failed",
    "sending query failed",
)
"""How libpq and the server say that nobody is there."""


@contextmanager
def clear_errors(url: sa.URL) -> Iterator[None]:
    """Turn what the driver raises into one sentence.

    Raises:
        StoreError: Instead of any database error inside.
    """
    try:
        yield
    except sa.exc.DBAPIError as error:
        raise StoreError(_sentence(str(error.orig), url)) from error
    except sqlite3.Error as error:
        raise StoreError(_sentence(str(error), url)) from error
    except sa.exc.TimeoutError as error:
        raise StoreError(
            f"all connections of this process to {where(url)} are in use: try again, or allow more with ?pool_size=20 "
            "at the end of the URL"
        ) from error


def _sentence(said: str, url: sa.URL) -> str:
    name = where(url)
    away = f"{name} does not answer: nothing of this step was kept; see that the server runs and try again"
    known = {
        "password authentication": f"{name} refuses the password: give the right one in PGPASSWORD or ~/.pgpass",
        "no password supplied": f"{name} asks for a password: give one in PGPASSWORD or in ~/.pgpass",
        "too many clients": f"{name} has no connection left: close some, or raise max_connections on the server",
        "remaining connection slots": f"{name} has no connection left: close some, or raise max_connections there",
        "statement timeout": f"{name} took longer than allowed for one statement: nothing of this step was kept; see "
        "what else it does, or allow more with ?statement_timeout=5min at the end of the URL",
        "lock timeout": f"{name} is locked by another process that writes to it or migrates it: nothing of this step "
        "was kept; wait until that has finished and try again",
        "read-only transaction": f"{name} is a standby or read-only: name the server that takes writes with --store",
        "permission denied": f"no permission for this in {name}: its owner grants it, see docs/team.md",
        **dict.fromkeys(_AWAY, away),
        "file is not a database": f"{name} is not a Midcourse store (not a database): name another file with --store",
        "malformed": f"{name} is damaged; restore a backup, or save what is readable with `sqlite3 {name} .recover`",
        "disk is full": f"the disk is full: nothing of this step was written to {name}; make room and run it again",
        "No space left": f"the disk is full: nothing of this step was written to {name}; make room and run it again",
        "locked": f"{name} is locked by another process that writes to it: wait until that has finished and try again",
        "readonly": f"no permission to write to {name}: change its permissions or name another file with --store",
        "unable to open": f"{name} cannot be opened: check that its folder exists and that you may write there",
        "FOREIGN KEY": f"this refers to a node, steer or trajectory that {name} does not hold",
        "foreign key": f"this refers to a node, steer or trajectory that {name} does not hold",
        "UNIQUE": f"{name} holds a record of this id already",
        "unique": f"{name} holds a record of this id already",
    }
    for words, sentence in known.items():
        if words in said:
            return sentence
    return f"{name} could not be used: {' '.join(said.split())}"
