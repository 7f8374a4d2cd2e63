"""Records of JSONL, CSV, Parquet and text files, one at a time in bounded memory, each with the line it stands on.

A line that cannot be read becomes a `BadLine` and the next one is read; a file that cannot be read at all raises. It
knows no columns and no steers.
"""

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from midcourse.capture.importers.parquet_sizes import rows_at_once
from midcourse.errors import InputError, MissingExtra

__all__ = ["FORMATS", "TEXT_FORMATS", "BadLine", "Reader", "Record", "find_files", "read_records"]

MAX_LINE = 16 * 1024 * 1024
"""Bytes of the longest line that is read."""
MAX_FIELD = MAX_LINE
CHUNK = 1024 * 1024
PIECE = 64 * 1024
"""Characters of a plain text file that make one record."""


@dataclass(frozen=True, slots=True)
class Record:
    """One row of a file as it stands there."""

    line: int
    """Line for text formats, row for Parquet, counted from 1."""
    value: Any
    position: int = 0
    """Bytes of the file read so far, for progress; 0 where not known."""


@dataclass(frozen=True, slots=True)
class BadLine:
    """One line that is no row, and why."""

    line: int
    reason: str
    position: int = 0


def find_files(paths: list[Path], formats: "Mapping[str, Reader] | None" = None) -> list[Path]:
    """Files to read, those of folders in the order of their names.

    Args:
        paths: Files and folders.
        formats: Suffix to reader; None: `FORMATS`.

    Raises:
        InputError: A path does not exist, or a folder holds no file of a known format.
    """
    found: list[Path] = []
    known = ", ".join(formats or FORMATS)
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.is_file() and p.suffix.lower() in (formats or FORMATS))
            if not inside:
                raise InputError(f"{path} holds no file that can be imported; expected {known}")
            found += inside
        elif path.is_file():
            found.append(path)
        else:
            raise InputError(f"{path} does not exist; give a file or a folder of {known} files")
    return found


def read_records(path: Path, formats: "Mapping[str, Reader] | None" = None) -> Iterator[Record | BadLine]:
    """Read a file by its suffix.

    Raises:
        InputError: The suffix is not known, or the file is not what its suffix says.
        MissingExtra: Parquet without pyarrow.
    """
    reader = (formats or FORMATS).get(path.suffix.lower())
    if reader is None:
        known = ", ".join(formats or FORMATS)
        raise InputError(f"{path}: unknown format {path.suffix or '(no suffix)'!r}; expected {known}")
    return reader(path)


def _jsonl(path: Path) -> Iterator[Record | BadLine]:
    with path.open("rb") as file:
        for number, line, position in _lines(path, file):
            if isinstance(line, str):
                yield BadLine(number, line, position)
            elif line.strip():
                try:
                    value = json.loads(line.decode("utf-8"))
                except UnicodeDecodeError as error:
                    reason = f"byte {error.start + 1} (0x{line[error.start]:02x}) is not UTF-8; save the file as UTF-8"
                    yield BadLine(number, reason, position)
                except (ValueError, RecursionError) as error:
                    yield BadLine(number, _json_reason(error, line), position)
                else:
                    yield Record(number, value, position)


def _json_reason(error: Exception, line: bytes) -> str:
    if not line.endswith(b"\n") and line.lstrip()[:1] in (b"{", b"["):
        return "the file ends in the middle of this row (truncated?); fetch or write it again"
    what = f"{error.msg} at character {error.pos + 1}" if isinstance(error, json.JSONDecodeError) else str(error)
    return f"not a JSON object: {what}"


def _lines(path: Path, file: IO[bytes]) -> Iterator[tuple[int, bytes | str, int]]:
    """Numbered lines; in place of one that is too long, the reason, its bytes passed over and never held together."""
    number, position = 0, 0
    while line := file.readline(MAX_LINE + 1):
        number += 1
        position += len(line)
        if number == 1:
            _refuse_wide(path, line)
            line = line.removeprefix(b"\xef\xbb\xbf")
        if len(line) <= MAX_LINE:
            yield number, line, position
            continue
        while line and not line.endswith(b"\n"):
            line = file.readline(CHUNK)
            position += len(line)
        yield number, f"the line is longer than {MAX_LINE // 2**20} MB; one steer is one line of text", position


