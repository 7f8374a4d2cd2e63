"""The real server on a real port, a model that babbles by rule, and a page that only keeps what it is sent."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import uvicorn
from scripted import tokenizer
from websockets.sync.client import connect

from midcourse.backends.protocol import Sampling, Token
from midcourse.capture.studio.access import new_link
from midcourse.capture.studio.opening import Opening, open_studio
from midcourse.capture.studio.writer import Loaded
from midcourse.store.db import Store
from midcourse.types import ModelRef

WORDS = tokenizer().encode(" You should go home. It's a very good day, café 日本語 🙂🙂 don't stop the cat.")


class Babbler:
    """The next token depends on how long the text is, and never is a banned one."""

    def __init__(self, pause: float = 0.0, ends_at: int | None = None) -> None:
        self.pause, self.ends_at = pause, ends_at
        self.calls: list[tuple[list[int], Sampling]] = []
        self.fails: Exception | None = None
        self.warmed: list[list[int]] = []

    def stream(self, token_ids: Sequence[int], sampling: Sampling) -> Iterator[Token]:
        self.calls.append((list(token_ids), sampling))
        at = len(token_ids)
        for step in range(sampling.max_new_tokens):
            if self.fails is not None:
                raise self.fails
            time.sleep(self.pause)
            if self.ends_at is not None and at + step >= self.ends_at:
                yield Token(tokenizer().eos[0], -0.1)
                return
            id = WORDS[(at + step) % len(WORDS)]
            if step == 0 and id in sampling.banned_first:
                id = WORDS[(at + 1) % len(WORDS)]
            others = tuple((WORDS[(at + step + k) % len(WORDS)], -1.0 - k) for k in range(sampling.alternatives))
            yield Token(id, -0.5, others)

    def held(self, token_ids: Sequence[int]) -> int:
        return max(0, len(token_ids) - 2)

    def warm(self, token_ids: Sequence[int]) -> None:
        self.warmed.append(list(token_ids))


class Served:
    """A studio that runs."""

    def __init__(self, folder: Path, backend: Babbler, port: int, app) -> None:
        self.folder, self.backend, self.port, self.app = folder, backend, port, app
        self.url = f"http://127.0.0.1:{port}/"
        self.origin = f"http://127.0.0.1:{port}"
        self.studio = app.state.studio
        self.open = contextlib.ExitStack()

    def page(self, cookie: str | None = None, **hello) -> "Page":
        return Page(self, cookie, hello)

    def client(self, **headers: str) -> httpx.Client:
        return self.open.enter_context(httpx.Client(base_url=self.url, headers={"Origin": self.origin, **headers}))


@contextlib.contextmanager
def serve(
    folder: Path, backend: Babbler | None = None, root_path: str = "", place: str | None = None, load=None, **settings
) -> Iterator[Served]:
    backend = backend or Babbler()
    with Store(place or folder / "store.db") as store:
        load = load or (lambda _: Loaded(backend, tokenizer(), ModelRef("babbler", "0" * 32)))
        app = open_studio(store, Opening(runs=folder / "runs", **settings), lambda: load)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        server = uvicorn.Server(
            uvicorn.Config(
                app, port=port, root_path=root_path, log_level="error", access_log=False, ws_max_size=2_000_000
            )
        )
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        served = Served(folder, backend, port, app)
        try:
            yield served
        finally:
            served.open.close()
            server.should_exit = True
            thread.join(20)
            assert not thread.is_alive()


def person(served, name, role="annotator"):
    """Added as `midcourse studio users add` does it, signed in with the link."""
    token, link = new_link(name)
    served.studio.office.journal.add("person", {"name": name, "role": role})
    served.studio.office.journal.add("link", link)
    client = served.client()
    entered = client.post("enter", data={"token": token})
    assert entered.status_code == 303
    cookie = entered.cookies["midcourse_session"]
    client.headers["Cookie"] = f"midcourse_session={cookie}"
    flags = entered.headers["set-cookie"].lower()
    assert "httponly" in flags
    assert "samesite=strict" in flags
    return client, cookie, token


def opened(served: Served, **options):
    """A bare socket."""
    options.setdefault("origin", served.origin)
    made = connect(f"ws://127.0.0.1:{served.port}/ws", max_size=None, close_timeout=2, **options)
    return served.open.enter_context(made)


class Page:
    """Applies events as the protocol says and nothing else."""

    def __init__(self, served: Served, cookie: str | None, hello: dict) -> None:
        headers = {"Cookie": f"midcourse_session={cookie}"} if cookie else {}
        self._socket = opened(served, additional_headers=headers)
        self._next = 1
        self.events: list[dict] = []
        self.draft: dict = {}
        self.send("hello", protocol=1, **hello)
        self.welcome = self.wait("welcome")
        self.opened = self.wait("ok", "error")

    # -- wire ----------------------------------------------------------------------------------------------------------

    def send(self, cmd: str, **fields) -> int:
        self._next += 1
        self._socket.send(json.dumps({"cmd": cmd, "id": self._next, **fields}))
        return self._next

    def do(self, cmd: str, **fields) -> dict:
        """Send and wait for the answer."""
        if cmd in ("replace", "pick", "resample", "rewind", "end", "jump"):
            fields.setdefault("rev", self.draft["rev"])
        re = self.send(cmd, **fields)
        while True:
            event = self.take()
            if event["event"] in ("ok", "error") and event["re"] == re:
                return event

    def take(self, timeout: float = 20) -> dict:
        event = json.loads(self._socket.recv(timeout))
        self.events.append(event)
        self._apply(event)
        return event

    def wait(self, *names: str, timeout: float = 20, **fields) -> dict:
        """The next event of a name with these values."""
        while True:
            event = self.take(timeout)
            if event["event"] in names and all(event.get(k) == v for k, v in fields.items()):
                return event

    def rest(self) -> None:
        """Until the stream is over."""
        while self.draft["mode"] == "streaming":
            self.take()

    def close(self) -> None:
        self._socket.close()

    # -- what a page keeps ---------------------------------------------------------------------------------------------

    @property
    def text(self) -> str:
        return self.draft["text"]

    def _apply(self, event: dict) -> None:
        name = event["event"]
        if name == "snapshot":
            self.draft = event["draft"]
            self.draft["steers"] = {s["id"]: s for s in self.draft["steers"]}
            return
        if "seq" not in event:
            return
        assert event["seq"] == self.draft["seq"] + 1, "an event is missing"
        self.draft["seq"] = event["seq"]
        if name == "tokens":
            self.draft["rev"] = event["rev"]
            self.draft["tokens"] = [*self.draft["tokens"][: event["at"]], *event["tokens"]]
            self.draft["text"] = self.draft["text"][: event["from"]] + event["text"]
            self.draft["parts"] = event["parts"] if event["parts"] is not None else self.draft["parts"]
        elif name == "state":
            self.draft.update({k: event[k] for k in ("rev", "mode", "status", "shown", "undo", "redo", "ended_by")})
        elif name == "steer":
            self.draft["steers"][event["steer"]["id"]] = event["steer"]
        elif name == "trouble":
            self.draft["trouble"] = event["code"]
