"""Answers that are kept with their earlier versions, to steers: what chat front ends and annotation tools export.

A version that the kept text was made of by small changes is an original that a person corrected: each edit is a steer.
One that is altogether another text is an alternative: a pair of whole answers. It knows no program's fields, no store
and no command line.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from midcourse.capture.importers.edits import edit_rows
from midcourse.capture.importers.files import Reader, Record
from midcourse.capture.importers.records import Advance, Imported, import_records, read_split
from midcourse.errors import InputError
from midcourse.rows.row import Prompt, SteerRow, check_text
from midcourse.rows.weave import Passage, Skipped
from midcourse.tokens import TextTokenizer
from midcourse.types import Message

__all__ = ["Answer", "conversation", "import_versions"]


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer as it stands, and what stood there before."""

    prompt: Prompt
    kept: str
    earlier: tuple[str, ...]
    read: bool = False
    """A person has read it on purpose: left as it was, it was let stand."""
    group: str | None = None
    author: str | None = None


def import_versions(
    paths: Sequence[Path],
    tokenizer: TextTokenizer,
    answers: Callable[[Any], Iterable[Answer]],
    *,
    formats: Mapping[str, Reader],
    source: str,
    chat: bool = False,
    gap: int = 2,
    max_change: float = 0.5,
    alternatives: bool = True,
    split: str | None = None,
    advance: Advance | None = None,
) -> Imported:
    """Read files of answers with their versions.

    Args:
        paths: Files or folders of them.
        tokenizer: Of the model that will be trained; conversations need one with a chat template.
        answers: A record to its answers; raises InputError where it is none of its format.
        formats: Suffix to reader.
        source: Which program; with the text it makes the ids.
        chat: Give a text prompt as the user's message.
        gap: Edits with fewer kept words than this between them become one.
        max_change: Share of both texts that edits may touch; above it they are a pair of whole answers.
        alternatives: Also such pairs.
        split: `train`, `dev` or `test` for all of them.
        advance: Told about progress.

    Raises:
        InputError: A path or a format cannot be used.
    """
    fallback = read_split(split)
    ends = bool(tokenizer.eos)

    def read(record: Record) -> Iterator[SteerRow | Passage | Skipped]:
        for answer in answers(record.value):
            said = {"group": answer.group, "author": answer.author, "split": fallback}
            prompt: Prompt = answer.prompt
            if chat and isinstance(prompt, str):
                prompt = (Message("user", prompt.rstrip("\n")),)
            for was in dict.fromkeys(answer.earlier):
                try:
                    check_text(was, "original")
                    rows = edit_rows(
                        prompt, was, answer.kept, gap=gap, max_change=max_change, ends=ends, line=record.line, **said
                    )
                except InputError as error:
                    yield Skipped(record.line, str(error))
                    continue
                yield from (row for row in rows if _wanted(row, answer, alternatives))

    return import_records(paths, read, tokenizer, source=source, advance=advance, formats=formats)


def conversation(turns: Iterable[tuple[str, str]]) -> tuple[Message, ...]:
    """The messages before an answer.

    Raises:
        InputError: None of them is the user's: a greeting answers nothing.
    """
    messages = tuple(Message(role, check_text(text, "content")) for role, text in turns if text)
    if not any(m.role == "user" for m in messages):
        raise InputError("no message of the user stands before the answer, so it answers nothing")
    return messages


def _wanted(row: SteerRow | Passage, answer: Answer, alternatives: bool) -> bool:
    if isinstance(row, Passage):
        return answer.read
    return alternatives or not row.whole
