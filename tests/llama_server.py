"""A real llama-server, where one is installed: found, started on a port of its own, stopped."""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from midcourse.builtin import cache_folder

WANTED = (
    "there is no llama-server: set MIDCOURSE_LLAMA_SERVER to one, put it on PATH, or run scripts/llama_server, which "
    "builds it (11 minutes on two cores)"
)


def find() -> Path | None:
    """`MIDCOURSE_LLAMA_SERVER`, PATH, or what scripts/llama_server left in the cache."""
    given = os.environ.get("MIDCOURSE_LLAMA_SERVER") or shutil.which("llama-server")
    if given:
        return Path(given)
    built = cache_folder() / "llama-server" / "llama-server"
    return built if built.is_file() else None


@contextlib.contextmanager
def running(server: Path, model: Path, *words: str, log: Path) -> Iterator[str]:
    """The address of a server that has loaded `model`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(server), "-m", str(model), "--host", "127.0.0.1", "--port", str(port), "-c", "2048", "-np", "1"]
    command += ["-t", os.environ.get("OMP_NUM_THREADS", "2"), *words]
    with log.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 120
        while True:
            assert process.poll() is None, log.read_text()[-3000:]
            assert time.monotonic() < deadline, log.read_text()[-3000:]
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{url}/health", timeout=5).status_code == 200:
                    break
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(20)
