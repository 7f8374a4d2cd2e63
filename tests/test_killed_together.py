"""Import, training, proxy and studio on one store, under load, killed at random moments: nothing acknowledged is lost.

Real processes of the command line, a real model, SIGKILL, SQLite. `docs/faults.md` says how a long run is made; its
length is MIDCOURSE_KILLS here, and MIDCOURSE_FAULTS names a JSON file that gets the counts, whatever they are.
"""

import contextlib
import json
import os
import platform
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

pytest.importorskip("peft")
for part in ("capture/studio", "capture/proxy", "drafts"):
    sys.path.insert(0, str(Path(__file__).parent / part))

from served import Page, Served  # noqa: E402
from upstreams import scripted  # noqa: E402
from websockets.exceptions import WebSocketException  # noqa: E402

from midcourse.store import Store, consents, exchanges  # noqa: E402
from midcourse.store.schema import exchange, steer, trajectory  # noqa: E402
from midcourse.train.checkpoint import newest_complete  # noqa: E402
from model_folder import save_model  # noqa: E402
from store.trees import small  # noqa: E402

KILLS = int(os.environ.get("MIDCOURSE_KILLS", "12"))
FILES, ROWS = 6, 60
REPLY = "The cat sat on the mat and slept. Then it went home and was very happy there."
GONE = (WebSocketException, OSError, EOFError, httpx.TransportError, TimeoutError)


class Worker(threading.Thread):
    """One process that is started again whenever it was killed; `work` says what is done with it meanwhile."""

    def __init__(self, site: "Site", name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.site, self.process, self.at_work = site, None, False
        self.trouble = ""

    def run(self) -> None:
        try:
            while not self.site.over.is_set():
                self.round()
        except Exception as error:
            self.trouble = f"{self.name}: {type(error).__name__}: {error}"
            raise

    def round(self) -> None:
        raise NotImplementedError

    def start_process(self, *command: str) -> subprocess.Popen:
        log = self.site.folder / f"{self.name}.log"
        with log.open("wb") as said:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "midcourse", *command],
                stdout=said,
                stderr=said,
                env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "COLUMNS": "200"},
            )
        return self.process

    def ended(self) -> bool:
        """Whether it came to its own end; False: it was killed. Any other end is a failure."""
        code = self.process.wait(300)
        self.at_work = False
        if code not in (0, -signal.SIGKILL):
            raise AssertionError(f"it ended with {code}: {(self.site.folder / f'{self.name}.log').read_text()[-800:]}")
        return code == 0

    def kill(self) -> bool:
        if self.process is None or not self.at_work or self.process.poll() is not None:
            return False
        self.process.send_signal(signal.SIGKILL)
        return True


class Importer(Worker):
    """Files of rows, one after the other, each until an import of it says that it is done; then all of them again."""

    turn = 0

    def round(self) -> None:
        number = self.turn % FILES
        file = self.site.folder / f"rows-{number}.jsonl"
        made = [
            {"prompt": f"{number} {n}: ", "prefix": "The cat", "rejected": " sat on it.", "chosen": f" ran {n}."}
            for n in range(ROWS)
        ]
        file.write_text("".join(json.dumps(row) + "\n" for row in made))
        self.start_process("import", "steers", str(file), "--model", str(self.site.model), "--store", self.site.store)
        self.at_work = True
        if self.ended():
            self.turn += 1
            self.site.imported.add(file.name)
            self.site.over.wait(0.5)


class Trainer(Worker):
    """Trains on what is there, and resumes until it is through."""

    def round(self) -> None:
        folder = self.site.folder / "runs" / f"run-{len(self.site.trained)}"
        before = newest_complete(folder)
        settings = {"num_train_epochs": 2, "save_steps": 2, "max_steps": 24, "learning_rate": 1e-4, "lora_r": 2}
        settings |= {"save_strategy": "steps", "save_total_limit": 2, "per_device_train_batch_size": 1}
        self.start_process(
            *("train", self.site.store, "--model", str(self.site.model), "--output_dir", str(folder), "--resume"),
            *(word for k, v in settings.items() for word in (f"--{k}", str(v))),
        )
        while self.process.poll() is None and newest_complete(folder) == before:
            time.sleep(0.05)
        self.at_work = True
        if self.ended():
            assert (folder / "adapter_model.safetensors").is_file()
            self.site.trained.append(before is not None)


