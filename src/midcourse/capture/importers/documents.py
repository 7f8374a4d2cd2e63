"""Exports that are one JSON document, or one conversation over many lines: each record is held whole.

Unlike rows they cannot be read in bounded memory: a document is as large as its file. It knows no formats' fields.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from midcourse.capture.importers.files import FORMATS, BadLine, Reader, Record
from midcourse.errors import InputError

__all__ = ["CONVERSATION_FORMATS", "DOCUMENT_FORMATS"]


def _document(path: Path) -> Iterator[Record | BadLine]:
    """The items of a JSON list, or the one object there is; a file of rows is read as such."""
    try:
        value = json.loads(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: byte {error.start + 1} is not UTF-8; save the file as UTF-8") from error
    except (ValueError, RecursionError) as error:
        if isinstance(error, json.JSONDecodeError) and error.msg == "Extra data":
            yield from FORMATS[".jsonl"](path)
            return
        raise InputError(f"{path} is not a JSON document: {error} (truncated? export it again)") from error
    items: list[Any] = value if isinstance(value, list) else [value]
    size = path.stat().st_size
    for number, item in enumerate(items, 1):
        yield Record(number, item, size * number // len(items))


def _conversation(path: Path) -> Iterator[Record | BadLine]:
    """All lines of a file as one record: a conversation whose lines belong together."""
    lines = []
    for found in FORMATS[".jsonl"](path):
        if isinstance(found, BadLine):
            yield found
        else:
            lines.append(found.value)
    yield Record(1, lines, path.stat().st_size)


DOCUMENT_FORMATS: dict[str, Reader] = {
    ".json": _document,
    ".jsonl": FORMATS[".jsonl"],
    ".parquet": FORMATS[".parquet"],
}
"""Suffix to reader, where `.json` is one document; the line of a record is its place in the list."""
CONVERSATION_FORMATS: dict[str, Reader] = {".jsonl": _conversation}
"""Suffix to reader, where a file is one conversation."""
