"""Opening the proxy's port, and saying first what it will keep, where and for how long."""

import logging
import re
import socket
import sys
from collections.abc import Sequence

import uvicorn
from rich.console import Console

from midcourse.capture.proxy.fields import Fields, Kind
from midcourse.capture.proxy.listening import Listening
from midcourse.capture.proxy.passing import Passing
from midcourse.capture.proxy.upstream import Upstream
from midcourse.errors import InputError

__all__ = ["SETTINGS", "announce", "bind", "named", "read_days", "say", "serve"]

SWITCH = 0.0005
"""Seconds after which the recording thread lets a waiting stream go first; Python's own 5 ms would be felt."""
SETTINGS = {
    "access_log": False,
    "log_level": "critical",  # an answer that broke off is told by ourselves
    "server_header": False,
    "date_header": False,
    "ws": "none",
    "lifespan": "on",
    "proxy_headers": False,
    "timeout_graceful_shutdown": 5,
}
"""How the server runs: it adds no header of its own and no line to a log."""
_UNITS = {"h": 3600.0, "d": 86_400.0, "w": 7 * 86_400.0, "y": 365 * 86_400.0}


def read_days(said: str) -> float | None:
    """Seconds of `90d`, `12h`, `2w`, `1y`; None for `forever`.

    Raises:
        InputError: It is none of these.
    """
    if said == "forever":
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([hdwy])", said.strip())
    if match is None or float(match[1]) == 0:
        raise InputError(f"--retain {said}: expected a time such as 90d, 12h, 2w, 1y, or forever")
    return float(match[1]) * _UNITS[match[2]]


def announce(
    listening: Listening, upstream: Upstream, store: str, retain: str, fields: Sequence[str], told: str
) -> list[str]:
    """What a proxy will do, in sentences for whoever starts it."""
    allowed = listening.keeper.consents
    lines = [f"Everything is passed on to {upstream.url}."]
    if not allowed:
        lines.append("Nothing is kept: nobody has allowed it. `midcourse proxy allow --help` says how.")
    else:
        models = ", ".join(sorted(allowed.models))
        clients = len(allowed.clients)
        who = [f"{clients} client{'s' if clients > 1 else ''}"] if clients else []
        who += [f"whoever asks for {models}"] if models else []
        lines.append(f"Kept of {' and of '.join(who)}: prompts, answers and the corrections of answers, as text.")
    days = "until it is purged" if retain == "forever" else f"for {retain}"
    lines.append(f"Where: {store}, {days}; accepted steers stay until they are purged.")
    lines.append("Never kept: keys, names, addresses, what looks like a secret, requests with X-Steer-Capture: off.")
    if listening.keeper.accept_certain:
        lines.append("Steers that are certain train without being looked at (--accept certain); others wait.")
    else:
        lines.append("Nothing trains before somebody accepts it: midcourse proxy inbox.")
    if told:
        lines.append(told)
    if fields:
        lines.append(f"Fields are added to requests and taken out of the answers: {', '.join(fields)}.")
    return lines


def named(fields: dict[Kind, Fields]) -> list[str]:
    """The fields that are added, by name."""
    return sorted({name for f in fields.values() for name in f.add})


def serve(passing: Passing, port: socket.socket) -> None:
    """Run until told to stop."""
    log = logging.getLogger("midcourse.proxy")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    log.handlers, log.propagate = [handler], False
    log.setLevel(logging.INFO)
    sys.setswitchinterval(SWITCH)
    uvicorn.Server(uvicorn.Config(passing, **SETTINGS)).run(sockets=[port])  # type: ignore[arg-type]


def bind(host: str, port: int) -> socket.socket:
    """The port, taken.

    Raises:
        InputError: It is taken already, or the address is none of this machine.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise InputError(
            f"--host {host} --port {port} cannot be listened on ({error.strerror or error}); choose another port"
        ) from error


def say(lines: Sequence[str]) -> None:
    """On stderr."""
    console = Console(stderr=True)
    for line in lines:
        console.print(line, soft_wrap=True, markup=False, highlight=False)
