"""Instruction rows to trajectories that teach what the assistant says: the completion is learnt, the prompt is not.

Reads `messages`, where every turn of the assistant is learnt, `prompt` with `completion`, as texts or messages, and the
rows of Alpaca and ShareGPT. A later turn hangs below an earlier one if its rendered prompt extends it token by token;
else each has its own trajectory. It knows no store and no command line.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from midcourse.capture.importers.columns import check_names, check_tools, fill, labels, record_of, value_at
from midcourse.capture.importers.files import Record
from midcourse.capture.importers.instruction_shapes import as_ours
from midcourse.capture.importers.records import Advance, Imported, parsed, read_split
from midcourse.capture.importers.trl import messages_of
from midcourse.errors import InputError
from midcourse.rows.row import Prompt, check_text, digest
from midcourse.rows.weave import Passage, Skipped, weave
from midcourse.tokens import TextTokenizer
from midcourse.types import Message, Node, Place, Trajectory

__all__ = ["COLUMNS", "conversation", "import_instructions"]

COLUMNS = ("messages", "prompt", "completion", "group", "split")


def import_instructions(
    paths: Sequence[Path],
    tokenizer: TextTokenizer,
    *,
    columns: Mapping[str, str] | None = None,
    prompt: str | None = None,
    chat: bool = False,
    split: str | None = None,
    advance: Advance | None = None,
) -> Imported:
    """Read instruction files.

    Args:
        paths: Files or folders of them.
        tokenizer: Of the model that will be trained; messages need one with a chat template.
        columns: Our name (`messages`, `prompt`, `completion`, …) to the file's, a path where it is nested.
        prompt: A text with `{columns}` to be filled in, in place of the column `prompt`.
        chat: Wrap a text prompt as the user's message.
        split: `train`, `dev` or `test` for rows that name none.
        advance: Told about progress.

    Raises:
        InputError: A path, a format or a name in `columns` cannot be used.
    """
    check_names(columns or {}, COLUMNS)
    where, fallback = columns or {}, read_split(split)

    def read(record: Record) -> Iterator[Trajectory | Skipped]:
        value = as_ours(record_of(record.value))
        if "{tools" not in (prompt or ""):  # else the prompt says them
            check_tools(value)
        said = {key: v for key, v in labels(value, where, fallback).items() if key in ("group", "split")}
        messages = value_at(value, where.get("messages", "messages"))
        if messages is not None and prompt is None:
            yield from conversation(messages_of(messages, "messages"), tokenizer, **said)
            return
        asked = _prompt(fill(prompt, value) if prompt is not None else value_at(value, where.get("prompt", "prompt")))
        if chat and isinstance(asked, str):
            asked = (Message("user", asked),)
        answer = _completion(value_at(value, where.get("completion", "completion")))
        passage = Passage(
            prompt=asked,
            text=answer,
            ended=bool(tokenizer.eos),
            written=((0, len(answer), "person"),),
            teaches="instructions",
            **said,
        )
        trajectory, skipped = weave(passage, tokenizer, "")
        yield from skipped if trajectory is None else (trajectory,)

    for path, found in parsed(paths, read, advance=advance):
        yield found if isinstance(found, Skipped) else found.with_(source=path.name)


def conversation(
    messages: Sequence[Message], tokenizer: TextTokenizer, *, group: str | None = None, split: str | None = None
) -> Iterator[Trajectory]:
    """All turns of the assistant, in as few trajectories as the chat template allows.

    Raises:
        InputError: There is no such turn, or the template refuses the messages.
    """
    turns = [n for n, message in enumerate(messages) if message.role == "assistant" and message.content]
    if not turns or turns[0] == 0:
        raise InputError("column `messages` needs a turn of the assistant, and one before it")
    said = [m.to_dict() for m in messages]
    nodes: list[Node] = []
    ids: list[int] = []

    def grow(more: Sequence[int], author: Any) -> None:
        nodes.append(Node.below(nodes[-1] if nodes else None, more, author, tokenizer.hash))
        ids.extend(more)

    def done(before: int) -> Trajectory:
        return Trajectory(
            id=digest("trajectory", "messages", tokenizer.hash, said, before),
            nodes=tuple(nodes),
            head=Place(nodes[-1].id, len(ids)),
            tokenizer=tokenizer.hash,
            messages=tuple(messages[:before]),
            template=tokenizer.template_hash,
            source_text={"messages": said},
            group=group or digest("group", said[: turns[0]])[:16],
            split=split,
            status="imported",
            teaches="instructions",
        )

    last = turns[0]
    for turn in turns:
        prompt = tokenizer.prompt_ids(messages[:turn])
        if ids and prompt[: len(ids)] != ids:
            yield done(last)
            nodes.clear()
            ids.clear()
        if not ids:
            last = turn
        grow(prompt[len(ids) :], "prompt")
        answer = tokenizer.encode(check_text(messages[turn].content, "messages"))
        grow([*answer, *tokenizer.eos[:1]], "person")
    yield done(last)


def _prompt(value: Any) -> Prompt:
    if value is None:
        raise InputError(
            "a row needs `messages`, or `prompt` and `completion`, or the columns of Alpaca (`instruction`, `output`) "
            "or ShareGPT (`conversations`); --map OURS=THEIRS names other columns"
        )
    return check_text(value, "prompt") if isinstance(value, str) else messages_of(value, "prompt")


def _completion(value: Any) -> str:
    if isinstance(value, list | tuple):
        said = messages_of(value, "completion")
        if len(said) != 1 or said[0].role != "assistant":
            raise InputError("column `completion` must be one message of the assistant")
        value = said[0].content
    if value is None or value == "":
        raise InputError("column `completion` is missing or empty")
    return check_text(value, "completion")
