"""Debian's Chromium, driven by Playwright; the page's modules as they are served."""

import functools
import http.server
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import midcourse

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
