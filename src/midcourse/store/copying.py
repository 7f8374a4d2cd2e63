"""A whole store to another place, exactly: every record in its order, from one moment of the source.

It is how a store moves between SQLite and PostgreSQL, and how it is backed up. Rows go as they are; nothing is derived
from them, so what was damaged stays as damaged as it was. It knows no table by name but the empty ones it insists on.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import sqlalchemy as sa

from midcourse.errors import StoreError
from midcourse.store import dialects
from midcourse.store.consents import SECRET
from midcourse.store.schema import meta, metadata, tombstone, trajectory

__all__ = ["copy_tables", "count_rows", "one_moment"]

ROWS = 2_000
"""Rows held at a time."""


def copy_tables(
    source: sa.Connection,
    target: sa.Connection,
    *,
    also: Sequence[sa.MetaData] = (),
    done: Callable[[int], None] = lambda _: None,
) -> dict[str, int]:
    """Copy all records into an empty store, in the transaction of `target`.

    Args:
        source: In a transaction that sees one moment, see `one_moment`.
        target: With today's tables.
        also: Tables that others keep in the same database; made where the source has them.
        done: Called with numbers of rows as they go.

    Returns:
        Rows by table.

    Raises:
        StoreError: The target holds something, or the database did not take every row.
    """
    for table in (trajectory, tombstone):
        if target.execute(sa.select(sa.func.count()).select_from(table)).scalar_one():
            raise StoreError(
                f"{dialects.where(target.engine.url)} holds something already, and a copy would mix the two: name a "
                "store that is not there yet"
            )
    copied = {}
    for table in _tables(source, also):
        table.create(target, checkfirst=True)
        for rows in _rows(source, table):
            target.execute(table.insert(), rows)
            done(len(rows))
        dialects.number_on(target, table)
        copied[table.name], there = (_count(c, table) for c in (source, target))
        if copied[table.name] != there:
            raise StoreError(f"of {copied[table.name]} rows of table {table.name} {there} arrived; nothing was kept")
    _copy_secret(source, target)
    return copied


def count_rows(source: sa.Connection, also: Sequence[sa.MetaData] = ()) -> int:
    """How many rows `copy_tables` will copy."""
    return sum(_count(source, table) for table in _tables(source, also))


@contextmanager
def one_moment(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A connection to which the database does not change while others go on writing to it."""
    steady = {} if engine.dialect.name == "sqlite" else {"isolation_level": "REPEATABLE READ"}
    with engine.connect().execution_options(**steady) as connection, connection.begin():
        yield connection


def _tables(source: sa.Connection, also: Sequence[sa.MetaData]) -> list[sa.Table]:
    """Those that the source has, whoever is referred to first; what a store says of itself is written anew."""
    there = set(sa.inspect(source).get_table_names())
    every = [table for tables in (metadata, *also) for table in tables.sorted_tables]
    return [table for table in every if table is not meta and table.name in there]


def _copy_secret(source: sa.Connection, target: sa.Connection) -> None:
    """Clients are known by what the secret made of their keys: under another one, consents would be nobody's."""
    of_secret = meta.c.key == SECRET
    target.execute(meta.delete().where(of_secret))
    for row in source.execute(sa.select(meta).where(of_secret)).mappings():
        target.execute(meta.insert(), [dict(row)])


def _rows(source: sa.Connection, table: sa.Table) -> Iterator[list[dict[str, object]]]:
    query = sa.select(table).order_by(*table.primary_key.columns)
    found = source.execution_options(yield_per=ROWS).execute(query).mappings()
    for part in found.partitions():
        yield [dict(row) for row in part]


def _count(connection: sa.Connection, table: sa.Table) -> int:
    return connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
