"""Step-DPO rows to steers: after the steps that were right, not this step but that one.

Columns as in Math-Step-DPO-10K (Lai et al. 2024, github.com/dvlab-research/Step-DPO): `prompt`,
`initial_reason_steps`, `chosen`, `rejected`, and `full_chosen` with what follows. It knows no store and no command
line.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from midcourse.capture.importers.columns import check_names, labels, record_of, text_at, value_at
from midcourse.capture.importers.files import Record
from midcourse.capture.importers.records import Advance, Imported, import_records, read_split
from midcourse.errors import InputError
from midcourse.rows.row import SteerRow, check_text
from midcourse.tokens import TextTokenizer
from midcourse.types import Message

__all__ = ["COLUMNS", "import_steps", "step_row"]

COLUMNS = ("prompt", "prefix", "chosen", "rejected", "full_chosen", "group", "split", "weight", "reason", "author")
NAMES = {"prefix": "initial_reason_steps"}


def import_steps(
    paths: Sequence[Path],
    tokenizer: TextTokenizer,
    *,
    columns: Mapping[str, str] | None = None,
    split: str | None = None,
    advance: Advance | None = None,
) -> Imported:
    """Read Step-DPO files.

    Args:
        paths: Files or folders of them.
        tokenizer: Of the model that will be trained; with a chat template the problem becomes the user's message.
        columns: Our name (`prompt`, `prefix`, `chosen`, `rejected`, …) to the file's.
        split: `train`, `dev` or `test` for rows that name none.
        advance: Told about progress.

    Raises:
        InputError: A path, a format or a name in `columns` cannot be used.
    """
    check_names(columns or {}, COLUMNS)
    where = {**NAMES, **(columns or {})}
    fallback = read_split(split)

    def read(record: Record) -> Iterator[SteerRow]:
        value = record_of(record.value)
        said = labels(value, where, fallback)
        yield step_row(value, where, chat=tokenizer.template is not None, line=record.line, **said)

    return import_records(paths, read, tokenizer, source="step-dpo", advance=advance)


def step_row(
    record: Mapping[str, Any], columns: Mapping[str, str] = NAMES, *, chat: bool = True, **said: Any
) -> SteerRow:
    """One `stepwise` steer.

    Args:
        record: As read.
        columns: Our name to the record's.
        chat: Give the problem as the user's message, else as text and a newline.
        **said: Further fields of the row.

    Raises:
        InputError: A column is missing or holds no text.
    """
    problem = text_at(record, columns.get("prompt", "prompt"))
    prefix = value_at(record, columns.get("prefix", "prefix")) or ""
    chosen, rejected = (text_at(record, columns.get(name, name)) for name in ("chosen", "rejected"))
    if not chosen.strip() or not rejected.strip():
        raise InputError("columns `chosen` and `rejected` must each hold a step, and one of them is empty")
    whole = value_at(record, columns.get("full_chosen", "full_chosen"))
    goes_on = isinstance(whole, str) and whole.startswith(chosen)
    return SteerRow(
        prompt=(Message("user", problem),) if chat else problem + "\n",
        prefix=check_text(prefix, "prefix"),
        chosen=chosen,
        rejected=(rejected,),
        tail=check_text(whole, "full_chosen")[len(chosen) :] if goes_on else "",
        kind="stepwise",
        origin="candidate",
        **said,
    )
