"""Files of steer rows to trajectories, streamed.

Rows of one text that are scattered over a file still train; they only do not share one pass. It knows no store and no
command line.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from midcourse.capture.importers.columns import check_tools
from midcourse.capture.importers.files import Record
from midcourse.capture.importers.records import Advance, Imported, import_records, read_split
from midcourse.rows.marks import read_rows
from midcourse.rows.row import SteerRow, renamed
from midcourse.tokens import TextTokenizer

__all__ = ["import_steers"]


def import_steers(
    paths: Sequence[Path],
    tokenizer: TextTokenizer,
    *,
    columns: Mapping[str, str] | None = None,
    chat: bool = False,
    split: str | None = None,
    advance: Advance | None = None,
) -> Imported:
    """Read steer files.

    Args:
        paths: Files (.jsonl, .csv, .tsv, .parquet) or folders of them.
        tokenizer: Of the model that will be trained.
        columns: Midcourse's column name to the file's.
        chat: Wrap a text prompt as the user's message.
        split: `train`, `dev` or `test` for rows that name none.
        advance: Told about progress.

    Raises:
        InputError: A path, a format or a name in `columns` cannot be used.
    """
    renamed({}, columns)
    fallback = read_split(split)

    def read(record: Record) -> Iterator[SteerRow]:
        value = record.value
        if isinstance(value, Mapping):
            check_tools(value)
        if fallback and isinstance(value, Mapping) and not renamed(value, columns).get("split"):
            value = {**value, (columns or {}).get("split", "split"): fallback}
        yield from read_rows(value, map=columns, line=record.line)

    return import_records(paths, read, tokenizer, chat=chat, advance=advance)
