"""Killed at any moment, a store opens again and holds every steer that was acknowledged."""

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
