"""A database of every layout that ever was, as its own code wrote it, is migrated, verified and written to."""

import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa

from midcourse.errors import StoreError
from midcourse.store import Store, migrate, schema, transacting
from midcourse.store.reviews import Inbox

from .server import Server
from .test_reviews import add, review
from .trees import small

DUMPS = Path(__file__).parent / "schemas"
VERSIONS = range(1, schema.VERSION + 1)


def _sqlite(path: Path, version: int) -> str:
    raw = sqlite3.connect(path)
    raw.executescript((DUMPS / f"{version}.sqlite.sql").read_text(encoding="utf-8"))
    raw.close()
    return str(path)


def _postgresql(server: Server, version: int) -> str:
    import psycopg

    url = server.database()
    plain = sa.make_url(url).set(drivername="postgresql").render_as_string()
    with psycopg.connect(plain) as connection:
        connection.execute((DUMPS / f"{version}.postgresql.sql").read_bytes())
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def old(request: pytest.FixtureRequest, tmp_path: Path):
    """Makes a database of an old layout."""
    if request.param == "sqlite":
        return lambda version: _sqlite(tmp_path / "old.db", version)
    server = request.getfixturevalue("server")
    return lambda version: _postgresql(server, version)


@pytest.mark.long
@pytest.mark.parametrize("version", VERSIONS)
def test_every_layout_comes_to_todays_with_all_that_it_held(old, version: int) -> None:
    url = old(version)
    had, copy = migrate(url)
    assert had == version
    if "://" in url or version == schema.VERSION:
        assert copy is None
    else:
        assert sqlite3.connect(copy).execute("SELECT value FROM meta WHERE key='schema'").fetchall() == [
            (str(version),)
        ]
    assert migrate(url) == (schema.VERSION, None)
    with Store(url, create=False) as store:
        assert store.verify() == []
        a, b = small("a", source="x", annotator="ann"), small("b", prompt=7, steers=2, split="dev", group="g")
        kept = store.trajectory("a")
        assert (kept.nodes, kept.head, kept.status, kept.annotator) == (a.nodes, a.head, "accepted", "ann")
        assert [s.state for s in kept.steers] == ["active", "withdrawn", "active"]
        assert [s.rejected for s in kept.steers] == [s.rejected for s in a.steers]
        kept = store.trajectory("b")
        assert (kept.nodes, kept.split, kept.group, kept.teaches) == (b.nodes, "dev", "g", "steers")
        assert [s.state for s in kept.steers] == ["approved", "active"]
        assert store.stats()["steers"] == 4
        store.add(small("c", prompt=9, teaches="pairs"))
        assert store.trajectory("c").teaches == "pairs"
        assert add(store, review("ab")) == [True]
        assert Inbox(store).count() == 1
        assert store.purge(["a"], authors=["ann"]).steers == 3
        assert [t.id for t in store.trajectories()] == ["b", "c"]
        assert store.verify() == []
    without = set() if "://" in url else set(schema.BY_NODE)
    tables = [*schema.metadata.tables.values(), *([transacting.last_commit] if "://" in url else [])]
    assert _layout(url) == {t.name: {x.name for x in (*t.columns, *(t.indexes - without))} for t in tables}


def _layout(url: str) -> dict[str, set[str]]:
    """Tables with their columns and indexes; those that stand for a unique column are the database's own."""
    engine = sa.create_engine(url if "://" in url else f"sqlite:///{url}")
    inspector = sa.inspect(engine)
    found = {}
    for table in inspector.get_table_names():
        indexes = {i["name"] for i in inspector.get_indexes(table) if not i["unique"]}
        found[table] = indexes | {c["name"] for c in inspector.get_columns(table)}
    engine.dispose()
    return found


@pytest.mark.parametrize("version", VERSIONS[:-1])
def test_an_older_one_on_a_server_waits_for_its_owner(server: Server, version: int) -> None:
    url = _postgresql(server, version)
    with pytest.raises(StoreError, match=f"older schema {version} .*store migrate"):
        Store(url)


def test_todays_layout_has_its_dump() -> None:
    """Whoever raises VERSION writes one with schemas/write.py."""
    expected = {f"{v}.{kind}.sql" for v in VERSIONS for kind in ("sqlite", "postgresql")}
    assert {p.name for p in DUMPS.glob("*.sql")} == expected
