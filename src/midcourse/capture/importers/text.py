"""Plain text to trajectories that teach their text: every token is learnt.

A text longer than a limit is cut into parts of so many tokens; they share a group. It knows no store and no command
line.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from midcourse.capture.importers.columns import check_names, labels, record_of, text_at
from midcourse.capture.importers.files import TEXT_FORMATS, Record
from midcourse.capture.importers.records import Advance, Imported, parsed, read_split
from midcourse.errors import InputError
from midcourse.rows.row import digest
from midcourse.rows.weave import Skipped
from midcourse.tokens import TextTokenizer
from midcourse.types import Node, Place, Trajectory

__all__ = ["COLUMNS", "import_text", "text_parts"]

COLUMNS = ("text", "group", "split")


def import_text(
    paths: Sequence[Path],
    tokenizer: TextTokenizer,
    *,
    columns: Mapping[str, str] | None = None,
    max_tokens: int = 1024,
    split: str | None = None,
    advance: Advance | None = None,
) -> Imported:
    """Read texts: rows with a column `text`, or `.txt` files, which are read in pieces of about 64,000 characters.

    Args:
        paths: Files or folders of them.
        tokenizer: Of the model that will be trained.
        columns: Our name (`text`, `group`, `split`) to the file's.
        max_tokens: Most tokens of one trajectory.
        split: `train`, `dev` or `test` for rows that name none.
        advance: Told about progress.

    Raises:
        InputError: A path, a format or a name in `columns` cannot be used.
    """
    check_names(columns or {}, COLUMNS)
    if max_tokens < 2:
        raise InputError(f"--max-tokens must be at least 2, got {max_tokens}")
    fallback = read_split(split)

    def read(record: Record) -> Iterator[Trajectory]:
        value = record_of(record.value)
        said = labels(value, columns or {}, fallback)
        text = text_at(value, (columns or {}).get("text", "text"))
        yield from text_parts(text, tokenizer, max_tokens=max_tokens, group=said["group"], split=said["split"])

    for path, found in parsed(paths, read, advance=advance, formats=TEXT_FORMATS):
        yield found if isinstance(found, Skipped) else found.with_(source=path.name)


def text_parts(
    text: str, tokenizer: TextTokenizer, *, max_tokens: int = 1024, group: str | None = None, split: str | None = None
) -> Iterator[Trajectory]:
    """A text, tokenized as one, in trajectories of at most `max_tokens` tokens.

    Raises:
        InputError: It is empty, or the tokenizer would change it.
    """
    ids = tokenizer.encode_prompt(text)
    if not text.strip() or len(ids) < 2:
        raise InputError("the text is too short to learn from: it needs at least two tokens")
    if not tokenizer.to_bytes(ids).endswith(text.encode()):
        raise InputError("this tokenizer changes the text (it normalises Unicode); save the file NFC-normalised")
    name = digest("text", text)
    for start in range(0, len(ids), max_tokens):
        part = ids[start : start + max_tokens]
        if len(part) < 2:
            return  # a single last token has nothing before it
        node = Node.below(None, part, "person", tokenizer.hash)
        yield Trajectory(
            id=digest("trajectory", name, tokenizer.hash, start, max_tokens),
            nodes=(node,),
            head=Place(node.id, len(part)),
            tokenizer=tokenizer.hash,
            source_text={"text": text} if len(part) == len(ids) else {"text": tokenizer.decode(part), "part": start},
            group=group or name[:16],
            split=split,
            status="imported",
            teaches="text",
        )
