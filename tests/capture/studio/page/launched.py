"""`midcourse studio` as a user starts it: a process of its own, with the built-in model."""

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from midcourse.store.db import Store
from midcourse.types import Trajectory

__all__ = ["Launched", "free_port", "launched"]


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Launched:
    """A studio that can be started, asked to stop, killed, and started again on the same store and port."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.store, self.port = folder / "s.db", free_port()
        self.address = f"http://127.0.0.1:{self.port}/"
        given = ["--store", str(self.store), "--port", str(self.port), "--runs", str(folder / "runs"), *options]
        self.command = [sys.executable, "-m", "midcourse", "studio", *given]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Until it answers: the model is read from the disk first."""
        said = subprocess.DEVNULL
        self.process = subprocess.Popen(self.command, stdout=said, stderr=said, env=os.environ)
        for _ in range(900):
            assert self.process.poll() is None, "the studio ended at once"
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.address}readyz", timeout=2) as answer:
                if answer.status == 200:
                    return
            time.sleep(0.2)
        raise AssertionError("the studio did not start")

    def end(self) -> None:
        """Kill it, whatever it does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def users(self, *words: str) -> str:
        """`midcourse studio users …`; what it printed."""
        command = [sys.executable, "-m", "midcourse", "studio", "users", *words, "--store", str(self.store)]
        return subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ).stdout.strip()

    def texts(self) -> list[Trajectory]:
        """What is in the store, oldest first."""
        with Store(str(self.store), create=False) as store:
            return list(store.trajectories())


@contextlib.contextmanager
def launched(folder: Path, *options: str) -> Iterator[Launched]:
    """Started, and killed at the end."""
    studio = Launched(folder, *options)
    try:
        studio.start()
        yield studio
    finally:
        studio.end()
