"""Events of the server, one shape each; what they mean is written in `protocol.py`."""

from typing import Any, Literal

from pydantic import Field

from midcourse.capture.studio.shapes import (
    AlternativeView,
    BranchView,
    DraftView,
    Mode,
    ModelView,
    PartView,
    Shape,
    SteerView,
    TokenView,
    TypingView,
)
from midcourse.types import Status

__all__ = ["PROTOCOL", "Event"]

PROTOCOL = 1
"""Raised with every change that an older page would misread."""


class Welcome(Shape):
    """First event of a socket."""

    event: Literal["welcome"] = "welcome"
    protocol: int = PROTOCOL
    version: str
    name: str
    role: Literal["admin", "annotator"]
    model: ModelView
    can: tuple[str, ...] = ()
    """Of `alternatives`, `train`, `review`, `queue`: what this server and this person can do."""
    tags: tuple[str, ...] = ()
    """Reason tags."""
    away_after: float = 60.0
    """Seconds without a key or pointer after which the page reports `idle`."""


class Snapshot(Shape):
    """A whole draft."""

    event: Literal["snapshot"] = "snapshot"
    seq: int
    draft: DraftView


class Tokens(Shape):
    """The text from token `at` and code point `from` on."""

    event: Literal["tokens"] = "tokens"
    seq: int
    rev: int
    at: int
    from_: int = Field(serialization_alias="from")
    text: str
    tokens: tuple[TokenView, ...]
    parts: tuple[PartView, ...] | None = None
    """All parts, when they changed."""


class StateEvent(Shape):
    """How it stands."""

    event: Literal["state"] = "state"
    seq: int
    rev: int
    mode: Mode
    status: Status
    shown: int
    undo: int
    redo: int
    ended_by: Literal["end", "limit", "context", "stopped", "steer", "trouble"] | None = None
    rate: float | None = None
    """Tokens per second of the last stretch."""
    waiting: int = 0
    """Other drafts that share the model now."""
    flagged: str | None = None
    seconds: float = 0.0


class SteerEvent(Shape):
    """A steer, new or changed."""

    event: Literal["steer"] = "steer"
    seq: int
    steer: SteerView


class Presence(Shape):
    """Tabs on this draft."""

    event: Literal["presence"] = "presence"
    seq: int
    tabs: int


class SavedTyping(Shape):
    """Uncommitted text of some tab."""

    event: Literal["saved_typing"] = "saved_typing"
    seq: int
    tab: str
    """Not mine: mine is in `welcome`'s socket; the page ignores its own by `ok`."""
    typing: TypingView | None


class Trouble(Shape):
    """What is the matter."""

    event: Literal["trouble"] = "trouble"
    seq: int
    code: str | None
    message: str = ""
    passes: bool = False
    """It is tried again without the person."""


class Training(Shape):
    """How training goes: as `GET api/train`."""

    event: Literal["training"] = "training"
    run: dict[str, Any]


class Notice(Shape):
    """Fetch again."""

    event: Literal["notice"] = "notice"
    about: Literal["queue", "model", "review", "people", "shutdown", "guidelines", "tags", "adapters", "inbox"]
    message: str = ""


class Ok(Shape):
    """Done."""

    event: Literal["ok"] = "ok"
    re: int | None
    draft: str | None = None
    """The draft this tab shows now, where the command changed it; its `snapshot` came before."""
    steer: str | None = None
    """The steer that was made."""


class ErrorEvent(Shape):
    """Not done."""

    event: Literal["error"] = "error"
    re: int | None
    code: str
    message: str
    """One sentence for the person."""
    retry: bool = False


class Pong(Shape):
    """Alive."""

    event: Literal["pong"] = "pong"
    re: int | None


class Found(Shape):
    """Alternatives that were asked for."""

    event: Literal["found"] = "found"
    re: int | None
    rev: int
    token: int
    alternatives: tuple[AlternativeView, ...]


class GhostEvent(Shape):
    """How it would go on, the alternative included."""

    event: Literal["ghost"] = "ghost"
    re: int | None
    rev: int
    token: int
    pick: int
    text: str


class TreeEvent(Shape):
    """Everything tried, parents first."""

    event: Literal["tree"] = "tree"
    re: int | None
    rev: int
    branches: tuple[BranchView, ...]


Event = (
    Welcome | Snapshot | Tokens | StateEvent | SteerEvent | Presence | SavedTyping | Trouble | Training | Notice
    | Ok | ErrorEvent | Pong | Found | GhostEvent | TreeEvent
)  # fmt: skip
