"""Killed at any moment, a full disk, a locked store: what was committed or shown is not lost, and it is said."""

import contextlib
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from scripted import tokenizer
from served import Babbler, Page, Served, serve
from websockets.exceptions import ConnectionClosed

from midcourse.errors import StoreError
from midcourse.store.db import Store


class Process(Served):
    """A studio that can be killed."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.folder = folder
        self.url, self.origin = f"http://127.0.0.1:{self.port}/", f"http://127.0.0.1:{self.port}"
        self.open = contextlib.ExitStack()
        script = Path(__file__).with_name("killable.py")
        self.process = subprocess.Popen([sys.executable, str(script), str(folder), str(self.port)])
        until = time.monotonic() + 60
        while True:
            try:
                if httpx.get(self.url + "readyz").status_code == 200:
                    return
            except httpx.TransportError:
                assert time.monotonic() < until
                assert self.process.poll() is None
                time.sleep(0.1)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(20)
        self.open.close()


def drive(page: Page, dice: random.Random, steers: list[str], seconds: float) -> None:
    """Write and steer until time is up; what an `ok` named is in `steers`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        while len(page.draft["tokens"]) < 5 or dice.random() < 0.7:
            page.take()
            if time.monotonic() > end:
                return
        tokens = page.draft["tokens"]
        at = dice.randrange(len(tokens))
        cut = tokens[at]["end"]
        answer = page.do("replace", cut=cut, text=dice.choice([" never", " day", "!"]), shown=len(tokens))
        if answer.get("steer"):
            steers.append(answer["steer"])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_killed_at_any_moment(tmp_path, seed):
    dice, steers, shown = random.Random(seed), [], ""
    draft = None
    for _ in range(3):
        served = Process(tmp_path)
        page = served.page(**({"draft": draft} if draft else {}))
        if draft is None:
            page.do("new", text="Hi")
            draft = page.draft["id"]
        else:
            assert page.text.startswith(shown)
            assert set(steers) <= set(page.draft["steers"])
            page.do("continue")
        try:
            drive(page, dice, steers, dice.uniform(0.3, 1.5))
        finally:
            shown = page.text
            served.kill()
    served = Process(tmp_path)
    page = served.page(draft=draft)
    assert page.text.startswith(shown)
    assert page.draft["mode"] in ("paused", "ended")
    served.process.send_signal(signal.SIGTERM)
    assert served.process.wait(30) in (0, -signal.SIGTERM)
    served.open.close()
    with Store(tmp_path / "store.db") as store:
        assert store.verify() == []
        t = store.trajectory(draft)
        assert set(steers) <= {s.id for s in t.steers}
        assert len(steers) > 0


def test_what_a_kill_left_in_the_spool_comes_back(tmp_path):
    with serve(tmp_path, Babbler(pause=0.005), max_new_tokens=500) as served:
        page = served.page()
        page.do("new", text="Hi")
        while len(page.draft["tokens"]) < 12:
            page.take()
        page.do("shown", shown=9)
        while len(page.draft["tokens"]) < 20:
            page.take()
        (tmp_path / "copy").mkdir()
        raw = sqlite3.connect(tmp_path / "store.db")
        raw.execute("VACUUM INTO ?", (str(tmp_path / "copy" / "store.db"),))  # as the disk is at a kill
        raw.close()
        seen, draft = page.text, page.draft["id"]
    with serve(tmp_path / "copy", Babbler(), max_new_tokens=5) as served:
        back = served.page(draft=draft)
        assert back.text.startswith(seen)
        assert back.draft["shown"] >= 9
        assert served.studio.office.journal.spooled(draft) is None
        t = served.studio.office.store.trajectory(draft)
        assert len(t.path(t.head)) - len(t.nodes[0].token_ids) == back.draft["shown"]
        back.do("continue")
        back.rest()
        assert len(back.text) > len(seen)
        assert served.studio.office.store.verify() == []


@pytest.mark.parametrize(
    ("said", "code"),
    [("the disk is full: nothing was written", "store_full"), ("it is locked by another", "store_locked")],
)
def test_what_the_store_refuses_is_said_and_can_be_sent_again(tmp_path, monkeypatch, said, code):
    with serve(tmp_path, Babbler(), max_new_tokens=30) as served:
        page = served.page()
        page.do("new", text="Hi")
        page.rest()
        before, rev = page.text, page.draft["rev"]

        def refuse(*_, **__):
            raise StoreError(said)

        store = served.studio.office.store
        with monkeypatch.context() as broken:
            broken.setattr(store, "append_steer", refuse)
            answer = page.do("replace", cut=4, text=" never")
            assert (answer["code"], answer["retry"], page.draft["trouble"]) == ("store", True, code)
            assert (page.text, page.draft["rev"], page.draft["mode"]) == (before, rev, "paused")
        assert page.do("replace", cut=4, text=" never")["event"] == "ok"
        assert page.draft["trouble"] is None
        page.rest()
        assert len(store.trajectory(page.draft["id"]).steers) == 1


def test_a_full_disk_while_it_streams_stops_it_and_loses_nothing(tmp_path, monkeypatch):
    with serve(tmp_path, Babbler(pause=0.01), max_new_tokens=300) as served:
        page = served.page()
        page.do("new", text="Hi")
        while len(page.draft["tokens"]) < 5:
            page.take()

        def refuse(*_, **__):
            raise StoreError("the disk is full: nothing was written")

        with monkeypatch.context() as broken:
            broken.setattr(served.studio.office.journal, "spool", refuse)
            page.wait("trouble", code="store_full")
            page.rest()
        seen = page.text
        assert page.do("continue")["event"] == "ok"
        assert page.draft["trouble"] is None
        assert page.text.startswith(seen)
        page.do("stop", shown=len(page.draft["tokens"]))
        t = served.studio.office.store.trajectory(page.draft["id"])
        prompt = len(t.nodes[0].token_ids)
        kept = tokenizer().decode(t.path(t.head)[prompt:])
        assert kept.startswith(seen)
        assert page.text.startswith(kept)


def test_a_store_that_another_process_locks_for_a_while(tmp_path):
    with serve(tmp_path, Babbler(), max_new_tokens=10) as served:
        page = served.page()
        page.do("new", text="Hi")
        page.rest()
        other = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        page.send("replace", cut=4, text=" never", rev=page.draft["rev"])
        time.sleep(0.5)
        other.execute("COMMIT")
        other.close()
        assert page.wait("ok", "error")["event"] == "ok"


def test_closing_says_so_and_a_tab_can_come_back(tmp_path):
    with serve(tmp_path, Babbler(pause=0.01), max_new_tokens=500) as served:
        page = served.page()
        page.do("new", text="Hi")
        while len(page.draft["tokens"]) < 5:
            page.take()
        served.open.pop_all()
        draft = page.draft["id"]
    with pytest.raises(ConnectionClosed):
        page.wait("never")
    with serve(tmp_path, Babbler(), max_new_tokens=5) as again:
        back = again.page(draft=draft, epoch=page.draft["epoch"], seq=page.draft["seq"])
        assert back.text.startswith(page.text)
