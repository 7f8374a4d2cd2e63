"""The proxy in a thread over real sockets, and what a client does with it."""

import json
import threading
import time
from contextlib import contextmanager

import httpx
import uvicorn

from midcourse.capture.proxy.keeping import Keeper
from midcourse.capture.proxy.passing import Passing
from midcourse.capture.proxy.recorder import Recorder
from midcourse.capture.proxy.serving import SETTINGS, bind
from midcourse.capture.proxy.upstream import Upstream
from midcourse.store import Store, consents


class Proxy:
    """One that runs."""

    def __init__(self, url: str, recorder: Recorder | None):
        self.url, self.recorder = url, recorder

    def settle(self, least: int = 0) -> None:
        """Wait until everything that was heard is written down, and at least so many exchanges."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if self.recorder.waiting == 0 and self.recorder.keeper.counts["exchanges"] >= least:
                return
            time.sleep(0.01)
        raise AssertionError(f"not written: {self.recorder.keeper.counts}, {self.recorder.trouble}")


class Deaf:
    """Listens to nothing."""

    def hears(self, call):
        return None


@contextmanager
def serving(upstream: str, recorder: Recorder | None = None):
    port = bind("127.0.0.1", 0)
    if recorder is None:
        passing = Passing(Upstream(upstream), Deaf())
    else:
        passing = Passing(Upstream(upstream), recorder, recorder.start, recorder.stop)
    server = uvicorn.Server(uvicorn.Config(passing, **SETTINGS))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [port]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
        assert thread.is_alive()
    try:
        yield Proxy(f"http://127.0.0.1:{port.getsockname()[1]}", recorder)
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
        recorder = Recorder(Keeper(store, secret, **keeper), fields=fields, patience=0.05)
        with serving(upstream, recorder) as proxy:
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
