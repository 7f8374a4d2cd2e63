"""Where the trees of a run are put as they come: few of them stay in memory, many go into a file that all ranks read.

The file is written once, by the first rank, beside and then renamed; a note behind it says that it is whole. Where the
data say by a `signature` what they are, a later start takes the file as it is; otherwise they are read again. What
came is sealed by one hash, so that a run that goes on knows whether its data are the same. It knows no loss.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from midcourse.errors import InputError
from midcourse.train.ranks import Ranks
from midcourse.train.tree_file import TreeFile, TreeWriter
from midcourse.train.trees import HeldTrees, Trees
from midcourse.tree.token_tree import Pair, TokenTree

__all__ = ["Arriving", "Shelf"]

ALONE = Ranks()

_FORMAT = 2
"""Of the files; others are written anew."""


class Arriving:
    """Takes in trees one by one.

    Args:
        path: Where to write them once they are many; None keeps all in memory.
        held: Most tokens kept in memory.
        beat: Called now and then while they come.
    """

    def __init__(self, path: Path | None = None, held: int = 0, beat: Callable[[], None] = lambda: None) -> None:
        self._path, self._most, self._beat = path, held, beat
        self._held: list[TokenTree] = []
        self._count = self._tokens = 0
        self._writer: TreeWriter | None = None
        self._seal = hashlib.blake2b(digest_size=16)
        self.writers: Counter[str] = Counter()
        """How many of them each model wrote, by the hash of its weights, where that is known."""

    def __len__(self) -> int:
        return self._count

    def add(self, tree: TokenTree) -> None:
        """The next one."""
        self._count += 1
        self._tokens += len(tree)
        self.writers.update([tree.writer] if tree.writer else [])
        for piece in _pieces(tree):
            self._seal.update(piece)
        if self._writer is not None:
            self._writer.add(tree)
        else:
            self._held.append(tree)
            if self._path is not None and self._tokens > self._most:
                self._writer = self._begun(self._path)
        self._beat()

    def _begun(self, path: Path) -> TreeWriter:
        """What was held, written."""
        path.parent.mkdir(parents=True, exist_ok=True)
        writer = TreeWriter(path)
        for tree in self._held:
            writer.add(tree)
        self._held.clear()
        return writer

    @property
    def seal(self) -> str:
        """A hash of all that came, in its order."""
        return self._seal.hexdigest()

    def end(self) -> bool:
        """Nothing more comes; returns whether it is in the file, which is whole then."""
        if self._writer is not None:
            self._writer.close()
        return self._writer is not None

    def held(self) -> HeldTrees:
        """All that came, where it is in memory."""
        return HeldTrees(self._held)


def _pieces(tree: TokenTree) -> Iterator[bytes]:
    """All that a tree says, as bytes."""
    owners: list[TokenTree | Pair] = [tree, *tree.pairs]
    for owner in owners:
        for field in fields(owner):
            value = getattr(owner, field.name)
            if field.name != "pairs":
                yield np.ascontiguousarray(value).tobytes() if isinstance(value, np.ndarray) else repr(value).encode()
            yield b"|"


@dataclass(frozen=True, slots=True)
class Shelf:
    """A place for the trees of one source of a run."""

    folder: Path
    held: int
    """Most tokens kept in memory."""
    ranks: Ranks = ALONE
    name: str = "train"

    def named(self, name: str) -> "Shelf":
        """The place of another source of the run."""
        return replace(self, name=name)

    @property
    def path(self) -> Path:
        """The file, where there is one."""
        return self.folder / f"{self.name}.arrow"

    def keep(self, key: list[Any] | None, read: Callable[[Arriving], dict[str, Any]]) -> tuple[Trees, dict[str, Any]]:
        """The trees that `read` adds, with what it says of them and their `seal`.

        Args:
            key: All that decides what `read` adds; None where that is not known without reading.
            read: Called once on each rank that needs it; not at all where the file of an earlier start will do.

        Raises:
            InputError: The folder of one rank is not that of the others.
        """
        here: list[Arriving] = []

        def first(beat: Callable[[], None]) -> dict[str, Any]:
            note = self._noted(key)
            if note is not None:
                return note
            self._clear()
            here.append(Arriving(self._beside, self.held, beat))
            said = read(here[0])
            size = self._beside.stat().st_size if here[0].end() else 0
            note = {**said, "seal": here[0].seal, "file": size}
            if size:
                self._commit({**note, "key": key})
            return note

        note = self.ranks.by_first(first)
        if note["file"]:
            if not self._whole(note):
                raise InputError(
                    f"what another process has written to {self.folder} is not seen by this one. Put --output_dir on "
                    "a disk that all machines of the run share"
                )
            return TreeFile(self.path), note
        if not here:  # few trees: each rank has its own
            here.append(Arriving())
            read(here[0])
        return here[0].held(), note

    @property
    def _beside(self) -> Path:
        return self.folder / f".{self.name}.arrow"

    @property
    def _note(self) -> Path:
        return self.folder / f"{self.name}.json"

    def _clear(self) -> None:
        for path in (self._note, self.path, self._beside):  # the note first: without it the file does not count
            path.unlink(missing_ok=True)

    def _commit(self, note: dict[str, Any]) -> None:
        self._beside.replace(self.path)
        beside = self._note.with_name(f".{self._note.name}")
        beside.write_text(json.dumps({**note, "format": _FORMAT}), encoding="utf-8")
        beside.replace(self._note)

    def _noted(self, key: list[Any] | None) -> dict[str, Any] | None:
        """The note of a whole file with this key."""
        try:
            note: dict[str, Any] = json.loads(self._note.read_text(encoding="utf-8"))
            known = key is not None and note["key"] == key and note["format"] == _FORMAT
            return note if known and self._whole(note) else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _whole(self, note: dict[str, Any]) -> bool:
        return self.path.is_file() and self.path.stat().st_size == note["file"] > 0
