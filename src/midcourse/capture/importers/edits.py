"""Original and corrected texts to trajectories: each edit a steer in the text as it was corrected up to there.

The two texts are aligned by words. Where too much was changed the text was rewritten, and the two are a pair of whole
answers. A text that was read and left as it was becomes a trajectory without steers: what was let stand. It knows no
store and no command line.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from midcourse.capture.importers.align import Edit, align, changed
from midcourse.capture.importers.columns import check_names, fill, labels, record_of, text_at
from midcourse.capture.importers.files import Record
from midcourse.capture.importers.records import Advance, Imported, import_records, read_split
from midcourse.rows.row import Prompt, SteerRow, digest
from midcourse.rows.weave import Passage
from midcourse.tokens import TextTokenizer
from midcourse.types import Message

__all__ = ["COLUMNS", "LAYOUTS", "Layout", "edit_rows", "import_edits"]

COLUMNS = ("original", "corrected", "prompt", "group", "split", "weight", "reason", "author")


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the values stand in the rows of one data set."""

    columns: Mapping[str, str] = field(default_factory=dict)
    """Our name to the path in the row."""
    prompt: str | None = None
    """The prompt as a text with `{columns}`; None: the column `prompt`."""


LAYOUTS: Mapping[str, Layout] = {
    "mlqe-pe": Layout({"original": "mt", "corrected": "pe"}, "Translate into English: {src}\n"),
    "defacto": Layout(
        {"original": "candidate", "corrected": "feedback.summary", "reason": "feedback.explanation", "group": "doc_id"},
        "Summarise in one sentence: {feedback.evidence}\n",
    ),
    "ilf-mbpp": Layout(
        {
            "original": "original_model_completion",
            "corrected": "unedited_annotator_completion",
            "reason": "Feedback",
            "author": "worker_id",
            "group": "task_id",
        },
        "{prompt}",
    ),
}
"""Data sets whose columns are known; a row that has them all needs no `--map`."""


def import_edits(
    paths: Sequence[Path],
    tokenizer: TextTokenizer,
    *,
    columns: Mapping[str, str] | None = None,
    prompt: str | None = None,
    chat: bool = False,
    gap: int = 2,
    max_change: float = 0.5,
    split: str | None = None,
    advance: Advance | None = None,
) -> Imported:
    """Read files of original and corrected texts.

    Args:
        paths: Files or folders of them.
        tokenizer: Of the model that will be trained.
        columns: Our name (`original`, `corrected`, `prompt`, …) to the file's, a path where it is nested.
        prompt: A text with `{columns}` to be filled in, in place of the column `prompt`.
        chat: Give a text prompt as the user's message.
        gap: Edits with fewer kept words than this between them become one.
        max_change: Share of both texts that edits may touch; above it they are a pair of whole answers.
        split: `train`, `dev` or `test` for rows that name none.
        advance: Told about progress.

    Raises:
        InputError: A path, a format or a name in `columns` cannot be used.
    """
    check_names(columns or {}, COLUMNS)
    fallback = read_split(split)

    def read(record: Record) -> Iterator[SteerRow | Passage]:
        value = record_of(record.value)
        layout = _layout(value, columns or {})
        where = {**layout.columns, **(columns or {})}
        template = prompt if prompt is not None else layout.prompt if "prompt" not in (columns or {}) else None
        asked = fill(template, value) if template is not None else text_at(value, where.get("prompt", "prompt"))
        original, corrected = (text_at(value, where.get(n, n)).removeprefix(asked) for n in ("original", "corrected"))
        told: Prompt = (Message("user", asked.rstrip("\n")),) if chat else asked
        yield from edit_rows(
            told,
            original,
            corrected,
            gap=gap,
            max_change=max_change,
            ends=bool(tokenizer.eos),
            line=record.line,
            **labels(value, where, fallback),
        )

    return import_records(paths, read, tokenizer, advance=advance)


def edit_rows(
    prompt: Prompt,
    original: str,
    corrected: str,
    *,
    gap: int = 2,
    max_change: float = 0.5,
    ends: bool = True,
    line: int | None = None,
    **said: Any,
) -> list[SteerRow | Passage]:
    """The rows of one corrected text: one for each edit, one for a text that was rewritten.

    Args:
        prompt: Text or messages.
        original: What the model wrote.
        corrected: What a person made of it.
        gap: As for `import_edits`.
        max_change: As for `import_edits`.
        ends: Whether the tokenizer has an end token, so that whole answers can end.
        line: Where it was read.
        **said: Group, split, weight, reason and author of the rows.
    """
    original, corrected = original.rstrip(), _tidy(original, corrected)
    name = digest("edit", original, corrected)[:16]
    edits = align(original, corrected, gap=gap)
    if not edits:
        kept: dict[str, Any] = {key: said.get(key) for key in ("group", "split", "author")}
        return [Passage(prompt, corrected, name=name, line=line, **kept)]
    if changed(original, corrected, edits) > max_change:
        return [SteerRow(prompt, "", corrected, (original,), ended=ends, whole=True, kind="edit", line=line, **said)]
    return [_row(edit, prompt, original, corrected, ends, line=line, trajectory=name, **said) for edit in edits]


def _row(edit: Edit, prompt: Prompt, original: str, corrected: str, ends: bool, **said: Any) -> SteerRow:
    at_end = edit.end == len(original) and edit.put_end == len(corrected) and ends
    only_put, only_cut = edit.start == edit.end, edit.put_start == edit.put_end
    return SteerRow(
        prompt=prompt,
        prefix=corrected[: edit.put_start],
        chosen=corrected[edit.put_start : edit.put_end],
        rejected=(original[edit.start : edit.end],),
        tail=corrected[edit.put_end :],
        old_tail=original[edit.end :],
        ended=at_end and only_cut,
        kind="continued" if at_end and only_put else "local",
        **said,
    )


def _layout(record: Mapping[str, Any], columns: Mapping[str, str]) -> Layout:
    """What is known about the columns of a row that does not name them as we do."""
    if "original" in columns or "original" in record:
        return Layout()
    roots = ((layout, [path.partition(".")[0] for path in layout.columns.values()]) for layout in LAYOUTS.values())
    return next((layout for layout, names in roots if all(name in record for name in names)), Layout())


def _tidy(original: str, corrected: str) -> str:
    """The corrected text without what an editing field, not a person, put there: CRLF, spaces at the ends of lines."""
    if "\r" not in original:
        corrected = corrected.replace("\r\n", "\n")
    if not re.search(r"[ \t]\n", original):
        corrected = re.sub(r"[ \t]+\n", "\n", corrected)
    if not original.startswith("\n"):
        corrected = corrected.lstrip("\n")
    return corrected.rstrip()
