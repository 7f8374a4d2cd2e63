"""One transaction, begun again when the database says that nothing of it was kept.

Two writers may stand in each other's way, and a server may restart under an open store. Both are waited out here, so
that whoever writes a steer sees neither. When a connection breaks during the commit, PostgreSQL is asked by the
transaction's number whether it was kept: nothing is lost, and nothing is written twice. It knows no table.
"""

import logging
import random
import time
from collections.abc import Callable
from typing import TypeVar

import sqlalchemy as sa

from midcourse.errors import StoreError
from midcourse.store import dialects

__all__ = ["read", "write"]

log = logging.getLogger(__name__)
T = TypeVar("T")
FASTER = 5
"""Times that a record which another writer was faster with is tried anew: the second look finds it."""


def write(
    engine: sa.Engine,
    work: Callable[[sa.Connection], T],
    *,
    patience: float,
    first: Callable[[sa.Connection], None] = lambda _: None,
) -> T:
    """Do `work` in one transaction and commit it; begin anew as long as that is safe and `patience` lasts.

    Args:
        engine: Of the store.
        work: Must be content to run again after a failure: all that it wrote to the database is gone then.
        patience: Seconds to go on trying while the server is away.
        first: Called inside each transaction before the work, once others can no longer change the tables.

    Raises:
        sqlalchemy.exc.DBAPIError: What could not be waited out; nothing was kept.
        StoreError: The server went away during the commit and did not come back in time to say whether it was kept.
    """
    return _again(lambda: _write_once(engine, work, patience, first), patience)


def read(engine: sa.Engine, work: Callable[[sa.Connection], T], *, patience: float) -> T:
    """Do reading `work` on one connection; begin anew when the server went away."""

    def once() -> T:
        with engine.connect() as connection:
            return work(connection)

    return _again(once, patience)


def _write_once(
    engine: sa.Engine, work: Callable[[sa.Connection], T], patience: float, first: Callable[[sa.Connection], None]
) -> T:
    with engine.execution_options(write=True).connect() as connection:
        transaction = connection.begin()
        dialects.share_schema(connection)
        first(connection)
        number = dialects.number_of(connection)
        done = work(connection)
        try:
            transaction.commit()
        except sa.exc.DBAPIError as error:
            if number is None or not dialects.away(error):
                raise
            if not _was_kept(engine, number, patience, error):
                raise
        return done


def _again(once: Callable[[], T], patience: float) -> T:
    until, told, faster = time.monotonic() + patience, False, 0
    wait = 0.02
    while True:
        try:
            return once()
        except sa.exc.DBAPIError as error:
            gone = dialects.away(error)
            if gone and time.monotonic() < until:
                if not told:
                    log.warning("the database does not answer; trying for %.0f seconds", patience)
                    told = True
            elif dialects.collided(error) and faster < FASTER:
                faster += 1
            else:
                raise
        time.sleep(wait * random.uniform(0.5, 1.5))
        wait = min(2 * wait, 0.5)


def _was_kept(engine: sa.Engine, number: str, patience: float, lost: sa.exc.DBAPIError) -> bool:
    """What became of a transaction whose connection broke during its commit."""

    def ask(connection: sa.Connection) -> str | None:
        return dialects.fate(connection, number)

    until = time.monotonic() + patience
    while True:
        try:
            found = read(engine, ask, patience=patience)
        except sa.exc.DBAPIError:
            break
        if found != "in progress":
            return found == "committed"
        if time.monotonic() > until:
            break
        time.sleep(0.05)
    raise StoreError(
        f"{dialects.where(engine.url)} went away at the very moment of writing and did not come back within "
        f"{patience:.0f} seconds: look whether the last step is there before you do it again"
    ) from lost
