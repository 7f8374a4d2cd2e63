"""One steer as a row that a person can write by hand: prompt, prefix, rejected, chosen.

Every value is checked here, once, and a refusal names the column, what was given and what is expected. Rows are text:
this module refuses to know tokens, files and trees.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from midcourse.errors import InputError
from midcourse.types import KINDS, Kind, Message, Origin

__all__ = ["COLUMNS", "Prompt", "SteerRow", "check_text", "common_fields", "digest", "read_row", "renamed"]

Prompt = str | tuple[Message, ...]
SPLITS = {"train": "train", "dev": "dev", "validation": "dev", "valid": "dev", "val": "dev", "test": "test"}
COLUMNS = (
    "prompt",
    "prefix",
    "rejected",
    "chosen",
    "tail",
    "ended",
    "whole",
    "kind",
    "trajectory",
    "group",
    "split",
    "weight",
    "reason",
    "author",
    "text",
    "spans",
)
"""Every column that a row may have; others are ignored. `text` and `spans` belong to rows of marked text."""


@dataclass(frozen=True, slots=True)
class SteerRow:
    """One correction as text: after `prefix`, not `rejected` but `chosen`."""

    prompt: Prompt
    """Raw text, or the messages of a chat."""
    prefix: str
    """What the answer said, corrected so far, before this steer."""
    chosen: str
    """What the person put; empty where words were only cut or the answer should have stopped."""
    rejected: tuple[str, ...] = ()
    """What was turned down; empty when not known. A single empty text in a `local` row: words were only
    inserted; in a `continued` row: the model had come to its end."""
    tail: str = ""
    """Kept text that follows the chosen, as it finally stands."""
    old_tail: str | None = None
    """What followed the rejected words when they were replaced (`local`); None: `tail`."""
    ended: bool = False
    """The answer stops after the chosen text."""
    whole: bool = False
    """A whole answer against whole answers: the fork stays right after the prefix, whatever they happen to share."""
    kind: Kind = "typed"
    origin: Origin = "shown"
    trajectory: str | None = None
    """Rows with one name and one prompt belong to one text."""
    group: str | None = None
    split: str | None = None
    weight: float = 1.0
    reason: str | None = None
    author: str | None = None
    line: int | None = None
    """Where it was read, for messages."""

    @property
    def start(self) -> int:
        """Character of the answer at which the chosen text begins."""
        return len(self.prefix)

    @property
    def end(self) -> int:
        """Character of the answer at which the chosen text ends."""
        return len(self.prefix) + len(self.chosen)


def digest(*parts: Any) -> str:
    """A stable hash of plain values, 32 hex digits."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, ensure_ascii=True, default=str).encode()).hexdigest()[:32]


def renamed(row: Mapping[str, Any], columns: Mapping[str, str] | None) -> dict[str, Any]:
    """The row under Midcourse's own column names; columns that mean nothing here stay.

    Args:
        row: As read.
        columns: Midcourse's name to the row's name, e.g. `{"chosen": "fix"}`.

    Raises:
        InputError: A name in `columns` is not a column of Midcourse.
    """
    for ours in columns or {}:
        if ours not in COLUMNS:
            raise InputError(f"--map {ours}=… names no column of Midcourse; the columns are {', '.join(COLUMNS)}")
    taken = set((columns or {}).values())
    out = {name: value for name, value in row.items() if name not in taken or name in (columns or {})}
    for ours, theirs in (columns or {}).items():
        out[ours] = row.get(theirs)
    return out


def read_row(mapping: Mapping[str, Any], *, map: Mapping[str, str] | None = None, line: int | None = None) -> SteerRow:
    """Check one row.

    Args:
        mapping: Column to value; a missing column and None are the same.
        map: Midcourse's column name to the one in `mapping`.
        line: Where it was read.

    Raises:
        InputError: A value is missing or cannot be used; the message names the column.
    """
    row = renamed(_mapping(mapping), map)
    ended = _flag(row.get("ended"), "ended")
    chosen = row.get("chosen")
    if chosen is None and not ended:
        needs = "the text that was put there (or `ended`: true where the answer should have stopped)"
        raise InputError(f"column `chosen` is missing: it needs {needs}; {_columns(row)}")
    text = check_text("" if chosen is None else chosen, "chosen")
    kind = _kind(row.get("kind"), ended and not text)
    rejected = _rejected(row.get("rejected"), kind)
    if not text and not ended and not (kind == "local" and any(rejected)):
        raise InputError(
            "column `chosen` is empty: give the text that was put there, or `ended`: true where the answer should "
            'have stopped, or `kind`: "local" with `rejected` where words were only cut'
        )
    return SteerRow(
        prefix=check_text(_or(row.get("prefix"), ""), "prefix"),
        chosen=text,
        rejected=rejected,
        tail=check_text(_or(row.get("tail"), ""), "tail"),
        ended=ended,
        whole=_flag(row.get("whole"), "whole"),
        kind=kind,
        line=line,
        **common_fields(row),
    )


