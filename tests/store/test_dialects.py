import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from midcourse.errors import InputError, StoreError
from midcourse.store import Store

from .trees import small


def test_not_a_database(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database " * 100)
    with pytest.raises(StoreError, match="is not a Midcourse store"):
        Store(path)
    assert path.read_text() == "not a database " * 100


def test_the_database_of_something_else(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE songs (id INTEGER)")
    other.close()
    with pytest.raises(StoreError, match="table 'songs'"):
        Store(path)
    with pytest.raises(StoreError, match="is not a Midcourse store"):
        Store(path, create=False)


def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is a folder"):
        Store(tmp_path)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="check that its folder exists"):
        Store(tmp_path / "gone" / "a.db")


@pytest.mark.parametrize("url", ["mysql://host/x", "nonsense://"])
def test_a_url_of_something_else(url: str) -> None:
    with pytest.raises(InputError):
        Store(url)


def test_a_server_that_is_not_there_and_no_password_in_the_message() -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(StoreError, match=r"127\.0\.0\.1:1") as error:
        Store("postgresql://me:secret@127.0.0.1:1/x")
    assert "secret" not in str(error.value)


def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    with Store(tmp_path / "a.db") as store:
        store.add(small("a"))
        with store._read() as connection:
            raw = connection.connection.driver_connection
            pages = raw.execute("PRAGMA page_count").fetchone()[0]
            raw.execute(f"PRAGMA max_page_count={pages + 4}")  # what SQLite says on a full disk, without filling one
        with pytest.raises(StoreError, match="disk is full"):
            store.add_many(small(f"t{i}", prompt=i + 5, steers=40) for i in range(50))
    with Store(tmp_path / "a.db") as store:
        assert store.verify() == []
        assert list(store.trajectories()) == [small("a")]


def test_a_locked_store(tmp_path: Path) -> None:
    with Store(tmp_path / "a.db", patience=0.1) as store:
        other = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked by another process"):
            store.add(small("a"))
        assert list(store.trajectories()) == []  # reading goes on
        other.execute("ROLLBACK")
        other.close()
        assert store.add(small("a"))


@contextmanager
def not_root() -> Iterator[None]:
    """Permissions mean nothing to root, so leave it for a while."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_no_permission() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as name:  # pytest's own folders are closed to other users
        folder, path = Path(name), Path(name) / "a.db"
        with Store(path) as store:
            store.add(small("a"))
        path.chmod(0o444)
        folder.chmod(0o555)
        try:
            with not_root(), pytest.raises(StoreError, match=r"no permission to write to|cannot be opened"):
                Store(path).set_state("a-0", "withdrawn")
            with not_root(), pytest.raises(StoreError, match="check that its folder exists and that you may write"):
                Store(folder / "new.db")
        finally:
            folder.chmod(0o755)
        path.chmod(0o644)
        with Store(path) as store:
            assert list(store.trajectories()) == [small("a")]


def test_sync_is_full_and_journal_is_wal(tmp_path: Path) -> None:
    with Store(tmp_path / "a.db") as store, store._read() as connection:
        ask = connection.exec_driver_sql
        assert ask("PRAGMA synchronous").scalar() == 2
        assert ask("PRAGMA journal_mode").scalar() == "wal"
        assert ask("PRAGMA foreign_keys").scalar() == 1
