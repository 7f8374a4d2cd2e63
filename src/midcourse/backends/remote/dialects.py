"""Which kinds of servers are known, how one is recognised, and which were tried on a real server."""

from collections.abc import Callable
from typing import Any

from midcourse.backends.remote.http import Line
from midcourse.backends.remote.llamacpp import LlamaCpp
from midcourse.backends.remote.ollama import Ollama
from midcourse.backends.remote.openai import VLLM, Midcourse, OpenAI
from midcourse.backends.remote.sglang import SGLang
from midcourse.backends.remote.wire import Dialect
from midcourse.errors import InputError, ServerError

__all__ = ["DIALECTS", "VERIFIED", "dialect_of", "models", "recognise"]

DIALECTS: dict[str, Callable[[], Dialect]] = {d.name: d for d in (LlamaCpp, VLLM, SGLang, Ollama, OpenAI, Midcourse)}
VERIFIED: dict[str, str] = {"llama.cpp": "b11434", "midcourse": "this version"}
"""Dialects that were tried on the real server, with its version; the others only on scripted servers that speak as
documented."""
_OWNERS = {"llamacpp": "llama.cpp", "vllm": "vllm", "sglang": "sglang", "library": "ollama", "midcourse": "midcourse"}


def dialect_of(name: str) -> Dialect:
    """A new dialect by name.

    Raises:
        InputError: There is none of this name.
    """
    if name not in DIALECTS:
        raise InputError(f"no dialect {name!r}; there are {', '.join(DIALECTS)}")
    return DIALECTS[name]()


def models(line: Line) -> list[dict[str, Any]]:
    """What the server lists at `/v1/models`, the route that all have in common.

    Raises:
        ServerError: It lists nothing, so it is no model server.
    """
    said = line.get("/v1/models")
    rows = said.get("data") if isinstance(said, dict) else None
    found = [row for row in rows or () if isinstance(row, dict) and isinstance(row.get("id"), str)]
    if not found:
        raise ServerError(f"{line.url} lists no models at /v1/models; is this the address of a model server?")
    return found


def recognise(line: Line) -> str:
    """The name of the dialect a server speaks, from who owns its models; `openai` where nothing tells.

    Raises:
        ServerError: The server cannot be reached or is none.
    """
    owners = {str(row.get("owned_by")) for row in models(line)}
    for owner, name in _OWNERS.items():
        if owner in owners:
            return name
    version = line.get("/api/version")  # Ollama's models are owned by whoever uploaded them
    return "ollama" if isinstance(version, dict) and "version" in version else "openai"