def common_fields(row: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that rows and marked texts share, checked.

    Raises:
        InputError: One of them cannot be used.
    """
    return {
        "prompt": _prompt(row),
        "trajectory": _name(row.get("trajectory"), "trajectory"),
        "group": _name(row.get("group"), "group"),
        "split": _split(row.get("split")),
        "weight": _weight(row.get("weight")),
        "reason": _name(row.get("reason"), "reason"),
        "author": _name(row.get("author"), "author"),
    }


def check_text(value: Any, column: str) -> str:
    """The value if it is text that can be encoded.

    Raises:
        InputError: It is no string, or holds half a character.
    """
    if not isinstance(value, str):
        raise InputError(f"column `{column}` must be text, got {_shown(value)}")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(
            f"column `{column}` holds half a character at position {error.start} (wrong encoding?); save it as UTF-8"
        ) from None
    return value


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InputError(f"a row must be an object with the columns prompt and chosen, got {_shown(value)}")
    return value


def _columns(row: Mapping[str, Any]) -> str:
    """What a row has instead: a name is misspelt, or another one is used."""
    return f"the row has {', '.join(str(name) for name, value in row.items() if value is not None) or 'none'}"


def _prompt(row: Mapping[str, Any]) -> Prompt:
    value = row.get("prompt")
    if value is None:
        raise InputError(f"column `prompt` is missing: it needs text or a list of messages; {_columns(row)}")
    if isinstance(value, str):
        return check_text(value, "prompt")
    if not isinstance(value, list | tuple) or not value:
        raise InputError(f"column `prompt` must be text or a list of messages, got {_shown(value)}")
    messages = []
    for m in value:
        if not isinstance(m, Mapping):
            raise InputError(f"column `prompt`: a message must be an object with `role` and `content`, got {_shown(m)}")
        # a Dataset gives every message every field, None where it has none
        messages.append(Message.from_dict({k: v for k, v in m.items() if v is not None}))
        check_text(messages[-1].content, "prompt")
        check_text(messages[-1].role, "prompt")
    return tuple(messages)


def _rejected(value: Any, kind: Kind) -> tuple[str, ...]:
    if value is None:
        return ()
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list | tuple):
        raise InputError(f"column `rejected` must be text, a list of texts or null, got {_shown(value)}")
    checked = [check_text(t, "rejected") for t in texts]
    # Nothing turned down says something only where words were inserted before kept ones, or behind the end.
    return tuple(dict.fromkeys(t for t in checked if t or kind in ("local", "continued")))


def _kind(value: Any, only_ended: bool) -> Kind:
    if value is None or value == "":
        return "ended" if only_ended else "typed"
    if value not in KINDS:
        raise InputError(f"column `kind` must be one of {', '.join(KINDS)}, got {_shown(value)}")
    return "ended" if only_ended else cast(Kind, value)


def _split(value: Any) -> str | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str) or value not in SPLITS:
        raise InputError(f"column `split` must be train, dev or test, got {_shown(value)}")
    return SPLITS[value]


def _weight(value: Any) -> float:
    if value is None or value == "":
        return 1.0
    try:
        weight = float(value) if not isinstance(value, bool) else math.nan
    except (TypeError, ValueError):
        weight = math.nan
    if not (math.isfinite(weight) and weight >= 0):
        raise InputError(f"column `weight` must be a number that is not negative, got {_shown(value)}")
    return weight


def _flag(value: Any, column: str) -> bool:
    if value is None or isinstance(value, bool):
        return bool(value)
    known = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False, "": False}
    flag = known.get(str(value).strip().lower())
    if flag is None:
        raise InputError(f"column `{column}` must be true or false, got {_shown(value)}")
    return flag


def _name(value: Any, column: str) -> str | None:
    if value is None or value == "":
        return None
    return check_text(str(value) if isinstance(value, int) and not isinstance(value, bool) else value, column)


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value


def _shown(value: Any) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 80 else text[:77] + '…'}"
