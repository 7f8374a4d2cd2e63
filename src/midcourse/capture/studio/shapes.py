"""What commands and events are made of: a draft, its tokens, its steers, as the page shows them.

Shapes only; what they mean is written in `protocol.py`.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from midcourse.types import Kind, State, Status

__all__ = [
    "AlternativeView",
    "BranchView",
    "Count",
    "DraftView",
    "Id",
    "MessageView",
    "Mode",
    "ModelView",
    "PartView",
    "SamplingView",
    "Shape",
    "Short",
    "SteerView",
    "TokenView",
    "TypingView",
    "Words",
]

MOST_TEXT = 100_000
"""Code points in one field."""

Mode = Literal["paused", "streaming", "ended", "closed"]
"""`ended`: the model closed the text or reached its limit; `closed`: accepted, discarded or skipped."""
Words = Annotated[str, Field(max_length=MOST_TEXT)]
Short = Annotated[str, Field(max_length=2_000)]
Id = Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9_.:-]+$")]
Count = Annotated[int, Field(ge=0, le=10_000_000)]


class Shape(BaseModel):
    """Frozen; a field it does not know is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class MessageView(Shape):
    """One message of a prompt."""

    role: Annotated[str, Field(max_length=20)]
    content: Words


class AlternativeView(Shape):
    """A token the model might have written."""

    id: int
    text: str
    logprob: float
    ends: bool = False
    """The end token: taking it ends the answer."""


class TokenView(Shape):
    """One token of the answer."""

    id: int
    end: int
    """Code points of text there are after it."""
    by: Literal["model", "person"]
    logprob: float | None = None
    """Under the model itself, in nats; None for a person's tokens and for what a server does not tell."""
    ends: bool = False
    alternatives: tuple[AlternativeView, ...] | None = None
    """Best first, the token itself among them if it is one of the best. None: ask with `alternatives`."""


class PartView(Shape):
    """A stretch of the text that the page folds."""

    kind: Literal["thinking", "tool"]
    start: int
    end: int | None
    """None while it is open."""


class SteerView(Shape):
    """One steer in the timeline."""

    id: str
    kind: Kind
    token: int
    """Token index of the fork."""
    at: int
    """Code point offset of the fork, in the text as it was then."""
    rejected: str
    """What the model was saying, shortened."""
    chosen: str
    """What the person put; empty for `resampled`."""
    reason: str | None = None
    tags: tuple[str, ...] = ()
    state: State = "active"
    created: float | None = None
    seconds: float | None = None
    """From stop to commit."""
    on_text: bool = True
    """Whether it lies on the present text."""


class TypingView(Shape):
    """What stands uncommitted in the editing box."""

    cut: Count
    end: Count | None = None
    text: Words


class BranchView(Shape):
    """One span of the tree."""

    node: str
    parent: str | None
    start: int
    """Token index of its first token; negative within the prompt."""
    tokens: int
    by: Literal["prompt", "model", "person"]
    text: str
    """Shortened."""
    on_text: bool


class SamplingView(Shape):
    """How the model draws."""

    temperature: Annotated[float, Field(ge=0, le=5)] = 0.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    max_new_tokens: Annotated[int, Field(ge=1, le=100_000)] = 512


class ModelView(Shape):
    """Who writes."""

    name: str
    adapter: str | None = None
    """Name of the adapter that is on; None: the base."""
    weights: str | None = None
    backend: str = "local"
    """`local`, or the dialect of the server that writes."""
    context: int | None = None
    token_ids: bool = True
    """False: this server hides its ids; they are found again from its text."""
    alternatives: int = 20
    """How many can be asked for at a place; 0: it tells of none."""
    lacks: str = ""
    """What this server cannot do, in one line; empty: it can do everything."""


class DraftView(Shape):
    """Everything a tab needs to show a draft."""

    id: str
    seq: int
    epoch: str
    rev: int
    mode: Mode
    status: Status
    prompt: tuple[MessageView, ...]
    """Messages before the answer, earlier turns included; empty for a raw-text prompt."""
    prompt_text: str | None = None
    """A raw-text prompt, shown before the answer."""
    item: str | None = None
    """Its prompt in the queue."""
    practice: bool = False
    text: str
    tokens: tuple[TokenView, ...]
    """Alternatives come with the last 256 of them; ask for others."""
    parts: tuple[PartView, ...] = ()
    shown: int
    steers: tuple[SteerView, ...]
    undo: int
    redo: int
    ended_by: str | None = None
    sampling: SamplingView
    model: ModelView
    owner: str = ""
    """Whose text it is; empty where the studio has no people. Others read it."""
    typing: TypingView | None = None
    flagged: str | None = None
    seconds: float = 0.0
    """Time spent on it, idle time left out."""
