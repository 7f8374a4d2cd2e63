"""Files of steer rows to trajectories, streamed.

Buffering: consecutive rows of one `trajectory` and one prompt are held together and joined, so memory holds the rows
of one text. Rows of one text that are scattered over a file still train; they only do not share one pass. It knows no
store and no command line.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from midcourse.capture.importers.files import BadLine, find_files, read_records
from midcourse.errors import InputError
from midcourse.rows.join import Skipped, join
from midcourse.rows.marks import read_rows
from midcourse.rows.row import SPLITS, SteerRow, renamed
from midcourse.tokens import TextTokenizer
from midcourse.types import Trajectory

__all__ = ["Advance", "import_steers", "read_split"]

Advance = Callable[[Path, int], None]
"""Called with the file and its bytes read so far."""
HELD = 5000
"""Most rows that are held together; a longer run of one prompt is joined in parts."""


def import_steers(
    paths: Sequence[Path],
    tokenizer: TextTokenizer,
    *,
    columns: Mapping[str, str] | None = None,
    chat: bool = False,
    split: str | None = None,
    advance: Advance | None = None,
) -> Iterator[Trajectory | Skipped]:
    """Read steer files.

    Args:
        paths: Files (.jsonl, .csv, .tsv, .parquet) or folders of them.
        tokenizer: Of the model that will be trained.
        columns: Midcourse's column name to the file's.
        chat: Wrap a text prompt as the user's message.
        split: `train`, `dev` or `test` for rows that name none.
        advance: Told about progress.

    Returns:
        Trajectories as soon as their rows are complete, and between them what was skipped, with file and line.

    Raises:
        InputError: A path, a format or a name in `columns` cannot be used.
    """
    renamed({}, columns)
    fallback = read_split(split)
    for path in find_files(list(paths)):
        held: list[SteerRow] = []
        for row in _rows(path, columns, fallback, advance):
            if isinstance(row, Skipped):
                yield row
                continue
            if held and (_text_of(held[-1]) != _text_of(row) or len(held) >= HELD):
                yield from _joined(held, tokenizer, path, chat)
                held = []
            held.append(row)
        yield from _joined(held, tokenizer, path, chat)


def read_split(split: str | None) -> str | None:
    """The name of a split as trajectories carry it.

    Raises:
        InputError: It is not one of train, dev, test.
    """
    if split is not None and split not in SPLITS:
        raise InputError(f"--split must be train, dev or test, got {split!r}")
    return SPLITS[split] if split else None


def _rows(
    path: Path, columns: Mapping[str, str] | None, split: str | None, advance: Advance | None
) -> Iterator[SteerRow | Skipped]:
    for record in read_records(path):
        if advance:
            advance(path, record.position)
        if isinstance(record, BadLine):
            yield Skipped(record.line, record.reason, str(path))
            continue
        value = record.value
        if split and isinstance(value, Mapping) and not renamed(value, columns).get("split"):
            value = {**value, (columns or {}).get("split", "split"): split}
        try:
            yield from read_rows(value, map=columns, line=record.line)
        except InputError as error:
            yield Skipped(record.line, str(error), str(path))


def _text_of(row: SteerRow) -> tuple[object, object]:
    return row.trajectory, row.prompt


def _joined(rows: list[SteerRow], tokenizer: TextTokenizer, path: Path, chat: bool) -> Iterator[Trajectory | Skipped]:
    trajectories, skipped = join(rows, tokenizer, source=path.name, chat=chat)
    yield from trajectories
    for s in skipped:
        yield Skipped(s.line, s.reason, str(path))
