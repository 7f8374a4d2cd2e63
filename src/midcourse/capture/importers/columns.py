"""Where a value stands in a record: a column by its name, or a path such as `feedback.summary` or `instances.0.output`.

It knows no format: importers say which values they need.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from midcourse.errors import InputError
from midcourse.rows.row import check_text, common_fields

__all__ = ["check_names", "check_tools", "fill", "labels", "record_of", "text_at", "value_at"]

_SLOT = re.compile(r"\{([^{}\s]+)\}")


def record_of(value: Any) -> Mapping[str, Any]:
    """The record, if it has columns.

    Raises:
        InputError: It is a list, a number or a text.
    """
    if not isinstance(value, Mapping):
        raise InputError(f"a row must be an object with columns, got {type(value).__name__}")
    return value


def value_at(record: Mapping[str, Any], path: str) -> Any:
    """The value of a column, or along a path of names and list numbers; None where there is none."""
    if path in record:
        return record[path]
    at: Any = record
    for part in path.split("."):
        if isinstance(at, Mapping):
            at = at.get(part)
        elif isinstance(at, Sequence) and not isinstance(at, str) and part.isdigit() and int(part) < len(at):
            at = at[int(part)]
        else:
            return None
    return at


def text_at(record: Mapping[str, Any], path: str) -> str:
    """The text at a path.

    Raises:
        InputError: There is none; the message names the columns there are.
    """
    value = value_at(record, path)
    if value is None:
        there = ", ".join(str(name) for name in record) or "none"
        raise InputError(f"column `{path}` is missing; the row has {there}. --map OURS=THEIRS names another")
    return check_text(value, path)


def fill(template: str, record: Mapping[str, Any]) -> str:
    """A text whose `{column}` are filled in; other braces stay.

    Raises:
        InputError: A column is missing or holds no text.
    """
    return _SLOT.sub(lambda slot: text_at(record, slot[1]), template)


def labels(record: Mapping[str, Any], columns: Mapping[str, str], split: str | None = None) -> dict[str, Any]:
    """What any row may say beside its texts, checked: group, split, weight, reason, author.

    Args:
        record: As read.
        columns: Our name to the path in the record.
        split: Where the record names none.

    Raises:
        InputError: One of them cannot be used.
    """
    names = ("group", "split", "weight", "reason", "author")
    found = common_fields({"prompt": "", **{name: value_at(record, columns.get(name, name)) for name in names}})
    return {name: found[name] for name in names} | {"split": found["split"] or split}


def check_names(columns: Mapping[str, str], known: Sequence[str]) -> None:
    """Refuse `--map` of a column that an importer does not have.

    Raises:
        InputError: The name is not one of `known`.
    """
    for ours in columns:
        if ours not in known:
            raise InputError(f"--map {ours}=… names no column of this format; the columns are {', '.join(known)}")


def check_tools(record: Mapping[str, Any]) -> None:
    """Refuse a row that offers tools: a trajectory keeps messages alone, so its prompt would be rendered without them.

    Raises:
        InputError: Its column `tools` holds some.
    """
    tools = record.get("tools")
    if tools and not (isinstance(tools, str) and tools.strip() in ("", "[]", "{}", "null")):
        raise InputError("rows with `tools` cannot be imported: the prompt would be rendered without them")
