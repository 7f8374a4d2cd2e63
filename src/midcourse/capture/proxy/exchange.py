"""One request to a model and what came back, in the words that decide whether the next request shows a steer.

Plain text only: it knows no HTTP, no token ids and no store. A chat request whose last message is the assistant's asks
to go on with it: that message is the `prefill` and is no turn.
"""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Asked", "End", "Exchange", "Route", "Turn"]

Route = Literal["chat", "completions"]
End = Literal["stop", "length", "aborted", "failed"]


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a request."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What a client asked for."""

    route: Route
    turns: tuple[Turn, ...]
    """The messages before the text that is asked for; `completions`: one turn of role `prompt`, the whole prompt."""
    prefill: str = ""
    """Chat: what the assistant's message already says and the model is to continue; empty: a message of its own."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One generation, as the client knows it."""

    id: str
    asked: Asked
    text: str
    """What the model wrote, as the client was sent it: behind the prefill (or with it, where the server echoes it)."""
    end: End
    """How it ended: by itself, at the length asked for, because the client left, or because something broke."""
    at: float
    """When it ended, in seconds since 1970."""
