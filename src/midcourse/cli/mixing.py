"""Files named in a mix, as trajectories: what kind of rows they hold is told by their columns, unless it is said.

What a file or store marks as dev or test is not mixed in: it would be trained on.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from rich.console import Console

from midcourse.cli.reading import signature
from midcourse.errors import InputError
from midcourse.types import TEACHES, Trajectory

__all__ = ["MixedFile", "mixed_files"]

_SAMPLE = 20
"""Records that are looked at to tell a file's kind."""


@dataclass(frozen=True, slots=True)
class MixedFile:
    """The trajectories of a file without those that it marks as held out, read anew each time they are asked for."""

    path: Path
    kind: str
    tokenizer: Any
    chat: bool

    def __iter__(self) -> Iterator[Trajectory]:
        console = Console(stderr=True)
        for found in _imported(self.path, self.kind, self.tokenizer, self.chat):
            if isinstance(found, Trajectory):
                if found.split in (None, "train"):
                    yield found
            else:
                console.print(f"{self.path}: skipped {found}", style="yellow", markup=False, highlight=False)

    @property
    def signature(self) -> str | None:
        """What is known of it without reading it."""
        return signature(self.path, self.kind, self.chat)


def mixed_files(names: list[str], tokenizer: Any, *, chat: bool = False) -> dict[str, MixedFile]:
    """Trajectories of each name that is a file, as they are asked for; a name that is a kind of example is left out.

    Args:
        names: As in `mix`: `text`, `replay.jsonl`, or with the kind said `text:replay.csv`.
        tokenizer: The model's.
        chat: Wrap plain-text prompts as a user's message.

    Raises:
        InputError: There is no such file, or no telling what it holds.
    """
    found: dict[str, MixedFile] = {}
    for name in names:
        if name in TEACHES:
            continue
        kind, said, file = name.partition(":")
        if not said or kind not in TEACHES:
            kind, file = "", name
        path = Path(file)
        if not path.exists():
            raise InputError(f"mix: {file} is no kind of example ({', '.join(TEACHES)}) and there is no such file")
        found[name] = MixedFile(path, kind or _kind(path), tokenizer, chat)
    return found


def _kind(path: Path) -> str:
    from midcourse.capture.importers.files import FORMATS, Record, read_records

    if path.suffix.lower() not in FORMATS:
        return "text" if path.suffix.lower() in (".txt", ".md") else "store"
    rows = [r.value for r in islice(read_records(path), _SAMPLE) if isinstance(r, Record)]
    columns = {name for row in rows if isinstance(row, dict) for name, value in row.items() if value is not None}
    if "chosen" in columns:
        return "steers" if columns & {"prefix", "kind", "fork"} else "pairs"
    if "messages" in columns or {"prompt", "completion"} <= columns:
        return "instructions"
    if "text" in columns and "prompt" not in columns:
        return "text"
    raise InputError(
        f"mix: no telling what {path} holds from its columns ({', '.join(sorted(columns)) or 'none'}). Say it: "
        f"instructions:{path}=0.1, or text:, pairs:, steers:"
    )


def _imported(path: Path, kind: str, tokenizer: Any, chat: bool) -> Iterator[Any]:
    if kind == "store":
        from midcourse.store import Store

        with Store(path, create=False) as store:
            yield from store.trajectories()
    elif kind == "text":
        from midcourse.capture.importers.text import import_text

        yield from import_text([path], tokenizer)
    elif kind == "instructions":
        from midcourse.capture.importers.instructions import import_instructions

        yield from import_instructions([path], tokenizer, chat=chat)
    elif kind == "pairs":
        from midcourse.capture.importers.trl import import_trl

        yield from import_trl([path], tokenizer, chat=chat)
    else:
        from midcourse.capture.importers.steers import import_steers

        yield from import_steers([path], tokenizer, chat=chat)
