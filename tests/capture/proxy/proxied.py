"""The proxy in a thread over real sockets, and what a client does with it."""

import json
import threading
import time
from contextlib import contextmanager

import httpx
import uvicorn

from midcourse.capture.proxy.keeping import Keeper
from midcourse.capture.proxy.listening import Listening
from midcourse.capture.proxy.passing import Passing
from midcourse.capture.proxy.serving import SETTINGS, bind
from midcourse.capture.proxy.upstream import Upstream
from midcourse.store import Store, consents


class Proxy:
    """One that runs."""

    def __init__(self, url: str, listening: Listening | None):
        self.url, self.listening = url, listening

    def settle(self, least: int = 0) -> None:
        """Wait until everything that was heard is written down, and at least so many exchanges."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if self.listening.waiting == 0 and self.listening.keeper.counts["exchanges"] >= least:
                return
            time.sleep(0.01)
        raise AssertionError(f"not written: {self.listening.keeper.counts}, {self.listening.trouble}")


class Deaf:
    """Listens to nothing."""

    def hears(self, call):
        return None


@contextmanager
def serving(upstream: str, listening: Listening | None = None):
    port = bind("127.0.0.1", 0)
    if listening is None:
        passing = Passing(Upstream(upstream), Deaf())
    else:
        passing = Passing(Upstream(upstream), listening, listening.start, listening.stop)
    server = uvicorn.Server(uvicorn.Config(passing, **SETTINGS))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [port]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
        assert thread.is_alive()
    try:
        yield Proxy(f"http://127.0.0.1:{port.getsockname()[1]}", listening)
    finally:
        server.should_exit = True
        thread.join(15)
        port.close()
        assert not thread.is_alive()


@contextmanager
def recording(upstream: str, path, *, allow_model="tiny", fields=None, **keeper):
    """With a store in which a model is allowed."""
    with Store(path) as store:
        with store.transaction() as connection:
            secret = consents.secret(connection)
            if allow_model:
                consents.allow(connection, "model", allow_model)
        listening = Listening(Keeper(store, secret, **keeper), fields=fields, patience=0.05)
        with serving(upstream, listening) as proxy:
            yield proxy, store


def chat(url: str, messages, *, stop_after: int | None = None, headers=None, **body) -> str:
    """Ask for a streamed answer; leave after so many pieces."""
    said = {"model": "tiny", "messages": messages, "stream": True, **body}
    return _streamed(f"{url}/v1/chat/completions", said, stop_after, headers)


def complete(url: str, prompt: str, *, stop_after: int | None = None, headers=None, **body) -> str:
    said = {"model": "tiny", "prompt": prompt, "stream": True, **body}
    return _streamed(f"{url}/v1/completions", said, stop_after, headers)


def _streamed(url: str, body, stop_after, headers) -> str:
    out, got = "", 0
    with httpx.Client(timeout=20) as client, client.stream("POST", url, json=body, headers=headers) as answer:
        for line in answer.iter_lines():
            if not line.startswith("data: {"):
                continue
            [row] = json.loads(line[6:])["choices"]
            piece = row["delta"].get("content") if "delta" in row else row["text"]
            out += piece or ""
            got += bool(piece)
            if stop_after is not None and got >= stop_after:
                break
    return out


def user(text: str) -> dict:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict:
    return {"role": "assistant", "content": text}
