"""Pivotal tokens to steers of one token: at this place, not that token but this one.

Reads the preference form (`prompt`, `chosen`, `rejected`, `metadata`) and the one-sided form (`query`,
`pivot_context`, `pivot_token`, `prob_delta`) of github.com/codelion/pts (after Abdin et al. 2024, section 4.3.1 of
the Phi-4 report). It knows no store and no command line.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from midcourse.capture.importers.columns import labels, record_of, text_at, value_at
from midcourse.capture.importers.files import Record
from midcourse.capture.importers.records import Advance, Imported, import_records, read_split
from midcourse.errors import InputError
from midcourse.rows.row import SteerRow, check_text, digest
from midcourse.tokens import TextTokenizer

__all__ = ["import_pivotal", "pivotal_row"]


def import_pivotal(
    paths: Sequence[Path],
    tokenizer: TextTokenizer,
    *,
    chat: bool = False,
    split: str | None = None,
    advance: Advance | None = None,
) -> Imported:
    """Read files of pivotal tokens.

    Args:
        paths: Files or folders of them.
        tokenizer: Of the model that will be trained.
        chat: Give the query as the user's message and the rest of the context as the answer's beginning.
        split: `train`, `dev` or `test` for rows that name none.
        advance: Told about progress.

    Raises:
        InputError: A path or a format cannot be used.
    """
    fallback = read_split(split)

    def read(record: Record) -> Iterator[SteerRow]:
        value = record_of(record.value)
        yield pivotal_row(value, chat=chat, line=record.line, **labels(value, {}, fallback))

    return import_records(paths, read, tokenizer, chat=chat, advance=advance)


def pivotal_row(record: Mapping[str, Any], *, chat: bool = False, **said: Any) -> SteerRow:
    """One `picked` steer.

    Args:
        record: As read.
        chat: Cut the blank lines between query and answer, which a chat template writes itself.
        **said: Further fields of the row.

    Raises:
        InputError: A column is missing, or the better token is not known.
    """
    context, chosen, rejected, query = _sides(record)
    if chosen is None:
        raise InputError("this token made things worse and no better one is named (`chosen_token`): nothing to learn")
    if not query or not context.startswith(query):
        query = context if not chat else _no_query()
    prefix = context[len(query) :]
    said["group"] = said.get("group") or digest("pivotal", query)[:16]
    return SteerRow(
        prompt=query,
        prefix=prefix.lstrip("\n") if chat else prefix,
        chosen=chosen,
        rejected=(rejected,) if rejected else (),
        kind="picked",
        origin="candidate",
        **said,
    )


def _no_query() -> str:
    raise InputError("the row names no query that its context begins with: import it without --chat")


def _sides(record: Mapping[str, Any]) -> tuple[str, str | None, str | None, str]:
    """Context, the better token, the worse one, and the query that the context begins with."""
    metadata = record.get("metadata")
    more = metadata if isinstance(metadata, Mapping) else {}
    if "pivot_token" not in record:
        query = more.get("original_query") or record.get("query") or ""
        chosen, rejected = text_at(record, "chosen"), text_at(record, "rejected")
        return text_at(record, "prompt"), chosen, rejected, check_text(query, "query")
    token, change = text_at(record, "pivot_token"), value_at(record, "prob_delta")
    if change is None:
        change = 1.0 if record.get("is_positive") else -1.0
    if not isinstance(change, int | float):
        raise InputError(f"column `prob_delta` must be a number, got {type(change).__name__}")
    other = {name: record.get(name) or more.get(name) for name in ("chosen_token", "rejected_token")}
    for name, side in other.items():
        if side is not None:
            check_text(side, name)
    sides = (token, other["rejected_token"]) if change > 0 else (other["chosen_token"], token)
    return text_at(record, "pivot_context"), *sides, check_text(record.get("query") or "", "query")
