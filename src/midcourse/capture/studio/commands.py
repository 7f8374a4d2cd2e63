"""Commands of the page, one shape each; what they do is written in `protocol.py`."""

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from midcourse.capture.studio.shapes import Count, Id, MessageView, SamplingView, Shape, Short, Words

__all__ = ["COMMAND", "Command"]


class _Asked(Shape):
    id: int | None = None


class _OnText(_Asked):
    rev: Count
    shown: Count | None = None
    """Tokens seen; None: as reported last."""


class Hello(_Asked):
    """First message of a socket."""

    cmd: Literal["hello"]
    protocol: int
    draft: Id | None = None
    epoch: Id | None = None
    seq: Count | None = None


class Next(_Asked):
    """The next prompt of my queue."""

    cmd: Literal["next"]
    practice: bool = False


class New(_Asked):
    """A prompt of one's own: `messages`, or `text` as a user's message, or raw text to be continued."""

    cmd: Literal["new"]
    text: Words | None = None
    messages: Annotated[tuple[MessageView, ...], Field(max_length=200)] = ()
    raw: bool = False


class Open(_Asked):
    """Show a draft here."""

    cmd: Literal["open"]
    draft: Id


class Plain(_Asked):
    """Commands that need nothing more."""

    cmd: Literal["leave", "undo", "redo", "reopen", "tree", "ping"]


class Continue(_Asked):
    """Write on."""

    cmd: Literal["continue"]
    max_new_tokens: Annotated[int, Field(ge=1, le=100_000)] | None = None


class Stop(_Asked):
    """Stop the model."""

    cmd: Literal["stop"]
    shown: Count


class Shown(_Asked):
    """So much has been seen."""

    cmd: Literal["shown"]
    shown: Count


class Rewind(_OnText):
    """Back to `cut`."""

    cmd: Literal["rewind"]
    cut: Count
    resume: bool = False


class Replace(_OnText):
    """Put words at `cut`."""

    cmd: Literal["replace"]
    cut: Count
    text: Words
    kind: Literal["typed", "local"] = "typed"
    end: Count | None = None
    """`local`: where the replaced words end."""
    reason: Short | None = None
    resume: bool | None = None
    """Default: true for `typed`, false for `local`."""


class Pick(_OnText):
    """Take another token."""

    cmd: Literal["pick"]
    token: Count
    pick: Count
    reason: Short | None = None
    resume: bool = True


class Resample(_OnText):
    """Something else after `cut`."""

    cmd: Literal["resample"]
    cut: Count
    reason: Short | None = None
    resume: bool = True


class End(_OnText):
    """It should have ended at `cut`."""

    cmd: Literal["end"]
    cut: Count
    text: Words = ""
    """Words to put at `cut` first: a typed correction that also ends the answer."""
    reason: Short | None = None


class Jump(_OnText):
    """To another branch."""

    cmd: Literal["jump"]
    node: Id
    depth: int | None = None
    """Token index to stop at; None: the end of what was written there."""


class Close(_Asked):
    """Accept or discard."""

    cmd: Literal["accept", "discard"]
    shown: Count | None = None


class Turn(_Asked):
    """The next user message of the conversation."""

    cmd: Literal["turn"]
    text: Words


class Skip(_Asked):
    """Put the prompt away."""

    cmd: Literal["skip"]
    reason: Short = ""
    again: bool = False


class Withdraw(_Asked):
    """Take a steer back."""

    cmd: Literal["withdraw"]
    steer: Id


class Reason(_Asked):
    """Why, after the fact."""

    cmd: Literal["reason"]
    steer: Id
    tags: Annotated[tuple[Short, ...], Field(max_length=20)] = ()
    note: Short | None = None


class Flag(_Asked):
    """For the reviewer; None takes the flag away."""

    cmd: Literal["flag"]
    note: Short | None = None


class Typing(_Asked):
    """Keep what is not committed yet."""

    cmd: Literal["typing"]
    cut: Count = 0
    end: Count | None = None
    text: Words | None = None


class Alternatives(_Asked):
    """Likeliest tokens at an index."""

    cmd: Literal["alternatives"]
    token: Count
    most: Annotated[int, Field(ge=1, le=20)] = 9


class Ghost(_Asked):
    """How it would go on."""

    cmd: Literal["ghost"]
    token: Count
    pick: Count
    most: Annotated[int, Field(ge=1, le=32)] = 8


class Settings(_Asked):
    """How to draw from here on."""

    cmd: Literal["settings"]
    sampling: SamplingView


class Idle(_Asked):
    """Away or back."""

    cmd: Literal["idle"]
    away: bool


Command = Annotated[
    Hello | Next | New | Open | Plain | Continue | Stop | Shown | Rewind | Replace | Pick | Resample | End | Jump
    | Close | Turn | Skip | Withdraw | Reason | Flag | Typing | Alternatives | Ghost | Settings | Idle,
    Field(discriminator="cmd"),
]  # fmt: skip
COMMAND: TypeAdapter[Command] = TypeAdapter(Command)
"""Reads a command."""
