"""One finished text with its corrections marked in it, taken apart into rows.

Marks are CriticMarkup, `{~~was~>put~~}`, `{--cut--}`, `{++put++}` (with `{>>why<<}` behind it as the reason and
`{==kept==}` as plain text), or spans in characters of the text as the model wrote it. Each mark replaces some words
and keeps the rest, so its row is `local`. Pure text: it knows no tokens.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from midcourse.errors import InputError
from midcourse.rows.row import SteerRow, check_text, common_fields, read_row, renamed

__all__ = ["marked_rows", "read_rows"]

_MARK = re.compile(
    r"\{~~(?P<was>.*?)~>(?P<put>.*?)~~\}|\{--(?P<cut>.*?)--\}|\{\+\+(?P<added>.*?)\+\+\}"
    r"|\{>>(?P<why>.*?)<<\}|\{==(?P<kept>.*?)==\}",
    re.DOTALL,
)
_OPENER = re.compile(r"\{(~~|--|\+\+|>>|==)")


@dataclass(frozen=True, slots=True)
class _Edit:
    start: int
    """Character of the original text."""
    end: int
    put: str
    reason: str | None = None


def read_rows(
    mapping: Mapping[str, Any], *, map: Mapping[str, str] | None = None, line: int | None = None
) -> list[SteerRow]:
    """Rows of one record: a single steer, or all steers marked in its `text`.

    Args:
        mapping: Either the columns of `read_row`, or `prompt` and `text` (with marks, or with `spans`).
        map: Midcourse's column name to the one in `mapping`.
        line: Where it was read.

    Raises:
        InputError: The record cannot be used; the message names the column.
    """
    if not isinstance(mapping, Mapping) or renamed(mapping, map).get("text") is None:
        return [read_row(mapping, map=map, line=line)]
    row = renamed(mapping, map)
    if row.get("chosen") is not None:
        raise InputError("a row has either `text` with marks or `chosen`, not both: remove one (or rename it by --map)")
    return marked_rows(check_text(row["text"], "text"), spans=row.get("spans"), line=line, **common_fields(row))


def marked_rows(text: str, *, spans: Sequence[Mapping[str, Any]] | None = None, **fields: Any) -> list[SteerRow]:
    """Take a marked text apart.

    Args:
        text: With CriticMarkup; or, where `spans` is given, as the model wrote it.
        spans: `{start, end, put}` in characters of `text`, end exclusive.
        fields: The other fields of each row: `prompt` and what else it has.

    Returns:
        One `local` row per mark, in the order of the text. The prefix of each is the corrected text before it.

    Raises:
        InputError: A mark is not closed, spans overlap or lie outside, or nothing is marked.
    """
    original, edits = _from_markup(text) if spans is None else (text, _from_spans(text, spans))
    if not edits:
        raise InputError("column `text` marks no steer: write {~~was~>put~~}, {--cut--}, {++put++}, or give `spans`")
    pieces, at = [], 0
    for e in edits:
        pieces.append(original[at : e.start])
        at = e.end
    pieces.append(original[at:])
    # The corrected text after each mark, from the last one backwards.
    after = [pieces[-1]]
    for e, between in zip(reversed(edits[1:]), reversed(pieces[1:-1]), strict=True):
        after.append(between + e.put + after[-1])
    rows, prefix = [], ""
    for e, between, tail in zip(edits, pieces, reversed(after), strict=False):
        prefix += between
        given = {**fields, "reason": e.reason or fields.get("reason")}
        was = (original[e.start : e.end],)
        rows.append(
            SteerRow(
                prefix=prefix, chosen=e.put, rejected=was, tail=tail, old_tail=original[e.end :], kind="local", **given
            )
        )
        prefix += e.put
    return rows


def _from_markup(text: str) -> tuple[str, list[_Edit]]:
    """The text without marks as the model wrote it, and the edits in its characters."""
    original: list[str] = []
    edits: list[_Edit] = []
    at = size = 0
    for mark in _MARK.finditer(text):
        _refuse_open(text, at, mark.start())
        original.append(text[at : mark.start()])
        size += mark.start() - at
        adjacent = mark.start() == at and bool(edits) and edits[-1].end == size
        at = mark.end()
        if mark["why"] is not None:
            if adjacent or (edits and edits[-1].end == size):
                edits[-1] = _Edit(edits[-1].start, size, edits[-1].put, mark["why"].strip() or None)
            continue
        if mark["kept"] is not None:
            original.append(mark["kept"])
            size += len(mark["kept"])
            continue
        was, put = mark["was"] or mark["cut"] or "", mark["put"] or mark["added"] or ""
        original.append(was)
        if was or put:
            # {--cut--}{++put++} is one replacement, however it was written
            if adjacent and edits:
                edits[-1] = _Edit(edits[-1].start, size + len(was), edits[-1].put + put, edits[-1].reason)
            else:
                edits.append(_Edit(size, size + len(was), put))
        size += len(was)
    _refuse_open(text, at, len(text))
    original.append(text[at:])
    return "".join(original), edits


def _refuse_open(text: str, start: int, end: int) -> None:
    found = _OPENER.search(text, start, end)
    if found:
        raise InputError(
            f"column `text`: the mark {text[found.start() : found.start() + 20]!r} at character {found.start()} is not "
            "closed; expected {~~was~>put~~}, {--cut--} or {++put++}"
        )


def _from_spans(text: str, spans: Any) -> list[_Edit]:
    if not isinstance(spans, list | tuple):
        raise InputError(f"column `spans` must be a list of {{start, end, put}}, got {type(spans).__name__}")
    edits: list[_Edit] = []
    for n, span in enumerate(spans):
        if not isinstance(span, Mapping):
            raise InputError(f"column `spans`: entry {n} must be {{start, end, put}}, got {type(span).__name__}")
        start, end = span.get("start"), span.get("end")
        whole = all(isinstance(i, int) and not isinstance(i, bool) for i in (start, end))
        if not whole or not 0 <= int(start or 0) <= int(end or 0) <= len(text):
            raise InputError(
                f"column `spans`: entry {n} needs 0 ≤ start ≤ end ≤ {len(text)} (characters of `text`), "
                f"got {start!r} to {end!r}"
            )
        put = check_text(span.get("put") or "", "spans")
        if put == text[start:end]:
            raise InputError(f"column `spans`: entry {n} puts what stood there already")
        reason = span.get("reason")
        edits.append(_Edit(int(start or 0), int(end or 0), put, reason if isinstance(reason, str) else None))
    edits.sort(key=lambda e: (e.start, e.end))
    for a, b in pairwise(edits):
        if b.start < a.end or (a.start == a.end == b.start):
            raise InputError(f"column `spans`: {a.start}–{a.end} and {b.start}–{b.end} overlap; make them one span")
    return edits
