"""The nginx example of docs/studio.md, as it stands there, in front of a studio as users start it: TLS and a prefix."""

import contextlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from capture.studio.page.launched import Launched, free_port
from capture.studio.page.opened import until, view

NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
    pytest.mark.model,
    pytest.mark.slow,
    pytest.mark.alone,
    pytest.mark.timeout(600),
    pytest.mark.skipif(NGINX is None, reason="nginx is not installed: apt-get install nginx-light"),
    pytest.mark.skipif(
        shutil.which("openssl") is None, reason="openssl, which makes the certificate, is not installed"
    ),
]
DOCS = Path(__file__).parents[4] / "docs" / "studio.md"


def example() -> str:
    found = re.search(r"```nginx\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    return found[1]


def config(folder: Path, port: int, studio: int) -> Path:
    """The example with this machine's ports, name and certificate, in the frame that a package brings along."""
    key, certificate = folder / "studio.key", folder / "studio.pem"
    name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *name]
    subprocess.run([*made, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    server = example()
    for there, here in {
        "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
        "server_name studio.example.org;": "server_name localhost;",
        "/etc/ssl/studio.pem": str(certificate),
        "/etc/ssl/studio.key": str(key),
        "http://127.0.0.1:8321/": f"http://127.0.0.1:{studio}/",
    }.items():
        assert server.count(there) == 1, there
        server = server.replace(there, here)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder / kind};\n" for kind in kinds)
    user = "user root;\n" if os.geteuid() == 0 else ""
    path = folder / "nginx.conf"
    path.write_text(
        f"{user}daemon off;\npid {folder / 'nginx.pid'};\nerror_log {folder / 'error.log'};\nevents {{}}\n"
        f"http {{\naccess_log off;\n{temporary}{server}}}\n"
    )
    return path


@contextlib.contextmanager
def nginx(folder: Path, path: Path) -> Iterator[None]:
    process = subprocess.Popen([str(NGINX), "-p", str(folder), "-c", str(path)], stderr=subprocess.PIPE)
    try:
        time.sleep(0.5)
        assert process.poll() is None, process.stderr and process.stderr.read().decode()
        yield
    finally:
        process.terminate()
        process.wait(20)
        if process.stderr:
            process.stderr.close()


def test_the_example_of_the_docs(tab: Callable[..., Any], tmp_path: Path) -> None:
    port = free_port()
    address = f"https://localhost:{port}/studio/"
    studio = Launched(tmp_path, "--root_path", "/studio")
    link = studio.users("add", "ada", "--role", "admin", "--url", address)
    assert link.startswith(f"{address}enter/")
    path = config(tmp_path, port, studio.port)
    try:
        studio.start()
        with nginx(tmp_path, path):
            page = tab(link, ready=False, ignore_https_errors=True)
            page.wait_for_selector("button:focus")
            page.keyboard.press("Enter")
            page.wait_for_selector("body[data-link=live]")
            assert page.url.startswith(address)
            [cookie] = page.context.cookies()
            facts = [cookie[k] for k in ("path", "secure", "httpOnly", "sameSite")]
            assert facts == ["/studio/", True, True, "Strict"]
            assert page.evaluate("midcourse.socket.socket.url") == f"wss://localhost:{port}/studio/ws"
            assert page.request.get(address + "healthz").status == 200
            assert page.request.get(address + "metrics").status == 404  # for machines on this side of the proxy only
            assert page.request.get(address.rstrip("/")).url == address
            page.fill("[data-testid=own-prompt]", "Write a long story about a boat on a river.")
            page.keyboard.press("Enter")
            until(page, "s.view.phase === 'stream' && s.view.shown > 10", 120)
            page.keyboard.press("Space")
            until(page, "s.view.phase === 'pause' && s.draft.mode !== 'streaming'", 60)
            page.keyboard.type("softly")
            page.keyboard.press("Enter")
            until(page, "s.draft.steers.length === 1 && !s.view.pending", 60)
            stranger = tab(address, ready=False, ignore_https_errors=True)
            stranger.wait_for_selector("#banner:not([hidden])")
            assert "not signed in" in stranger.inner_text("#banner")
        until(page, "s.link.status === 'lost' && s.link.tries > 1", 30)
        with nginx(tmp_path, path):  # renewed: the page comes back by itself
            until(page, "s.link.status === 'live'", 60)
            assert "softly" in page.inner_text("#text")
            assert view(page, "me.name") == "ada"
        [text] = studio.texts()
    finally:
        studio.end()
    assert [(s.kind, s.annotator) for s in text.steers] == [("typed", "ada")]
    problems = (tmp_path / "error.log").read_text()
    assert "[emerg]" not in problems
    assert "[crit]" not in problems
