"""A real PostgreSQL that restarts, hangs, is away or refuses: what a writer sees of it, and what is kept."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
import sqlalchemy as sa

from midcourse.errors import InputError, StoreError
from midcourse.store import Store, dialects, schema, transacting
from midcourse.types import Place, Trajectory

from .server import Server, running
from .trees import small


@pytest.fixture(scope="module")
def own() -> Iterator[Server]:
    """One that a test may restart."""
    with running() as started:
        yield started


def _begun(url: str, whole: Trajectory) -> None:
    root = whole.nodes[0]
    with Store(url) as store:
        store.add(whole.with_(nodes=(root,), head=Place(root.id, 3), steers=()))


@pytest.mark.slow
@pytest.mark.parametrize("how", ["fast", "immediate"])
def test_no_steer_is_lost_or_doubled_by_a_restart(own: Server, how: str) -> None:
    url, whole = own.database(), small("a", steers=200)
    _begun(url, whole)
    failed, written = [], []

    def writes() -> None:
        try:
            with Store(url, patience=60) as store:
                for k, steer in enumerate(whole.steers):
                    store.append_steer(steer, whole.nodes[1 + 2 * k : 3 + 2 * k])
                    written.append(steer.id)
        except BaseException as error:  # told below
            failed.append(error)

    thread = threading.Thread(target=writes)
    thread.start()
    for _ in range(3):
        before = len(written)
        while len(written) < min(before + 10, 200) and thread.is_alive():
            time.sleep(0.005)
        own.control("restart", "-m", how)
    assert thread.is_alive(), "it was restarted while somebody wrote"
    thread.join(120)
    assert not failed
    with Store(url) as store:
        assert store.trajectory("a").steers == whole.steers
        assert store.verify() == []


def test_a_commit_whose_answer_was_lost_is_asked_for_and_not_repeated(own: Server) -> None:
    """The connection ends after PostgreSQL has committed and before we hear of it."""
    url = own.database()
    with Store(url) as store:
        store.add(small("a"))
        calls = []

        def work(connection: sa.Connection) -> None:
            calls.append(1)
            connection.execute(schema.consent.insert(), [{"kind": "model", "name": "x", "allowed": True, "at": 0.0}])
            raw = connection.connection.driver_connection
            if len(calls) == 1:
                commit = raw.commit

                def lost() -> None:
                    commit()
                    raw.close()
                    raise sa.exc.DBAPIError.instance(None, None, _gone(), Exception)

                raw.commit = lost

        store.write(work)
        assert len(calls) == 1
        with store.snapshot() as connection:
            assert len(connection.execute(sa.select(schema.consent)).all()) == 1


def _gone() -> Exception:
    import psycopg

    return psycopg.OperationalError("server closed the connection unexpectedly")


def test_a_lost_commit_that_was_not_kept_is_done_again(own: Server) -> None:
    url = own.database()
    with Store(url) as store:
        calls = []

        def work(connection: sa.Connection) -> None:
            calls.append(1)
            connection.execute(schema.consent.insert(), [{"kind": "model", "name": "x", "allowed": True, "at": 0.0}])
            if len(calls) == 1:
                me = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
                own.run(f"SELECT pg_terminate_backend({me}, 5000)")  # the commit finds nobody

        store.write(work)
        assert len(calls) == 2
        with store.snapshot() as connection:
            assert len(connection.execute(sa.select(schema.consent)).all()) == 1


def test_a_lost_commit_is_not_taken_for_another_that_the_crashed_server_numbered_alike(own: Server) -> None:
    url = own.database()
    with Store(url) as store:
        store.add(small("a"))
        numbers = []

        def work(connection: sa.Connection) -> None:
            connection.execute(schema.consent.insert(), [{"kind": "model", "name": "x", "allowed": True, "at": 0.0}])
            numbers.append(connection.exec_driver_sql("SELECT pg_current_xact_id()::text").scalar())
            if len(numbers) == 1:
                own.control("restart", "-m", "immediate")  # before its disk has anything of this
                other = "INSERT INTO tombstone (kind, id, at) VALUES ('steer', 'x', 0) RETURNING pg_current_xact_id()"
                numbers.extend(str(row[0]) for row in own.run(other, url))

        store.write(work)
        assert numbers[0] == numbers[1], "the server did give the number again"
        assert len(numbers) == 3
        with store.snapshot() as connection:
            assert len(connection.execute(sa.select(schema.consent)).all()) == 1


def test_a_commit_under_way_is_waited_for(server: Server) -> None:
    """The line is cut while the server still works on the commit: it decides, and only then is it asked."""
    url = server.database()
    with Store(url, patience=20) as store:
        server.run(
            "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(1); RETURN NULL; END'",
            url,
        )
        server.run(
            "CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON consent DEFERRABLE INITIALLY DEFERRED "
            "FOR EACH ROW EXECUTE FUNCTION slow()",
            url,
        )
        calls = []

        def work(connection: sa.Connection) -> None:
            calls.append(1)
            connection.execute(schema.consent.insert(), [{"kind": "model", "name": "x", "allowed": True, "at": 0.0}])
            raw = connection.connection.driver_connection

            def cut() -> None:
                raw.pgconn.send_query(b"COMMIT")
                raw.pgconn.flush()
                raw.pgconn.finish()
                raise sa.exc.DBAPIError.instance(None, None, _gone(), Exception)

            raw.commit = cut

        begun = time.monotonic()
        store.write(work)
        assert time.monotonic() - begun > 0.9, "it waited"
        assert calls == [1]
        with store.snapshot() as connection:
            assert len(connection.execute(sa.select(schema.consent)).all()) == 1


def test_signatures_of_long_ago_are_cleared(server: Server) -> None:
    url = server.database()
    for _ in range(2):
        with Store(url) as store:
            store.add(small("a"))
    table = transacting.last_commit
    with Store(url) as store:
        assert len(store.read(lambda c: c.execute(sa.select(table)).all())) == 2
        server.run("UPDATE last_commit SET at = at - interval '25 hours'", url)
        store.add(small("b", prompt=7))
        assert len(store.read(lambda c: c.execute(sa.select(table)).all())) == 1


def test_reading_goes_on_after_a_restart(own: Server) -> None:
    with Store(own.database()) as store:
        store.add(small("a"))
        own.control("restart", "-m", "fast")
        assert store.trajectory("a") == small("a")


def test_a_server_that_stays_away_is_said_in_one_sentence(own: Server) -> None:
    url = own.database()
    with Store(url, patience=0.5) as store:
        store.add(small("a"))
        own.control("stop", "-m", "fast")
        try:
            begun = time.monotonic()
            with pytest.raises(StoreError, match="does not answer: nothing of this step was kept"):
                store.add(small("b"))
            assert 0.4 < time.monotonic() - begun < 10
            with pytest.raises(StoreError, match="does not answer"):
                store.stats()
            with pytest.raises(StoreError, match="does not answer"):
                Store(url)
        finally:
            own.control("start")
        store.add(small("b"))  # the same store, once the server is back
        assert store.stats()["trajectories"] == 2


def test_two_that_wait_for_each_other_both_get_through(server: Server) -> None:
    url = server.database()
    met = threading.Barrier(2)
    with Store(url) as store:
        store.add_many([small("a"), small("b", prompt=9)])
        tries: list[str] = []

        def crossing(first: str, second: str) -> None:
            def work(connection: sa.Connection) -> None:
                again = first in tries
                tries.append(first)
                for n, id in enumerate((first, second)):
                    connection.execute(schema.trajectory.update().where(schema.trajectory.c.id == id).values(split="x"))
                    if n == 0 and not again:
                        met.wait(20)

            store.write(work)

        threads = [threading.Thread(target=crossing, args=pair) for pair in (("a", "b"), ("b", "a"))]
        for t in threads:
            t.start()
        for t in threads:
            t.join(60)
        assert len(tries) == 3, "one of them was chosen as the victim and came again"
        assert {t.split for t in store.trajectories()} == {"x"}


def test_the_same_side_written_by_many_at_once_is_kept_once(server: Server) -> None:
    url, whole = server.database(), small("a", steers=1)
    bare = whole.with_(steers=tuple(replace(s, rejected=()) for s in whole.steers))
    with Store(url) as store:
        store.add(bare)
        start = threading.Barrier(8)

        def puts() -> None:
            start.wait(20)
            store.append_rejected(whole.steers[0].id, whole.steers[0].rejected)

        threads = [threading.Thread(target=puts) for _ in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join(30)
        assert store.trajectory("a") == whole


def test_the_same_texts_imported_by_many_at_once_are_kept_once(server: Server) -> None:
    url = server.database()
    whole = [small(f"t{n}", prompt=n) for n in range(40)]
    Store(url).close()
    failed, start = [], threading.Barrier(6)

    def imports(turned: bool) -> None:
        try:
            with Store(url) as store:
                start.wait(20)
                store.add_many(reversed(whole) if turned else whole, batch=7)
        except Exception as error:  # told below
            failed.append(error)

    threads = [threading.Thread(target=imports, args=(k % 2 == 1,)) for k in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(100)
    assert not failed
    with Store(url) as store:
        assert sorted(store.trajectories(), key=lambda t: t.id) == sorted(whole, key=lambda t: t.id)
        assert store.verify() == []


def test_a_lock_is_waited_for_as_long_as_was_asked(server: Server) -> None:
    url = server.database()
    with Store(url, patience=0.3) as store, Store(url) as other:
        store.add(small("a"))
        with other.transaction() as connection:
            dialects.take_turns(connection, ["a"])
            with pytest.raises(StoreError, match="locked by another process that writes"):
                store.set_head("a", small("a").head, "accepted")
        store.set_head("a", small("a").head, "accepted")
    with Store(f"{url}?lock_timeout=150ms", patience=60) as store, other.transaction() as connection:
        dialects.take_turns(connection, ["a"])
        with pytest.raises(StoreError, match="locked"):
            store.set_head("a", small("a").head, "open")
    other.close()


def test_a_statement_has_a_time_out_and_long_work_has_none(server: Server) -> None:
    with Store(f"{server.database()}?statement_timeout=200ms") as store:
        with pytest.raises(StoreError, match="longer than allowed for one statement"):
            store.read(lambda c: c.exec_driver_sql("SELECT pg_sleep(2)").all())
        store.read(lambda c: c.exec_driver_sql("SELECT pg_sleep(0.5)").all(), long=True)
        assert store.read(lambda c: c.exec_driver_sql("SHOW statement_timeout").scalar()) == "200ms"


def test_a_pool_that_is_used_up_is_said(server: Server) -> None:
    url = f"{server.database()}?pool_size=1&max_overflow=0"
    with Store(url, patience=0.2) as store, store.snapshot(), pytest.raises(StoreError, match="are in use"):
        store.stats()
    with pytest.raises(InputError, match="whole numbers"):
        Store(f"{server.url}/x?pool_size=many")


def test_a_server_that_answers_before_its_disk_has_it_is_asked_not_to(server: Server) -> None:
    url = server.database()
    server.run(f"ALTER DATABASE {sa.make_url(url).database} SET synchronous_commit = off")
    with Store(url) as store:
        assert store.read(lambda c: c.exec_driver_sql("SHOW synchronous_commit").scalar()) == "on"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://postgres@127.0.0.1:9/x", "does not answer"),
        ("postgresql://postgres@nowhere.invalid/x?connect_timeout=3", "does not answer"),
    ],
)
def test_nobody_there(url: str, said: str, server: Server) -> None:
    with pytest.raises(StoreError, match=said) as told:
        Store(url)
    assert "\n" not in str(told.value)


def test_a_role_that_may_only_read_is_told(server: Server) -> None:
    url = server.database()
    with Store(url) as store:
        store.add(small("a"))
    name = sa.make_url(url).database
    server.run(f"CREATE ROLE r{name} LOGIN")
    server.run(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO r{name}", url)
    theirs = sa.make_url(url).set(username=f"r{name}").render_as_string()
    with Store(theirs, create=False) as store:
        assert store.trajectory("a") == small("a")
        assert store.verify() == []
        with pytest.raises(StoreError, match="no permission"):
            store.add(small("b", prompt=4))
        server.run(f"GRANT INSERT ON handed_out TO r{name}", url)
        server.run(f"GRANT SELECT, INSERT, UPDATE, DELETE ON last_commit TO r{name}", url)
        server.run(f"GRANT USAGE ON SEQUENCE handed_out_seq_seq TO r{name}", url)
        store.record_handed_out("export", "a.jsonl", ["a"])
