"""The store locked, full or slow, the process killed: people are served, and nothing that was committed is lost."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time

import httpx
import pytest
import sqlalchemy as sa
from proxied import assistant, chat, recording, user
from upstreams import scripted

from midcourse.capture.proxy import listening
from midcourse.store import Store, consents, exchanges
from midcourse.store.schema import exchange

WHO = {"X-Steer-User": "ada", "X-Steer-Chat": "1"}


def kept(store) -> int:
    with store.snapshot() as connection:
        return exchanges.count(connection)


def test_a_locked_store_holds_up_nobody_and_loses_nothing(tmp_path, caplog):
    path = tmp_path / "a.db"
    caplog.set_level("INFO", "midcourse.proxy")
    with scripted(replies=["one two three"]) as script, Store(path), recording(script.url, path) as (proxy, store):
        proxy.listening.keeper.store = Store(path, patience=0.1)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        for n in range(3):
            assert chat(proxy.url, [user(f"{n}")]) == "one two three"
        assert time.monotonic() - began < 3
        time.sleep(0.4)
        assert kept(store) == 0
        assert "is locked" in proxy.listening.trouble
        other.execute("ROLLBACK")
        other.close()
        proxy.settle(3)
        assert kept(store) == 3
        assert proxy.listening.trouble == ""
        proxy.listening.keeper.store.close()
    said = [r.getMessage() for r in caplog.records]
    assert sum("nothing can be kept at the moment" in s for s in said) == 1
    assert any("nothing that waited was lost" in s for s in said)


def test_a_full_disk_is_waited_out(tmp_path):
    path = tmp_path / "a.db"
    with scripted(replies=["one two three"]) as script, recording(script.url, path) as (proxy, store):
        engine = store._engine
        engine.dispose()
        room = [0]

        def limit(raw, _):
            pages = raw.execute("PRAGMA page_count").fetchone()[0]
            raw.execute(f"PRAGMA max_page_count={pages + room[0]}").fetchone()

        sa.event.listen(engine, "connect", limit)
        for n in range(4):  # what is written first fits into pages that are there
            assert chat(proxy.url, [user(f"{n} " + "word " * 2000)]) == "one two three"
        deadline = time.monotonic() + 5
        while "disk is full" not in proxy.listening.trouble and time.monotonic() < deadline:
            time.sleep(0.02)
        assert "disk is full" in proxy.listening.trouble
        assert kept(store) < 4
        room[0] = 10_000
        engine.dispose()
        proxy.settle(4)
        assert kept(store) == 4


def test_what_waits_is_bounded(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(listening, "WAITING", 5_000)
    caplog.set_level("INFO", "midcourse.proxy")
    path = tmp_path / "a.db"
    with scripted(replies=["one two three"]) as script, recording(script.url, path) as (proxy, store):
        proxy.listening.keeper.store = Store(path, patience=0.05)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        for n in range(12):
            assert chat(proxy.url, [user(f"{n}")]) == "one two three"
            assert proxy.listening.waiting <= 5_000
        other.execute("ROLLBACK")
        other.close()
        proxy.settle(1)
        assert 1 <= kept(store) < 12
        proxy.listening.keeper.store.close()
    said = " ".join(r.getMessage() for r in caplog.records)
    assert "passed on and not kept" in said


def test_a_mistake_of_ours_is_told_by_its_place_and_goes_on(tmp_path, monkeypatch, caplog):
    with scripted(replies=["one two three"]) as script, recording(script.url, tmp_path / "a.db") as (proxy, store):
        put, broken = exchanges.put, threading.Event()
        broken.set()

        def fails(connection, kept):
            if broken.is_set():
                raise ZeroDivisionError("quotes the text: one two three")
            put(connection, kept)

        monkeypatch.setattr(exchanges, "put", fails)
        caplog.set_level("INFO", "midcourse.proxy")
        chat(proxy.url, [user("1")])
        time.sleep(0.2)
        broken.clear()
        chat(proxy.url, [user("2")])
        proxy.settle(1)
        assert kept(store) == 1
    [said] = [r.getMessage() for r in caplog.records if "mistake of ours" in r.getMessage()]
    assert "ZeroDivisionError at test_faults.py" in said
    assert "one two" not in said


def test_a_server_that_breaks_off_leaves_what_came(tmp_path):
    with (
        scripted(replies=["one two three four"], fault="cut") as script,
        recording(script.url, tmp_path / "a.db") as (proxy, store),
    ):
        with pytest.raises(httpx.RemoteProtocolError):
            chat(proxy.url, [user("1")])
        proxy.settle(1)
        with store.snapshot() as connection:
            [found] = exchanges.recent(connection, _only(store), None, 9)
        assert (found.value["text"], found.value["end"]) == ("one two", "failed")


def test_a_client_that_left_has_aborted(tmp_path):
    with scripted(replies=["one two three four"], fault="stalls") as script:
        script.go.clear()
        with recording(script.url, tmp_path / "a.db") as (proxy, store):
            assert chat(proxy.url, [user("1")], stop_after=2) == "one two"
            proxy.settle(1)
            with store.snapshot() as connection:
                [found] = exchanges.recent(connection, _only(store), None, 9)
            assert (found.value["text"], found.value["end"]) == ("one two", "aborted")


def _only(store) -> str:
    with store.snapshot() as connection:
        return connection.execute(sa.select(exchange.c.client)).scalars().first()


@pytest.mark.long
def test_killed_it_loses_nothing_that_was_committed(tmp_path):
    path = tmp_path / "a.db"
    with Store(path) as store, store.transaction() as connection:
        consents.allow(connection, "model", "tiny")
    with scripted(replies=["The cat sat on the hat and slept.", " and purred."]) as script:
        committed = 0
        for _ in range(2):
            process, url = started(script.url, path)
            try:
                for n in range(3):
                    chat(url, [user(f"{os.getpid()} {committed} {n}")], headers=WHO)
                deadline = time.monotonic() + 10
                with Store(path) as store:
                    while kept(store) < committed + 3 and time.monotonic() < deadline:
                        time.sleep(0.02)
                    committed = kept(store)
            finally:
                process.send_signal(signal.SIGKILL)
                process.wait(10)
        with Store(path) as store:
            assert kept(store) == committed == 6
            assert store.verify() == []


def test_ended_politely_it_writes_down_what_waits(tmp_path):
    path = tmp_path / "a.db"
    with Store(path) as store, store.transaction() as connection:
        consents.allow(connection, "model", "tiny")
    with scripted(replies=["The cat sat on the hat."]) as script:
        process, url = started(script.url, path)
        chat(url, [user("1")], headers=WHO)
        chat(url, [user("2"), assistant("A")], headers=WHO)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) in (0, -signal.SIGTERM)
    with Store(path) as store:
        assert kept(store) == 2


def started(upstream: str, path) -> tuple[subprocess.Popen, str]:
    """The command line in a process of its own, once it serves."""
    command = [sys.executable, "-m", "midcourse", "proxy", "--upstream", upstream, "--store", str(path), "--port", "0"]
    log = path.with_name(f"{time.monotonic_ns()}.log")
    with log.open("w") as stderr:
        process = subprocess.Popen(command, stderr=stderr)
    for _ in range(600):
        said = log.read_text()
        if "The proxy is at" in said:
            url = said.split("The proxy is at ")[1].split()[0]
            with contextlib.suppress(httpx.ConnectError):
                assert httpx.get(f"{url}/v1/models").status_code == 200
                return process, url
        assert process.poll() is None, said
        time.sleep(0.05)
    raise AssertionError(said)


def test_a_silent_server_is_waited_for_and_nobody_else_waits(tmp_path):
    with scripted(replies=["one two three four"], fault="stalls") as script:
        script.go.clear()
        with recording(script.url, tmp_path / "a.db") as (proxy, store):
            got: list[str] = []
            waiting = threading.Thread(target=lambda: got.append(chat(proxy.url, [user("1")])))
            waiting.start()
            for _ in range(3):
                assert httpx.get(f"{proxy.url}/v1/models", timeout=2).status_code == 200
            assert kept(store) == 0
            assert waiting.is_alive()
            script.go.set()
            waiting.join(10)
            assert got == ["one two three four"]
            proxy.settle(1)
