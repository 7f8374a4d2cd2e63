"""Debian's Chromium, driven by Playwright; the page's modules as they are served."""

import contextlib
import functools
import http.server
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import midcourse
from capture.studio.page.opened import Open, running
from capture.studio.page.told import Told

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: scripts/setup")
PAGE = Path(midcourse.__file__).parent / "capture" / "studio" / "page"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="session")
def browser() -> Iterator["sync_api.Browser"]:
    """One headless Chromium for all tests."""
    if CHROMIUM is None:
        pytest.skip("no Chromium here: scripts/setup installs Debian's where it may")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="session")
def files() -> Iterator[str]:
    """Address of the page's files, without a studio behind them."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=PAGE))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="session")
def modules(browser: "sync_api.Browser", files: str) -> Iterator["sync_api.Page"]:
    """A blank page in which `await use('doc.js')` gives a module: for what needs no DOM."""
    page = browser.new_page()
    page.goto(f"{files}/icon.svg")
    page.evaluate("() => { globalThis.use = (name) => import(new URL(`/js/${name}`, location.href).href); }")
    yield page
    page.close()


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Callable[..., Open]]:
    """Opens a studio that says the given texts."""
    with contextlib.ExitStack() as stack:

        def open_one(
            *texts: str, prompts: Sequence[str] = ("Say something.",), opening: Any = None, **told: Any
        ) -> Open:
            return stack.enter_context(running(Told(texts, **told), tmp_path / "steers.db", prompts, **(opening or {})))

        yield open_one


@pytest.fixture
def tab(browser: "sync_api.Browser") -> Iterator[Callable[..., "sync_api.Page"]]:
    """Opens a tab in a fresh profile; an error in the page fails the test."""
    contexts, wrong = [], []

    def open_tab(address: str, ready: bool = True, **context: object) -> "sync_api.Page":
        one = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **context})
        contexts.append(one)
        page = one.new_page()
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda e: wrong.append(f"{e}\n{e.stack}"))
        page.on("console", lambda m: wrong.append(m.text) if "Content Security" in m.text else None)
        page.goto(address)
        if ready:
            page.wait_for_selector("body[data-link=live]")
        return page

    yield open_tab
    for one in contexts:
        one.close()
    assert not wrong, wrong
