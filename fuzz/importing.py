"""The families of files: rows, marks, file formats, and every importer. Bytes in, nothing out but `MidcourseError`."""

import contextlib
from collections.abc import Callable
from typing import Any

from ground import TOKENIZER, placed, taken

from midcourse.capture.importers import (
    annotations,
    chats,
    coauthor,
    documents,
    edits,
    instructions,
    pivotal,
    prm800k,
    steps,
    text,
    trl,
)
from midcourse.capture.importers import files as files_module
from midcourse.capture.importers import steers as steers_module
from midcourse.errors import InputError, MidcourseError
from midcourse.rows.marks import marked_rows

__all__ = ["corrections", "exports", "files", "marks", "preferences", "rows"]


def marks(data: bytes) -> None:
    """A text with CriticMarkup: the rows made of it all tell of the same corrected text."""
    with contextlib.suppress(MidcourseError):
        found = marked_rows(data.decode("utf-8", "replace"), prompt="Q")
        assert len({row.prefix + row.chosen + row.tail for row in found}) == 1


def rows(data: bytes) -> None:
    """Lines of steer rows, joined into trees."""
    taken(steers_module.import_steers([placed(".jsonl", data)], TOKENIZER))


# -- files -------------------------------------------------------------------------------------------------------------

_SUFFIXES = (".jsonl", ".json", ".csv", ".tsv", ".txt", ".parquet")


def files(data: bytes) -> None:
    """A file of the suffix that the first line names."""
    head, _, body = data.partition(b"\n")
    suffix = head.decode("ascii", "replace").strip()
    formats = documents.DOCUMENT_FORMATS if suffix == ".json" else files_module.TEXT_FORMATS
    if suffix in _SUFFIXES:
        taken(files_module.read_records(placed(suffix, body), formats))


# -- importers ---------------------------------------------------------------------------------------------------------

_EXPORTS: dict[str, tuple[str, Callable[..., Any]]] = {
    "open-webui": (".json", chats.import_open_webui),
    "sillytavern": (".jsonl", chats.import_sillytavern),
    "text-generation-webui": (".json", chats.import_text_generation_webui),
    "argilla": (".json", annotations.import_argilla),
    "label-studio": (".json", annotations.import_label_studio),
}
_CORRECTIONS: dict[str, tuple[str, Callable[..., Any]]] = {
    "edits": (".jsonl", edits.import_edits),
    "coauthor": (".jsonl", coauthor.import_coauthor),
    "coauthor-all": (".jsonl", lambda p, t: coauthor.import_coauthor(p, t, dismissed=True, trailing=True)),
    "steps": (".jsonl", steps.import_steps),
    "pivotal": (".jsonl", pivotal.import_pivotal),
    "pivotal-chat": (".jsonl", lambda p, t: pivotal.import_pivotal(p, t, chat=True)),
}
_PREFERENCES: dict[str, tuple[str, Callable[..., Any]]] = {
    "trl": (".jsonl", trl.import_trl),
    "prm800k": (".jsonl", lambda p, t: prm800k.import_prm800k(p, t, preferences=True)),
    "instructions": (".jsonl", instructions.import_instructions),
    "text": (".jsonl", text.import_text),
}


def _imported(data: bytes, known: dict[str, tuple[str, Callable[..., Any]]]) -> None:
    head, _, body = data.partition(b"\n")
    suffix, read = known.get(head.decode("ascii", "replace").strip(), ("", None))
    if read is not None:
        with contextlib.suppress(InputError):
            taken(read([placed(suffix, body)], TOKENIZER))


def exports(data: bytes) -> None:
    """Exports of chat programs and annotation tools; the first line says which."""
    _imported(data, _EXPORTS)


def corrections(data: bytes) -> None:
    """Edits, CoAuthor, Step-DPO and pivotal tokens; the first line says which."""
    _imported(data, _CORRECTIONS)


def preferences(data: bytes) -> None:
    """TRL, PRM800K, instructions and text; the first line says which."""
    _imported(data, _PREFERENCES)