class Proxy(Worker):
    """Chats whose answers are corrected; what the store holds when looked at, it must hold for good."""

    def round(self) -> None:
        port = free_port()
        self.start_process(
            *("proxy", "--upstream", self.site.upstream, "--store", self.site.store, "--port", str(port)),
            *("--model", str(self.site.model), "--accept", "certain"),
        )
        url = f"http://127.0.0.1:{port}/v1/chat/completions"
        if not answers(f"http://127.0.0.1:{port}/v1/models", self):
            return
        self.at_work = True
        with contextlib.suppress(*GONE):
            while not self.site.over.is_set():
                asked = [{"role": "user", "content": f"Tell me {self.site.next()}."}]
                headers = {"X-Steer-User": "ada", "X-Steer-Chat": str(self.site.next())}
                self._chat(url, asked, headers)
                time.sleep(1.1)  # sooner no person has read it
                self._chat(url, [*asked, {"role": "assistant", "content": REPLY[:16] + "dog ran away"}], headers)
        self.ended()

    def _chat(self, url: str, messages: list[dict[str, str]], headers: dict[str, str]) -> None:
        httpx.post(url, json={"model": "tiny", "messages": messages}, headers=headers, timeout=20).raise_for_status()


class Studio(Worker):
    """A page that writes and steers; what an `ok` named is acknowledged."""

    draft = None

    def round(self) -> None:
        port = free_port()
        settings = ("--max_new_tokens", "200", "--memory", "0.1", "--dtype", "float32")
        self.start_process(
            "studio", "--store", self.site.store, "--model", str(self.site.model), "--port", str(port), *settings
        )
        if not answers(f"http://127.0.0.1:{port}/readyz", self):
            return
        with contextlib.suppress(*GONE), contextlib.ExitStack() as stack:
            page = Page(address(port, stack), None, {"draft": self.draft} if self.draft else {})
            self.at_work = True
            if self.draft is None:
                page.do("new", text="Tell me a story.")
                self.draft = page.draft["id"]
            while not self.site.over.is_set():
                while page.draft["mode"] == "streaming" and len(page.draft["tokens"]) < 6:
                    page.take()
                tokens = page.draft["tokens"]
                if len(tokens) > 150 or not tokens:  # a new text, before this one meets the model's end
                    page.do("new", text=f"Tell me {self.site.next()}.")
                    self.draft = page.draft["id"]
                    continue
                cut = tokens[self.site.dice.randrange(len(tokens))]["end"]
                answer = page.do("replace", cut=cut, text=" never", shown=len(tokens))
                if answer.get("steer"):
                    self.site.acknowledged.append(answer["steer"])
        self.ended()


class Site:
    """The one store, and what was said about it."""

    def __init__(self, folder: Path, upstream: str) -> None:
        self.folder, self.upstream = folder, upstream
        self.store, self.model = str(folder / "store.db"), save_model(folder / "tiny", positions=1024)
        self.over = threading.Event()
        self.dice = random.Random(7)
        self.acknowledged: list[str] = []
        self.imported: set[str] = set()
        self.trained: list[bool] = []
        self.seen: set[str] = set()
        self._next = 0
        (folder / "runs").mkdir()
        with Store(self.store) as store, store.transaction() as connection:
            consents.allow(connection, "model", "tiny")

    def next(self) -> int:
        self._next += 1
        return self._next

    def there(self) -> set[str]:
        """Exchanges, steers and texts that are committed now."""
        with Store(self.store, create=False) as store, store.snapshot() as connection:
            tables = (exchange, steer, trajectory)
            return {f"{t.name} {i}" for t in tables for i in connection.execute(sa.select(t.c.id)).scalars()}

    def look(self) -> None:
        """What is there now may never be missing again."""
        self.seen |= self.there()

    def counts(self) -> dict[str, Any]:
        """What was acknowledged, and what of it is lost or there more often than once.

        `rows` are those of files whose import said that it was done, `exchanges` and `seen` what `look` found.
        """
        with Store(self.store) as store:
            steers = Counter(s.id for t in store.trajectories() for s in t.steers)
            by_file = Counter(t.source for t in store.trajectories() for _ in t.steers)
        rows = {name: by_file[name] for name in self.imported}
        passed = {i for i in self.seen if i.startswith("exchange ")}
        gone = self.seen - self.there()
        return {
            "acknowledged": {
                "steers": len(self.acknowledged),
                "rows": ROWS * len(rows),
                "exchanges": len(passed),
                "trainings": len(self.trained),
            },
            "trainings_resumed": sum(self.trained),
            "seen": len(self.seen),
            "lost": {
                "steers": sum(i not in steers for i in self.acknowledged),
                "rows": sum(max(ROWS - n, 0) for n in rows.values()),
                "exchanges": len(gone & passed),
                "seen": len(gone),
            },
            "doubled": {
                "steers": sum(n - 1 for n in steers.values()),
                "rows": sum(max(n - ROWS, 0) for n in rows.values()),
            },
        }


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def address(port: int, stack: contextlib.ExitStack) -> Served:
    made = Served.__new__(Served)
    made.port, made.open = port, stack
    made.url, made.origin = f"http://127.0.0.1:{port}/", f"http://127.0.0.1:{port}"
    return made


