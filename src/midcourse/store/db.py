"""The store: trajectories with their steers, on disk, append-only like git.

A call that returns has committed, with a full sync. Nothing is overwritten: a new head, an undo or a review is a new
record. It knows no tokenizer and no text; token ids go in and come out exactly.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar

import sqlalchemy as sa

from midcourse.errors import InputError, StoreError
from midcourse.store import checks, copying, dialects, migrations, purge, reading, schema, transacting, writing
from midcourse.types import Node, Place, Rejected, State, Status, Steer, Trajectory

__all__ = ["Store"]

T = TypeVar("T")

BATCH_TOKENS = 250_000
"""Tokens after which a transaction of `add_many` ends. Ids are hashes, so that each new row touches another page of an
index: the more rows share a transaction, the fewer pages are written twice. More tokens would only take memory."""


class Store:
    """Trajectories and steers in SQLite (a path) or PostgreSQL (a URL).

    Args:
        url: A path or an SQLAlchemy URL. None: `MIDCOURSE_STORE`, else ./midcourse.db.
        create: Make the store if there is none. With False a missing one is an error.
        patience: Seconds to wait while another process writes, or until a server that went away is back.

    Raises:
        StoreError: It cannot be opened, is something else, or has a newer schema.
        InputError: The URL cannot be read.
    """

    def __init__(self, url: str | Path | None = None, *, create: bool = True, patience: float = 10.0) -> None:
        self.url = dialects.read_url(url)
        """Where it is."""
        self.name = dialects.where(self.url)
        """Its path or URL for messages, without a password."""
        path = Path(self.url.database or "") if self.url.get_backend_name() == "sqlite" else None
        if path is not None and str(path) not in (".", ":memory:"):
            if path.is_dir():
                raise StoreError(f"{path} is a folder: name a file in it with --store, e.g. {path / 'midcourse.db'}")
            if not create and not path.exists():
                raise StoreError(
                    f"there is no store at {path}: `midcourse import steers FILE` makes one, --store names another"
                )
        self._patience = patience
        self._engine = dialects.connect(self.url, patience)
        try:
            with dialects.clear_errors(self.url):
                migrations.prepare(self._engine, create=create)
        except BaseException:
            self._engine.dispose()
            raise

    # -- writing -----------------------------------------------------------------------------------------------------

    def add(self, trajectory: Trajectory) -> bool:
        """Store a whole trajectory in one transaction; of a known one, whatever is new.

        Returns:
            False when all of it was there already.

        Raises:
            InputError: It contradicts itself; nothing is stored.
            TokenizerMismatch: Its nodes or its stored namesake were made with another tokenizer.
        """
        return self.write(lambda connection: writing.add_batch(connection, [trajectory])) > 0

    def add_many(self, trajectories: Iterable[Trajectory], *, batch: int = 500) -> int:
        """Store trajectories as they come, at most `batch` or about BATCH_TOKENS tokens to a transaction.

        When the stream breaks off with an error, what had come before it is stored.

        Returns:
            How many brought something new.
        """
        added, tokens = 0, 0
        part: list[Trajectory] = []

        def flush() -> int:
            full = part.copy()
            part.clear()
            return self.write(lambda connection: writing.add_batch(connection, full))

        try:
            for trajectory in trajectories:
                part.append(trajectory)
                tokens += sum(len(node.token_ids) for node in trajectory.nodes)
                if len(part) >= batch or tokens >= BATCH_TOKENS:
                    tokens = 0
                    added += flush()
        finally:
            if part:
                added += flush()
        return added

    def append_nodes(self, trajectory: str, nodes: Sequence[Node], head: Place | None = None) -> None:
        """Store nodes of a known trajectory. One it uses already is passed over; its first author stays.

        Args:
            trajectory: Its id.
            nodes: Parents before children.
            head: Where the text, open, ends now.
        """

        def work(connection: sa.Connection) -> None:
            writing.add_nodes(connection, trajectory, nodes)
            if head is not None:
                writing.put_head(connection, trajectory, head, "open")

        self.write(work)

    def append_steer(self, steer: Steer, nodes: Sequence[Node] = (), head: Place | None = None) -> None:
        """Store a steer, the nodes that came with it and the head it leads to: all or nothing.

        Raises:
            InputError: Its trajectory or a node it points at is unknown, or its id is taken.
        """

        def work(connection: sa.Connection) -> None:
            writing.add_steer(connection, steer, nodes)
            if head is not None:
                writing.put_head(connection, steer.trajectory, head, "open")

        self.write(work)

    def append_rejected(self, steer: str, rejected: Sequence[Rejected], nodes: Sequence[Node] = ()) -> None:
        """Store further rejected continuations of a steer; ends that are there already are passed over."""
        self.write(lambda connection: writing.add_rejected(connection, steer, rejected, nodes))

    def set_head(self, trajectory: str, head: Place, status: Status) -> None:
        """Record where the trunk ends now; the newest record counts."""
        self.write(lambda connection: writing.put_head(connection, trajectory, head, status))

    def set_state(self, steer: str, state: State, by: str | None = None, head: Place | None = None) -> None:
        """Record an undo, a withdrawal or a review; the newest record counts. An undo leads back to `head`."""

        def work(connection: sa.Connection) -> None:
            of = writing.put_state(connection, steer, state, by)
            if head is not None:
                writing.put_head(connection, of, head, "open")

        self.write(work)

    # -- reading -----------------------------------------------------------------------------------------------------

    def trajectories(
        self, *, source: str | None = None, split: str | None = None, ids: Sequence[str] | None = None
    ) -> Iterator[Trajectory]:
        """Stream trajectories in the order stored: nodes parents first, steers in the order made.

        What is stored after it has begun does not come.

        Raises:
            InputError: One of `ids` is unknown.
        """
        every = (
            reading.pages(self.read, source=source, split=split) if ids is None else [self._known(source, split, ids)]
        )
        for found in every:
            for part in reading.chunks(found, reading.BATCH):
                yield from self.read(partial(reading.load, ids=part))

    def _known(self, source: str | None, split: str | None, ids: Sequence[str]) -> list[str]:
        found = self.read(lambda c: reading.select_ids(c, source=source, split=split, ids=ids))
        if source is None and split is None and (unknown := set(ids) - set(found)):
            raise InputError(f"{self.name} has no trajectory {min(unknown)!r}")
        return found

    def ids(self, *, source: str | None = None) -> list[str]:
        """Ids of trajectories in the order stored, without reading anything else of them."""
        return self.read(lambda c: reading.select_ids(c, source=source, split=None, ids=None))

    def trajectory(self, id: str) -> Trajectory:
        """One trajectory by its id or a prefix that no other id has.

        Raises:
            InputError: There is none, or there are several.
        """
        return self.read(lambda c: reading.load(c, [reading.resolve_id(c, schema.trajectory, id)]))[0]

    def find_steer(self, id: str) -> tuple[Trajectory, Steer]:
        """One steer, with its trajectory, by its id or a prefix that no other id has.

        Raises:
            InputError: There is none, or there are several.
        """

        def work(connection: sa.Connection) -> tuple[Trajectory, Steer]:
            full = reading.resolve_id(connection, schema.steer, id)
            query = sa.select(schema.steer.c.trajectory).where(schema.steer.c.id == full)
            found = reading.load(connection, [connection.execute(query).scalar_one()])[0]
            return found, next(s for s in found.steers if s.id == full)

        return self.read(work)

    def stats(self) -> dict[str, Any]:
        """What there is, in numbers: see `reading.count`."""
        return self.read(reading.count, long=True)

    def verify(self) -> list[str]:
        """Derive every hash again and walk every place: sentences about what is wrong, none when all is sound."""
        return self.read(lambda connection: list(checks.verify(connection)), long=True)

    # -- beside the steers -------------------------------------------------------------------------------------------

    def transaction(self) -> AbstractContextManager[sa.Connection]:
        """A write transaction for records that others keep in the same database; commits at the end, or nothing.

        Nothing of it is tried again; see `write`.
        """
        return self._write()

    def write(self, work: Callable[[sa.Connection], T], *, long: bool = False) -> T:
        """Do something in a write transaction and commit it; see `transacting.write` for what is waited out.

        Args:
            work: Writes through the connection it is given; may be called again when nothing of it was kept.
            long: It may take longer than a statement usually may.

        Raises:
            StoreError: It could not be kept, or the store was brought to a newer layout meanwhile.
        """

        def first(connection: sa.Connection) -> None:
            migrations.check(connection)
            if long:
                dialects.unhurried(connection)

        with dialects.clear_errors(self.url):
            return transacting.write(self._engine, work, patience=self._patience, first=first)

    def read(self, work: Callable[[sa.Connection], T], *, long: bool = False) -> T:
        """Read something; begun anew when the server went away."""

        def reading(connection: sa.Connection) -> T:
            if long:
                dialects.unhurried(connection)
            return work(connection)

        with dialects.clear_errors(self.url):
            return transacting.read(self._engine, reading, patience=self._patience)

    def snapshot(self) -> AbstractContextManager[sa.Connection]:
        """A connection to read such records."""
        return self._read()

    # -- to another place --------------------------------------------------------------------------------------------

    def copy_to(
        self,
        target: "Store",
        *,
        also: Sequence[sa.MetaData] = (),
        begun: Callable[[int], Callable[[int], None]] = lambda _: lambda _: None,
    ) -> dict[str, int]:
        """Copy everything, as it is at this moment, into an empty store: all or nothing.

        Args:
            target: On whatever database.
            also: Tables that others keep in this database, see `copying.copy_tables`.
            begun: Called with the number of rows; what it returns is called with the numbers done.

        Returns:
            Rows by table.

        Raises:
            StoreError: The target holds something already.
        """
        with dialects.clear_errors(self.url), copying.one_moment(self._engine) as source, target._write() as connection:
            for either in (source, connection):
                dialects.unhurried(either)
            return copying.copy_tables(source, connection, also=also, done=begun(copying.count_rows(source, also)))

    # -- what leaves -------------------------------------------------------------------------------------------------

    def find(self, *, authors: Sequence[str] = (), since: float | None = None, until: float | None = None) -> list[str]:
        """Ids of trajectories by whose hand was in them and when they were made: see `purge.find`."""
        return self.read(lambda c: purge.find(c, authors=authors, since=since, until=until), long=True)

    def purge(
        self,
        ids: Sequence[str],
        *,
        authors: Sequence[str] = (),
        why: str | None = None,
        also: Callable[[sa.Connection], None] | None = None,
    ) -> purge.Purged:
        """Delete trajectories for good and write the database anew; backups, exports and adapters are not touched.

        Args:
            ids: Trajectories.
            authors: Names that are also taken from reviews of what stays.
            why: Kept with the tombstones.
            also: Deletes, in the same transaction, what others keep of them in this database.
        """

        def work(connection: sa.Connection) -> purge.Purged:
            done = purge.purge(connection, ids, why)
            if authors:
                purge.forget(connection, authors)
            if also is not None:
                also(connection)
            return done

        done = self.write(work, long=True)
        with dialects.clear_errors(self.url):
            dialects.vacuum(self._engine, list(schema.metadata.tables))
        return done

    def record_handed_out(self, kind: str, where: str | Path, trajectories: Sequence[str]) -> None:
        """Keep that an `export` or an `adapter` was made of these trajectories, so that a purge can name it."""
        self.write(lambda connection: purge.record(connection, kind, str(where), trajectories))

    def record_copy(self, adapter: str | Path, where: str | Path) -> bool:
        """Keep that a published `copy` was made of an adapter on record; False where it is on none."""

        def work(connection: sa.Connection) -> bool:
            made = purge.made_of(connection, str(adapter))
            if made is not None:
                purge.record(connection, "copy", str(where), made)
            return made is not None

        return self.write(work)

    # -- life --------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _write(self) -> Iterator[sa.Connection]:
        with dialects.clear_errors(self.url), self._engine.execution_options(write=True).begin() as connection:
            dialects.share_schema(connection)
            migrations.check(connection)
            yield connection

    @contextmanager
    def _read(self) -> Iterator[sa.Connection]:
        with dialects.clear_errors(self.url), self._engine.connect() as connection:
            yield connection
