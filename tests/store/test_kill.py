"""Killed at any moment, a store opens again and holds every steer that was acknowledged."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from midcourse.store import Store
from midcourse.types import Place

from .trees import small

CHILD = """
import sys
from midcourse.store import Store
from midcourse.types import Place
sys.path.insert(0, sys.argv[2])
from trees import small
whole = small("a", steers=400)
with Store(sys.argv[1]) as store:
    done = {s.id for s in store.trajectory("a").steers}
    for k, steer in enumerate(whole.steers):
        if steer.id in done:
            continue
        store.append_nodes("a", [whole.nodes[1 + 2 * k]])
        store.append_steer(steer, [whole.nodes[2 + 2 * k]])
        print(steer.id, flush=True)
"""


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2))
def test_kill_9(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "a.db"
    whole, chance = small("a", steers=400), random.Random(seed)
    root = whole.nodes[0]
    with Store(path) as store:
        store.add(whole.with_(nodes=(root,), head=Place(root.id, 3), steers=()))
    acknowledged: list[str] = []
    for _ in range(3):
        run = [sys.executable, "-c", CHILD, str(path), str(Path(__file__).parent)]
        with subprocess.Popen(run, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            acknowledged.append(child.stdout.readline().strip())
            time.sleep(chance.uniform(0, 0.15))
            child.send_signal(signal.SIGKILL)
            acknowledged += [line.strip() for line in child.stdout if line.endswith("\n")]
        assert child.returncode == -signal.SIGKILL, "it was killed at work, not finished"
        with Store(path) as store:
            assert store.verify() == []
            kept = store.trajectory("a").steers
        assert set(acknowledged) <= {s.id for s in kept}
        assert kept == whole.steers[: len(kept)]
    assert len(acknowledged) >= 3


NURSERY = """
import os, sys
from midcourse.store import Store
sys.path.insert(0, sys.argv[1])
from trees import small

def say(*words):
    os.write(1, (" ".join(words) + "\\n").encode())

def steers(path):
    whole = small("a", steers=300)
    with Store(path) as store:
        store.add(whole.with_(nodes=whole.nodes[:1], head=whole.head.__class__(whole.nodes[0].id, 3), steers=()))
        done = {s.id for s in store.trajectory("a").steers}
        for k, steer in enumerate(whole.steers):
            if steer.id not in done:
                store.append_steer(steer, whole.nodes[1 + 2 * k : 3 + 2 * k])
                say("kept", steer.id)

def batches(path):
    with Store(path) as store:
        there = sum(1 for _ in store.trajectories())
        for k in range(there // 5, there // 5 + 300):  # every life writes what is not there yet
            made = [small(f"t{k}-{n}", prompt=1000 * k + n) for n in range(5)]
            store.add_many(made)
            say("kept", *(s.id for t in made for s in t.steers))

for line in sys.stdin:
    how, path = line.split()
    child = os.fork()
    if child == 0:
        {"steers": steers, "batches": batches}[how](path)
        os._exit(0)
    say("pid", str(child))
    os.waitpid(child, 0)
    say("dead")
"""


@pytest.mark.slow
@pytest.mark.parametrize("how", ["steers", "batches"])
def test_100_kills_at_random_points(tmp_path: Path, how: str) -> None:
    """Two hundred in all, from before the file is made to the middle of a transaction."""
    chance = random.Random(how)
    acknowledged: set[str] = set()
    killed_at_work = 0
    command = [sys.executable, "-c", NURSERY, str(Path(__file__).parent)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as nursery:
        assert nursery.stdin is not None
        assert nursery.stdout is not None
        for n in range(100):
            path = tmp_path / f"{n // 4}.db"  # each store is killed four times
            if n % 4 == 0:
                acknowledged = set()
            at_work = n % 2 == 1  # else from the start of the process on, however slow the machine
            wait = chance.uniform(0, 0.05 if at_work else 0.25)
            nursery.stdin.write(f"{how} {path}\n")
            nursery.stdin.flush()
            before = len(acknowledged)
            pid = 0
            for line in nursery.stdout:
                what, *ids = line.split()
                if what == "kept":
                    acknowledged.update(ids)
                if what == "pid":
                    pid = int(ids[0])
                if what == "dead":
                    break
                if pid and what == ("kept" if at_work else "pid"):
                    time.sleep(wait)
                    with contextlib.suppress(ProcessLookupError):  # it was quicker than we
                        os.kill(pid, signal.SIGKILL)
                    pid = 0
            killed_at_work += len(acknowledged) > before
            with Store(path) as store:
                assert store.verify() == [], f"kill {n}"
                kept = {s.id for t in store.trajectories() for s in t.steers}
            assert acknowledged <= kept, f"kill {n} lost steers"
        nursery.stdin.close()
    assert killed_at_work >= 40, "most of them were killed while they wrote"
