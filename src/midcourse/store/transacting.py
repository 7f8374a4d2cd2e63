"""One transaction, begun again when the database says that nothing of it was kept.

Two writers may stand in each other's way, and a server may restart under an open store. Both are waited out here, so
that whoever writes a steer sees neither. When a connection breaks during the commit, nobody can tell from outside
whether it was kept; so on PostgreSQL every transaction signs in a row of its connection, and the row is asked: nothing
is lost, and nothing is written twice. (The server's own numbers do not say it: one that crashed gives the number of a
transaction it lost to the next.) It knows no other table.
"""

import datetime
import logging
import random
import time
import uuid
from collections.abc import Callable
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from midcourse.errors import StoreError
from midcourse.store import dialects

__all__ = ["last_commit", "prepare", "read", "write"]

log = logging.getLogger(__name__)
T = TypeVar("T")
FASTER = 5
"""Times that a record which another writer was faster with is tried anew: the second look finds it."""
STALE = datetime.timedelta(days=1)
"""After it a signature is of no use to anybody."""

last_commit = sa.Table(
    "last_commit",
    sa.MetaData(),  # apart from what a store holds, so that no copy takes it along
    sa.Column("session", sa.String, primary_key=True),
    sa.Column("signature", sa.String, nullable=False),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    comment="the last transaction that each open connection committed; on PostgreSQL only",
)


def prepare(connection: sa.Connection) -> None:
    """Make what `write` needs in a new or migrated store."""
    if connection.dialect.name == "postgresql":
        last_commit.create(connection, checkfirst=True)


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
        signed = _sign(connection)
        done = work(connection)
        try:
            transaction.commit()
        except sa.exc.DBAPIError as error:
            if signed is None or not dialects.away(error):
                raise
            if not _was_kept(engine, *signed, patience, error):
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


def _sign(connection: sa.Connection) -> tuple[str, str] | None:
    """Name this transaction in its connection's row: session and signature."""
    if connection.dialect.name != "postgresql":
        return None
    if "session" not in connection.info:
        connection.info["session"] = uuid.uuid4().hex
        old = sa.select(last_commit.c.session).where(last_commit.c.at < sa.func.now() - STALE)
        connection.execute(last_commit.delete().where(last_commit.c.session.in_(old.with_for_update(skip_locked=True))))
    session, signature = str(connection.info["session"]), uuid.uuid4().hex
    row = postgresql.insert(last_commit).values(session=session, signature=signature, at=sa.func.now())
    connection.execute(
        row.on_conflict_do_update(index_elements=["session"], set_={"signature": signature, "at": sa.func.now()})
    )
    return session, signature


def _was_kept(engine: sa.Engine, session: str, signature: str, patience: float, lost: sa.exc.DBAPIError) -> bool:
    """What became of a transaction whose connection broke during its commit; waits while the server is still at it."""

    def ask(connection: sa.Connection) -> bool:
        # Reading alone would not wait for a commit that is under way. Nothing of this is committed.
        row = postgresql.insert(last_commit).values(session=session, signature="", at=sa.func.now())
        row = row.on_conflict_do_update(index_elements=["session"], set_={"session": session})
        return bool(connection.execute(row.returning(last_commit.c.signature)).scalar_one() == signature)

    try:
        return read(engine, ask, patience=patience)
    except sa.exc.DBAPIError:
        raise StoreError(
            f"{dialects.where(engine.url)} went away at the very moment of writing and did not come back within "
            f"{patience:.0f} seconds: look whether the last step is there before you do it again"
        ) from lost
