"""The real server in the test's own process, and looking into the page's state."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from capture.studio.page.told import Told, tokenizer
from midcourse.capture.studio.opening import Opening, open_studio
from midcourse.capture.studio.writer import Loaded
from midcourse.store.db import Store
from midcourse.types import ModelRef, Steer

__all__ = ["Open", "begin", "keep", "running", "stop", "until", "view", "whole"]


@dataclass
class Open:
    """A studio that runs, and the store it writes to."""

    address: str
    store: Store
    told: Told
    server: uvicorn.Server

    def steers(self) -> list[Steer]:
        """All steers in the store, oldest first."""
        found = [s for t in self.store.trajectories() for s in t.steers]
        return sorted(found, key=lambda s: s.created or 0.0)

    def soon(self) -> str:
        """The text that the store has when it has come to rest: what was seen is told a moment later."""
        before, end = None, time.monotonic() + 5
        while (now := self.text()) != before and time.monotonic() < end:
            before = now
            time.sleep(0.25)
        return now

    def heads(self) -> list[tuple[int, int]]:
        """(tokens of the kept text, tokens in all nodes) of each draft."""
        return [
            (t.head.depth - len(t.nodes[0].token_ids), sum(len(n.token_ids) for n in t.nodes[1:]))
            for t in self.store.trajectories()
        ]

    def text(self, draft: str | None = None) -> str:
        """The text that the store has, of the only draft or a named one."""
        one = self.store.trajectory(draft) if draft else next(iter(self.store.trajectories()))
        ids = one.path(one.head)[len(one.nodes[0].token_ids) :]
        return tokenizer().decode([i for i in ids if i not in tokenizer().eos])


@contextlib.contextmanager
def running(
    told: Told,
    path: Path,
    prompts: Sequence[str] = ("Say something.",),
    load: Callable[[Path | None], Loaded] | None = None,
    **more: Any,
) -> Iterator[Open]:
    """The real server in this process, with a told backend in place of a model unless `load` makes one."""
    given = path.with_suffix(".jsonl")
    given.write_text("".join(json.dumps({"prompt": p}) + "\n" for p in prompts))
    with Store(str(path)) as store:
        loaded = Loaded(told, tokenizer(), ModelRef("told", "0" * 64))
        opening = Opening(prompts=given if prompts else None, runs=path.parent / "runs", max_new_tokens=30_000, **more)
        app = open_studio(store, opening, lambda: load or (lambda _: loaded))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        server = uvicorn.Server(
            uvicorn.Config(app, port=port, log_config=None, access_log=False, ws_max_size=2_000_000)
        )
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield Open(f"http://127.0.0.1:{port}/", store, told, server)
        finally:
            server.should_exit = True
            thread.join(15)


def view(page: Any, path: str) -> Any:
    """Something of the page's state, `view.phase`."""
    return page.evaluate("(path) => path.split('.').reduce((o, k) => o?.[k], globalThis.midcourse.state)", path)


def until(page: Any, what: str, seconds: float = 15.0) -> None:
    """Waits until an expression over the state `s` is true. (The page's CSP forbids Playwright's own way.)"""
    end = time.monotonic() + seconds
    while not page.evaluate(f"(() => {{ const s = globalThis.midcourse.state; return Boolean({what}); }})()"):
        if time.monotonic() > end:
            now = page.evaluate(
                "JSON.stringify([midcourse.state.view, {...midcourse.state.draft, doc: 0}, midcourse.state.link])"
            )
            raise AssertionError(f"not within {seconds} s: {what}\n{now}")
        page.wait_for_timeout(20)


def begin(page: Any) -> None:
    """The first prompt of the queue, by keyboard, until words are seen."""
    page.keyboard.press("Enter")
    until(page, "s.view.phase === 'stream' && s.view.shown > 3")


def stop(page: Any) -> None:
    """While it writes: until it stands still, here and on the server."""
    page.keyboard.press("Space")
    until(page, "s.view.phase === 'pause' && s.draft.mode === 'paused'")


def whole(page: Any) -> None:
    """The first prompt, until the model has ended its text."""
    begin(page)
    until(page, "s.draft.mode === 'ended' && s.view.phase === 'pause'")


def keep(page: Any, words: str) -> None:
    """Put words in place of the second word of the text that stands still, and keep the rest."""
    page.keyboard.press("Home")
    page.keyboard.press("Control+ArrowRight")
    page.keyboard.type(words)
    page.keyboard.press("Alt+Enter")