def _refuse_wide(path: Path, start: bytes) -> None:
    if start[:2] in (b"\xff\xfe", b"\xfe\xff") or start[1:2] == b"\0":
        raise InputError(f"{path} is UTF-16; save it as UTF-8")
    if b"\0" in start[:1024]:
        raise InputError(f"{path} is not text, whatever its name says; expected UTF-8 rows")


def _csv(path: Path) -> Iterator[Record | BadLine]:
    csv.field_size_limit(MAX_FIELD)
    with path.open("rb") as file:
        read = 0
        too_long: list[BadLine] = []

        def text() -> Iterator[str]:
            nonlocal read
            for number, line, position in _lines(path, file):
                read = position
                if isinstance(line, str):
                    too_long.append(BadLine(number, line, position))
                    yield "\n"  # so that the lines after it keep their numbers
                else:
                    # A byte that is not UTF-8 becomes half a character, which the row is then refused for by name.
                    yield line.decode("utf-8", errors="surrogateescape")

        rows = csv.DictReader(text(), delimiter="\t" if path.suffix.lower() == ".tsv" else ",", strict=True)
        try:
            names = rows.fieldnames or ()
        except csv.Error as error:
            raise InputError(f"{path}: the header is not a row of CSV: {error}") from error
        while True:
            first = rows.line_num + 1
            try:
                row = next(rows, None)
            except csv.Error as error:
                yield BadLine(first, f"not a row of CSV: {error} (a quote not closed, or a truncated file?)", read)
                continue
            yield from too_long
            too_long.clear()
            if row is None:
                return
            if None in row or None in row.values():
                cells = len(row) + len(row.get(None) or ()) - (None in row) - sum(v is None for v in row.values())
                yield BadLine(first, f"{cells} cells, the header has {len(names)}", read)
            else:
                yield Record(first, {name: _cell(name, value) for name, value in row.items()}, read)


def _cell(name: str, value: str) -> Any:
    """A list or object written as JSON in a cell is read as such; an empty cell is no value."""
    if value[:1] in ("[", "{") and value[-1:] in ("]", "}"):
        try:
            parsed = json.loads(value)
        except ValueError:
            return value
        if isinstance(parsed, list) and parsed and all(isinstance(p, dict | str) for p in parsed):
            return parsed
    return value or None


def _parquet(path: Path) -> Iterator[Record | BadLine]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtra.of("all", "reading Parquet files") from error
    number, size = 0, path.stat().st_size
    try:
        with parquet.ParquetFile(path) as file:
            rows = max(1, file.metadata.num_rows)
            for group, most in enumerate(rows_at_once(path)):
                for batch in file.iter_batches(batch_size=most, row_groups=[group]):
                    for value in batch.to_pylist():
                        number += 1
                        yield Record(number, value, size * number // rows)
    except (pyarrow.ArrowException, UnicodeDecodeError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # the disk, not the file: pyarrow says both so
            raise
        raise InputError(f"{path}: broken as Parquet after row {number} (truncated?): {error}") from error


def _pieces(path: Path) -> Iterator[Record | BadLine]:
    """A plain text as pieces of about PIECE characters, cut at an empty line where there is one, else at a line."""
    piece: list[str] = []
    first, length = 1, 0
    with path.open("rb") as file:
        for number, line, position in _lines(path, file):
            if isinstance(line, str):
                yield BadLine(number, line, position)
                continue
            try:
                text = line.decode("utf-8")
            except UnicodeDecodeError as error:
                yield BadLine(number, f"byte {error.start + 1} is not UTF-8; save the file as UTF-8", position)
                continue
            piece.append(text)
            length += len(text)
            if length >= PIECE and (not text.strip() or length >= 2 * PIECE):
                yield Record(first, {"text": "".join(piece)}, position)
                piece, first, length = [], number + 1, 0
        if piece:
            yield Record(first, {"text": "".join(piece)}, path.stat().st_size)


Reader = Callable[[Path], Iterator[Record | BadLine]]
FORMATS: dict[str, Reader] = {
    ".jsonl": _jsonl,
    ".ndjson": _jsonl,
    ".json": _jsonl,
    ".csv": _csv,
    ".tsv": _csv,
    ".parquet": _parquet,
}
"""Suffix to reader."""
TEXT_FORMATS: dict[str, Reader] = {**FORMATS, ".txt": _pieces}
"""With plain text files, whose records are `{"text": …}`."""
