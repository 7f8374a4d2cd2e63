import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings

from midcourse.errors import StoreError
from midcourse.store import Store, consents, copying, exchanges, reviews, schema
from midcourse.store.exchanges import KeptExchange
from midcourse.store.reviews import Inbox, Review
from midcourse.types import Trajectory

from .server import Server
from .trees import small, trajectories

Place = Callable[[], str]


def _everything(store: Store) -> dict[str, list[tuple[object, ...]]]:
    with store.snapshot() as connection:
        tables = [t for t in schema.metadata.sorted_tables if t is not schema.meta]
        return {t.name: [tuple(r) for r in connection.execute(sa.select(t).order_by(t.c.seq))] for t in tables}


def _filled(url: str) -> Store:
    store = Store(url)
    store.add_many([small("a"), small("b", prompt=4, split="train"), small("gone", prompt=5)])
    store.set_state("a-0", "withdrawn", by="ann")
    store.record_handed_out("export", "x.jsonl", ["a"])
    store.purge(["gone"], why="asked for")
    with store.transaction() as connection:
        consents.allow(connection, "model", "m", allowed=False)
        consents.secret(connection)
        exchanges.put(connection, KeptExchange("1", "c1/u", None, "m", 1.5, {"text": "one \x00 \ud800"}))
        seen = Review("r", "c1", "m", 5.0, "changed", certain=True, why="NUL \x00 \\ 日本", proposal={"rows": []})
        reviews.put(connection, seen)
    Inbox(store).reject("r", by="me")
    return store


def _secret(store: Store) -> bytes:
    with store.transaction() as connection:
        return consents.secret(connection)


def test_a_copy_holds_every_record_in_its_order_and_goes_on(place: Place, tmp_path: Path) -> None:
    _copied_on(place(), place(), tmp_path / "third.db")


def test_a_laptops_store_goes_to_a_server_and_back(server: Server, tmp_path: Path) -> None:
    _copied_on(str(tmp_path / "first.db"), server.database(), tmp_path / "third.db")


def _copied_on(first: str, second: str, last: Path) -> None:
    with _filled(first) as source, Store(second) as target, Store(last) as third:
        rows = source.copy_to(target)
        assert rows["trajectory"] == 2
        assert rows["steer_state"] == 1
        assert all(rows.values()), "a row of every table"
        target.copy_to(third)  # back to SQLite, wherever it came from
        assert _everything(source) == _everything(target) == _everything(third)
        assert _secret(source) == _secret(target) == _secret(third)
        assert list(third.trajectories()) == list(source.trajectories())
        assert target.verify() == []
        assert not target.add(small("gone", prompt=5))
        assert target.add(small("new", prompt=8))  # a new row gets a number of its own
        assert [t.id for t in target.trajectories()] == ["a", "b", "new"]


@pytest.mark.long
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=trajectories())
def test_whatever_can_be_stored_arrives_as_it_was(made: Trajectory, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("copy")
    with Store(folder / "a.db") as source, Store(folder / "b.db") as target:
        source.add(made)
        source.copy_to(target)
        assert _everything(source) == _everything(target)


@pytest.mark.long
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=trajectories())
def test_and_through_a_server(made: Trajectory, server: Server, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("copy")
    with Store(folder / "a.db") as source, Store(server.database()) as target, Store(folder / "b.db") as third:
        source.add(made)
        source.copy_to(target)
        target.copy_to(third)
        assert _everything(source) == _everything(target) == _everything(third)
        assert list(third.trajectories()) == [made]


def test_a_store_that_holds_something_is_left_as_it_is(place: Place) -> None:
    with _filled(place()) as source, Store(place()) as target:
        target.add(small("mine", prompt=9))
        before = _everything(target)
        with pytest.raises(StoreError, match="holds something already"):
            source.copy_to(target)
        assert _everything(target) == before


def test_what_is_written_meanwhile_is_not_half_in_it(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "ROWS", 1)
    with _filled(place()) as source, Store(place()) as target:
        before = _everything(source)
        wrote = threading.Event()

        def begun(rows: int) -> Callable[[int], None]:
            assert rows == sum(map(len, before.values()))

            def write(_: int) -> None:
                if not wrote.is_set():
                    with Store(source.url.render_as_string(hide_password=False)) as other:
                        other.add(small("late", prompt=6))
                    wrote.set()

            return write

        source.copy_to(target, begun=begun)
        assert wrote.is_set()
        assert _everything(target) == before
        assert [t.id for t in source.trajectories()] == ["a", "b", "late"]


@pytest.mark.long
def test_a_copy_that_breaks_off_leaves_nothing(place: Place) -> None:
    def begun(_: int) -> Callable[[int], None]:
        def stop(_: int) -> None:
            raise KeyboardInterrupt

        return stop

    with _filled(place()) as source, Store(place()) as target:
        with pytest.raises(KeyboardInterrupt):
            source.copy_to(target, begun=begun)
        assert not any(_everything(target).values())


def test_tables_of_others_come_along(tmp_path: Path) -> None:
    others = sa.MetaData()
    notes = sa.Table("notes", others, sa.Column("key", sa.String, primary_key=True))
    nowhere = sa.MetaData()
    sa.Table("nowhere", nowhere, sa.Column("key", sa.String, primary_key=True))
    with _filled(str(tmp_path / "a.db")) as source, Store(tmp_path / "b.db") as target:
        with source.transaction() as connection:
            notes.create(connection)
            connection.execute(notes.insert(), [{"key": "x"}])
        assert source.copy_to(target, also=[others, nowhere])["notes"] == 1
    raw = sqlite3.connect(tmp_path / "b.db")
    assert raw.execute("SELECT key FROM notes").fetchall() == [("x",)]
    assert not raw.execute("SELECT name FROM sqlite_master WHERE name='nowhere'").fetchall()
    raw.close()
