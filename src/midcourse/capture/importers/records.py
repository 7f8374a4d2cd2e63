"""What all importers share: each record of some files is read by one function, and what cannot be read is named.

Buffering: consecutive rows of one text are held together and joined, so memory holds the rows of one text. It knows no
format's columns, no store and no command line.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from midcourse.capture.importers.files import BadLine, Reader, Record, find_files, read_records
from midcourse.errors import InputError
from midcourse.rows.join import join
from midcourse.rows.row import SPLITS, SteerRow
from midcourse.rows.weave import Passage, Skipped, weave
from midcourse.tokens import TextTokenizer
from midcourse.types import Message, Trajectory

__all__ = ["Advance", "Imported", "import_records", "parsed", "read_split", "told"]

Advance = Callable[[Path, int], None]
"""Called with the file and its bytes read so far."""
Imported = Iterator[Trajectory | Skipped]
"""Trajectories as soon as their records are complete, and between them what was skipped, with file and line."""
Value = TypeVar("Value")
HELD = 5000
"""Most rows that are held together; a longer run of one text is joined in parts."""


def parsed(
    paths: Sequence[Path],
    read: Callable[[Record], Iterable[Value]],
    *,
    advance: Advance | None = None,
    formats: Mapping[str, Reader] | None = None,
) -> Iterator[tuple[Path, Value | Skipped]]:
    """Everything that `read` makes of the records of some files, each with its file.

    A line that cannot be read, a record that `read` refuses with InputError, and what it skips itself come as
    `Skipped` with file and line.

    Raises:
        InputError: A path or a format cannot be used.
    """
    for path in find_files(list(paths), formats):
        for record in read_records(path, formats):
            if advance:
                advance(path, record.position)
            if isinstance(record, BadLine):
                yield path, Skipped(record.line, record.reason, str(path))
                continue
            try:
                for found in read(record):
                    yield path, _placed(found, path, record.line) if isinstance(found, Skipped) else found
            except InputError as error:
                yield path, Skipped(record.line, str(error), str(path))


def import_records(
    paths: Sequence[Path],
    read: Callable[[Record], Iterable[SteerRow | Passage | Skipped]],
    tokenizer: TextTokenizer,
    *,
    source: str | None = None,
    chat: bool = False,
    advance: Advance | None = None,
    formats: Mapping[str, Reader] | None = None,
) -> Imported:
    """Trajectories of what `read` makes of each record: whole passages, or rows that are joined with their neighbours.

    Args:
        paths: Files or folders of them.
        read: One record to rows or passages.
        tokenizer: Of the model that will be trained.
        source: Where they came from; None: each file's name.
        chat: Wrap a text prompt as the user's message.
        advance: Told about progress.
        formats: Suffix to reader, where not those of `files.FORMATS`.

    Raises:
        InputError: A path or a format cannot be used.
    """
    held: list[SteerRow] = []
    at: Path | None = None

    def joined() -> Imported:
        if held and at is not None:
            trajectories, skipped = join(held, tokenizer, source=source or at.name, chat=chat)
            held.clear()
            yield from trajectories
            yield from (_placed(s, at, s.line) for s in skipped)

    for path, found in parsed(paths, read, advance=advance, formats=formats):
        if isinstance(found, Skipped):
            yield found
            continue
        if not isinstance(found, SteerRow):
            yield from joined()
            trajectory, skipped = weave(told(found, chat=chat), tokenizer, source or path.name)
            if trajectory is not None:
                yield trajectory
            yield from (_placed(s, path, s.line) for s in skipped)
            continue
        if held and (path != at or _text_of(held[-1]) != _text_of(found) or len(held) >= HELD):
            yield from joined()
        at = path
        held.append(found)
    yield from joined()


def told(passage: Passage, *, chat: bool) -> Passage:
    """The passage with a text prompt as the user's message, if `chat`."""
    wrap = chat and isinstance(passage.prompt, str)
    return replace(passage, prompt=(Message("user", str(passage.prompt)),)) if wrap else passage


def read_split(split: str | None) -> str | None:
    """The name of a split as trajectories carry it.

    Raises:
        InputError: It is not one of train, dev, test.
    """
    if split is not None and split not in SPLITS:
        raise InputError(f"--split must be train, dev or test, got {split!r}")
    return SPLITS[split] if split else None


def _text_of(row: SteerRow) -> tuple[Any, Any]:
    return row.trajectory, row.prompt


def _placed(skipped: Skipped, path: Path, line: int | None) -> Skipped:
    return replace(skipped, line=skipped.line or line, file=skipped.file or str(path))
