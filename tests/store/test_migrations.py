import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from midcourse.errors import StoreError
from midcourse.store import Store, migrate, migrations, schema

from .trees import small

OLD = str(schema.VERSION - 1)


def _set(url: str, **values: str) -> None:
    with Store(url) as store, store._write() as connection:
        for key, value in values.items():
            connection.execute(schema.meta.update().where(schema.meta.c.key == key).values(value=value))


def _step(connection: sa.Connection) -> None:
    connection.execute(schema.trajectory.update().values(source="migrated"))


def test_a_newer_schema_is_refused_with_the_release_to_install(place: Callable[[], str]) -> None:
    url = place()
    _set(url, schema=str(schema.VERSION + 1), since="7.8.9")
    with pytest.raises(StoreError, match=r"midcourse>=7\.8\.9"):
        Store(url)


def test_an_older_lone_file_is_migrated_after_a_backup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.db"
    with Store(path) as store:
        store.add(small("a", source="x"))
    _set(str(path), schema=OLD)
    monkeypatch.setitem(migrations.STEPS, int(OLD), _step)
    with Store(path) as store:
        assert store.trajectory("a").source == "migrated"
        assert store.verify() == []
    kept = sqlite3.connect(tmp_path / f"a.db.schema{OLD}.bak")
    assert kept.execute("SELECT source FROM trajectory").fetchall() == [("x",)]
    assert kept.execute("SELECT value FROM meta WHERE key='schema'").fetchall() == [(OLD,)]
    kept.close()


def test_a_file_that_is_open_elsewhere_is_not_migrated_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.db"
    _set(str(path), schema=OLD)
    monkeypatch.setitem(migrations.STEPS, int(OLD), _step)
    other = sqlite3.connect(path)
    other.execute("SELECT * FROM meta").fetchall()
    with pytest.raises(StoreError, match="older schema"):
        Store(path)
    other.close()
    assert not list(tmp_path.glob("*.bak"))


def test_a_step_that_fails_leaves_the_old_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.db"
    with Store(path) as store:
        store.add(small("a", source="x"))
    _set(str(path), schema=OLD)

    def fails(connection: sa.Connection) -> None:
        _step(connection)
        raise StoreError("no further")

    monkeypatch.setitem(migrations.STEPS, int(OLD), fails)
    with pytest.raises(StoreError, match="no further"):
        Store(path)
    raw = sqlite3.connect(path)
    assert raw.execute("SELECT source FROM trajectory").fetchall() == [("x",)]
    raw.close()


def test_a_shared_server_is_migrated_by_its_owner_only(postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"{postgres}/postgres"
    with Store(url) as store:
        store.add(small("a", source="x"))
    _set(url, schema=OLD)
    monkeypatch.setitem(migrations.STEPS, int(OLD), _step)
    with pytest.raises(StoreError, match="older schema"):
        Store(url)
    migrate(url)
    with Store(url) as store:
        assert store.trajectory("a").source == "migrated"


def test_a_schema_no_release_wrote(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    _set(str(path), schema="0")
    with pytest.raises(StoreError, match="which no release"):
        Store(path)
