"""`midcourse serve` on a real port, over a tiny model and its adapters."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import uvicorn

import model_folder
from midcourse.model import load_model
from midcourse.publish.serve.app import create_app
from midcourse.publish.serve.models import Models


class Served:
    """A server that runs."""

    def __init__(self, url: str, app, models: Models, base: Path, adapter: Path) -> None:
        self.url, self.app, self.models, self.base, self.adapter = url, app, models, base, adapter

    def post(self, route: str, **body) -> httpx.Response:
        return httpx.post(f"{self.url}/v1/{route}", json=body, timeout=60)

    def complete(self, prompt, model: str = "tiny", **more) -> httpx.Response:
        body = {"model": model, "prompt": prompt, "temperature": 0, "max_tokens": 12}
        return self.post("completions", **(body | more))

    def chat(self, *said: str, model: str = "tiny", **more) -> httpx.Response:
        """Roles alternate, the user begins."""
        turns = [{"role": ("user", "assistant")[n % 2], "content": text} for n, text in enumerate(said)]
        body = {"model": model, "messages": turns, "temperature": 0, "max_tokens": 12}
        return self.post("chat/completions", **(body | more))


def folders(home: Path, positions: int = 256) -> tuple[Path, Path]:
    """A base called tiny and an adapter on it."""
    base = model_folder.save_model(home / "tiny", positions=positions)
    return base, model_folder.save_adapter(home / "adapter", base)


@contextlib.contextmanager
def running(app) -> Iterator[str]:
    """The address of an application on a port of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", access_log=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


@contextlib.contextmanager
def serve(home: Path, *, key: str | None = None, positions: int = 256) -> Iterator[Served]:
    """`tiny` and `steered`."""
    base, adapter = folders(home, positions)
    models = Models(load_model(base), "tiny", {"steered": adapter}, memory=1 << 24)
    app = create_app(models, most_tokens=64, key=key)
    with running(app) as url:
        yield Served(url, app, models, base, adapter)
