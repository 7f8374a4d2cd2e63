"""Preference rows as TRL takes them to pairs of whole answers.

Prompt, chosen and rejected are texts or lists of messages; without a prompt it is what both sides begin with. The fork
stands right after the prompt. Format: huggingface.co/docs/trl/dataset_formats. It knows no store and no command line.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from midcourse.capture.importers.columns import check_names, check_tools, labels, record_of, value_at
from midcourse.capture.importers.files import Record
from midcourse.capture.importers.records import Advance, Imported, import_records, read_split
from midcourse.errors import InputError
from midcourse.rows.row import Prompt, SteerRow, check_text
from midcourse.tokens import TextTokenizer
from midcourse.types import Message

__all__ = ["COLUMNS", "import_trl", "messages_of", "preference_row"]

COLUMNS = ("prompt", "chosen", "rejected", "group", "split", "weight", "reason", "author")


def import_trl(
    paths: Sequence[Path],
    tokenizer: TextTokenizer,
    *,
    columns: Mapping[str, str] | None = None,
    chat: bool = False,
    split: str | None = None,
    advance: Advance | None = None,
) -> Imported:
    """Read preference files.

    Args:
        paths: Files or folders of them.
        tokenizer: Of the model that will be trained; messages need one with a chat template.
        columns: Our name (`prompt`, `chosen`, `rejected`, …) to the file's.
        chat: Wrap a text prompt as the user's message.
        split: `train`, `dev` or `test` for rows that name none.
        advance: Told about progress.

    Raises:
        InputError: A path, a format or a name in `columns` cannot be used.
    """
    check_names(columns or {}, COLUMNS)
    fallback = read_split(split)

    def read(record: Record) -> Iterator[SteerRow]:
        value = record_of(record.value)
        sides = {name: value_at(value, (columns or {}).get(name, name)) for name in ("prompt", "chosen", "rejected")}
        said = labels(value, columns or {}, fallback)
        check_tools(value)
        yield preference_row(**sides, ends=bool(tokenizer.eos), line=record.line, **said)

    return import_records(paths, read, tokenizer, chat=chat, advance=advance)


def preference_row(prompt: Any, chosen: Any, rejected: Any, *, ends: bool = True, **said: Any) -> SteerRow:
    """One preference as a pair of whole answers.

    Args:
        prompt: A text, messages, or None where both sides begin with it.
        chosen: A text or messages.
        rejected: Likewise.
        ends: Whether the tokenizer has an end token, so that the answers can end.
        **said: Further fields of the row.

    Raises:
        InputError: A side is missing, or is neither text nor messages that end with one answer.
    """
    for name, side in (("chosen", chosen), ("rejected", rejected)):
        if side is None:
            raise InputError(
                f"column `{name}` is missing: a preference row has `chosen` and `rejected` "
                "(rows of `prompt` and `completion` are read by `midcourse import instructions`)"
            )
    if isinstance(chosen, str) and isinstance(rejected, str):
        asked, good, bad = _texts(prompt, check_text(chosen, "chosen"), check_text(rejected, "rejected"))
    elif isinstance(chosen, str) or isinstance(rejected, str):
        raise InputError("columns `chosen` and `rejected` must both be texts or both be lists of messages")
    else:
        asked, good, bad = _conversations(prompt, messages_of(chosen, "chosen"), messages_of(rejected, "rejected"))
    if not good:
        raise InputError("column `chosen` says nothing after the prompt")
    return SteerRow(asked, "", good, (bad,) if bad else (), ended=ends, whole=True, kind="edit", **said)


def messages_of(value: Any, column: str) -> tuple[Message, ...]:
    """A list of messages, checked.

    Raises:
        InputError: It is none; the message names the column.
    """
    if not isinstance(value, list | tuple) or not value or not all(isinstance(m, Mapping) for m in value):
        raise InputError(f"column `{column}` must be text or a list of messages, got {type(value).__name__}")
    read = tuple(Message.from_dict({k: v for k, v in m.items() if v is not None}) for m in value)
    for message in read:
        check_text(message.content, column)
    return read


def _texts(prompt: Any, chosen: str, rejected: str) -> tuple[Prompt, str, str]:
    if isinstance(prompt, list | tuple):
        return messages_of(prompt, "prompt"), chosen, rejected
    if prompt is not None:
        return check_text(prompt, "prompt"), chosen, rejected
    shared = next((i for i, (a, b) in enumerate(zip(chosen, rejected, strict=False)) if a != b), None)
    shared = min(len(chosen), len(rejected)) if shared is None else shared
    while shared and not chosen[shared - 1].isspace():  # a prompt does not end inside a word
        shared -= 1
    while shared and chosen[shared - 1] == " ":  # the space before a word belongs to the word
        shared -= 1
    return chosen[:shared], chosen[shared:], rejected[shared:]


def _conversations(prompt: Any, chosen: tuple[Message, ...], rejected: tuple[Message, ...]) -> tuple[Prompt, str, str]:
    before: tuple[Message, ...] = ()
    if isinstance(prompt, str):
        before = (Message("user", check_text(prompt, "prompt")),)
    elif prompt is not None:
        before = messages_of(prompt, "prompt")
    if chosen[: len(before)] == before and rejected[: len(before)] == before:
        before = ()  # the sides are whole conversations, which begin with the prompt
    if chosen == rejected:
        raise InputError("chosen is equal to rejected; nothing can be learnt from it")
    shared = 0
    for ours, theirs in zip(chosen, rejected, strict=False):
        if ours != theirs:
            break
        shared += 1
    asked = (*before, *chosen[:shared])
    ends = [side[shared:] for side in (chosen, rejected)]
    if any(len(end) != 1 or end[0].role != "assistant" for end in ends):
        raise InputError(
            f"after what both sides share, chosen has {len(ends[0])} messages and rejected {len(ends[1])}; expected "
            "one answer of the assistant on each side"
        )
    if not asked:
        raise InputError("column `prompt` is missing, and chosen and rejected do not begin with the same messages")
    return asked, ends[0][0].content, ends[1][0].content
