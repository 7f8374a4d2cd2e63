"""A store that is brought to the next layout while others write: they wait, then they are told, and nothing is lost."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from midcourse.store import Store, migrate, migrations, schema

WRITER = """
import itertools, sys
from midcourse.errors import StoreError
from midcourse.store import Store
sys.path.insert(0, sys.argv[3])
from trees import small
with Store(sys.argv[1]) as store:
    try:
        for k in itertools.count():
            store.add(small(f"{sys.argv[2]}{k}", prompt=10**6 * int(sys.argv[4]) + k, steers=2))
            print("kept", f"{sys.argv[2]}{k}", flush=True)
    except StoreError as error:
        print("told", error, flush=True)
"""


@pytest.mark.long
def test_writers_wait_then_are_told_and_lose_nothing(place: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> None:
    url = place()

    def step(connection: sa.Connection) -> None:
        connection.exec_driver_sql("ALTER TABLE steer ADD COLUMN mood VARCHAR")
        time.sleep(1)

    Store(url).close()
    command = [sys.executable, "-c", WRITER, url]
    here = str(Path(__file__).parent)
    writers = {
        name: subprocess.Popen([*command, name, here, str(n)], stdout=subprocess.PIPE, text=True)
        for n, name in enumerate("abc")
    }
    said = {name: [w.stdout.readline() for _ in range(5)] for name, w in writers.items() if w.stdout}
    monkeypatch.setattr(migrations, "VERSION", schema.VERSION + 1)
    monkeypatch.setattr(migrations, "SINCE", "7.8.9")
    monkeypatch.setitem(migrations.STEPS, schema.VERSION, step)
    assert migrate(url)[0] == schema.VERSION
    for name, writer in writers.items():
        assert writer.stdout is not None
        said[name] += writer.stdout
        writer.stdout.close()
        assert writer.wait(60) == 0
    with Store(url, create=False) as store:
        assert store.verify() == []
        stored = [t.id for t in store.trajectories()]
    for name, lines in said.items():
        kept = [line.split()[1] for line in lines if line.startswith("kept")]
        assert "while it was open here" in lines[-1], "each of them was at work and was told"
        assert "midcourse>=7.8.9" in lines[-1]
        assert kept == [i for i in stored if i.startswith(name)], "all that was acknowledged, and nothing else"
