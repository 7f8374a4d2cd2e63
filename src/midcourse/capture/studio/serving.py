"""Opening the port: loopback unless people sign in, logs as JSON, a clean end on SIGTERM."""

import logging
import sys

import uvicorn
from fastapi import FastAPI

from midcourse.capture.studio.access import is_loopback
from midcourse.capture.studio.guard import JsonLines
from midcourse.errors import InputError

__all__ = ["check_host", "serve"]


def check_host(host: str, *, people: bool) -> None:
    """Refuse to be seen from elsewhere while nobody has to sign in.

    Raises:
        InputError: Saying how to add somebody.
    """
    if not is_loopback(host) and not people:
        raise InputError(
            f"--host {host} would let anybody on the network in. Add yourself first: midcourse studio users add NAME "
            "--role admin; it prints a link that signs you in once"
        )


def serve(
    app: FastAPI, host: str, port: int, *, root_path: str = "", proxy: str = "127.0.0.1", quiet: bool = False
) -> None:
    """Run until told to stop; `quiet` logs what goes wrong only."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    for name in ("midcourse.studio", "uvicorn.error"):
        log = logging.getLogger(name)
        log.handlers, log.propagate = [handler], False
        log.setLevel(logging.INFO if name == "midcourse.studio" and not quiet else logging.WARNING)
    uvicorn.run(
        app,
        host=host,
        port=port,
        root_path=root_path,
        access_log=False,
        log_config=None,
        forwarded_allow_ips=proxy,
        ws_max_size=2_000_000,
        ws_ping_interval=20,
        ws_ping_timeout=30,
        timeout_graceful_shutdown=5,
        server_header=False,
        h11_max_incomplete_event_size=64_000,
    )