def answers(url: str, worker: Worker) -> bool:
    """Wait until a server is there; False where it was killed or the work is over before."""
    until = time.monotonic() + 120
    while time.monotonic() < until and worker.process.poll() is None and not worker.site.over.is_set():
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(url, timeout=5).status_code == 200:
                return True
        time.sleep(0.1)
    assert time.monotonic() < until, f"{worker.name} does not come up"
    worker.ended() if worker.process.poll() is not None else None
    return False


def wait_for(what: Callable[[], bool], workers: list[Worker], seconds: float) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert not [w.trouble for w in workers if w.trouble], [w.trouble for w in workers if w.trouble]
        assert time.monotonic() < until, f"it never came: {[(w.name, w.at_work) for w in workers]}"
        time.sleep(0.05)


def test_what_is_missing_is_counted(tmp_path: Path) -> None:
    site = Site(tmp_path, "")
    with Store(site.store) as store:
        store.add_many([small(str(n), prompt=n, steers=ROWS // 2, source="rows-0.jsonl") for n in range(2)])
        with store.transaction() as connection:
            exchanges.put(connection, exchanges.KeptExchange("e", "c", None, "m", 1.0, {}))
        site.imported, site.acknowledged = {"rows-0.jsonl"}, ["0-0", "1-0"]
        site.look()
        assert not any(site.counts()["lost"].values())
        store.purge(["1"])
        with store.transaction() as connection:
            exchanges.delete(connection, ["e"])
    site.look()
    assert site.counts()["lost"] == {"steers": 1, "rows": ROWS // 2, "exchanges": 1, "seen": 2 + ROWS // 2}


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.timeout(300 + 100 * KILLS)
def test_killed_together_nothing_is_lost(tmp_path: Path) -> None:
    kills: Counter[str] = Counter()
    together, began = 0, time.monotonic()
    with scripted(replies=[REPLY]) as script:
        site = Site(tmp_path, script.url)
        trainer = Trainer(site, "train")
        workers: list[Worker] = [Importer(site, "import"), Studio(site, "studio"), Proxy(site, "proxy"), trainer]
        workers[0].start()
        wait_for(lambda: bool(site.imported), workers, 120)  # training needs something to train on
        for worker in workers[1:]:
            worker.start()
        try:
            for n in range(KILLS):
                first = min(workers, key=lambda w: (kills[w.name], site.dice.random()))
                wait_for(lambda w=first: w.at_work, workers, 300)
                time.sleep(site.dice.uniform(0, 1.5))
                site.look()
                killed = Counter({w.name: w.kill() for w in (workers if n % 4 == 3 else [first])})
                kills += killed  # now and then all at once, as a machine goes down
                together += sum(killed.values()) == len(workers)
                with Store(site.store, create=False) as store:
                    assert store.verify() == [], f"kill {n}"
            while not any(site.trained):  # until one that was killed has gone on to its end
                ran = len(site.trained)
                wait_for(lambda: trainer.at_work, workers, 300)
                kills["train"] += trainer.kill()
                wait_for(lambda ran=ran: len(site.trained) > ran, workers, 300)
        finally:
            site.look()
            site.over.set()
            for worker in workers:
                if worker.process is not None and worker.process.poll() is None:
                    worker.process.kill()
            for worker in workers:
                worker.join(60) if worker.is_alive() else None
                worker.process.wait(60) if worker.process is not None else None  # one that never came up has no waiter
    assert [w.trouble for w in workers if w.trouble] == []
    seconds = time.monotonic() - began
    verified = subprocess.run(
        [sys.executable, "-m", "midcourse", "steers", "verify", "--store", site.store], capture_output=True, text=True
    )
    counts = {
        "machine": {"system": platform.platform(), "python": platform.python_version(), "cpus": os.cpu_count()},
        "database": f"SQLite {sqlite3.sqlite_version}",
        "seconds": seconds,
        "rounds": KILLS,
        "kills": {w.name: kills[w.name] for w in workers},
        "kills_of_all_at_once": together,
        **site.counts(),
        "sound": verified.returncode == 0,
    }
    print(json.dumps(counts))
    if os.environ.get("MIDCOURSE_FAULTS"):
        Path(os.environ["MIDCOURSE_FAULTS"]).write_text(json.dumps(counts, indent=1) + "\n")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert "is sound" in verified.stdout
    assert not any(counts["lost"].values()), counts["lost"]
    assert not any(counts["doubled"].values()), counts["doubled"]
    assert min(kills[w.name] for w in workers) >= KILLS // 8, f"each was killed at work: {kills}"
    assert any(site.trained), "a training went on from a checkpoint"
    assert len(site.acknowledged) > KILLS // 4
