"""What the base model thought, computed once: log-probabilities at the labels, likeliest tokens where it must stay.

Where an adapter wrote a text that is given too, the likeliest tokens are those of the base with that adapter on. One
entry per tree, under a hash of all that the numbers depend on, on disk beside the run. A cached entry is never updated.
Some stay in memory, the others are read when they are asked for. It knows no loss.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import Tensor

from midcourse.errors import InputError
from midcourse.train.limits import READING, memory_named
from midcourse.train.ranks import Ranks
from midcourse.train.readings import read_reference
from midcourse.train.writers import Writers
from midcourse.tree.forward import Path as ForwardPath
from midcourse.tree.pack import Row
from midcourse.tree.token_tree import TokenTree

__all__ = ["HELD", "ReferenceCache", "TreeReference"]

ALONE = Ranks()
HELD = 1 << 28
"""Bytes of entries that stay in memory: the first that come. The others are read again in every pass; so would all be,
did the last ones stay, since a pass comes to each once."""
_TOGETHER = 256
"""Trees that are looked up, shared out and filled at a time."""


@dataclass(frozen=True, slots=True)
class TreeReference:
    """The reference on one tree with L labels and U retained tokens."""

    logps: Tensor
    """[L] log π_ref of `tree.labels`"""
    top_ids: Tensor
    """[U, k]"""
    top_logps: Tensor
    """[U, k]"""
    rest: Tensor
    """[U] log of the mass outside the k"""


class ReferenceCache:
    """Entries by tree; those missing are computed with the adapter off."""

    def __init__(
        self, folder: Path, key: dict[str, Any], top_k: int, memory: float = 512, writers: Writers | None = None
    ) -> None:
        self.folder = folder
        self.writers = writers or Writers()
        self._memory = memory
        self.top_k = top_k
        self._key = json.dumps({**key, "top_k": top_k, **_versions()}, sort_keys=True, default=str)
        self._entries: dict[str, TreeReference] = {}
        self._room = HELD

    def entry(self, tree: TokenTree) -> TreeReference:
        """The reference of a tree that `fill` has seen."""
        if not _compared(tree):
            none = torch.zeros(0, self.top_k)
            return TreeReference(torch.zeros(len(tree.labels)), none.long(), none, torch.zeros(0))
        found = self._found(self.name(tree))
        if found is None:
            raise InputError(
                f"the reference of trajectory {tree.id} is no longer in {self.folder}. Leave that folder alone while a "
                "run goes on; with --resume it is computed again"
            )
        return found

    def name(self, tree: TokenTree) -> str:
        """Hash of everything the numbers of a tree depend on."""
        digest = hashlib.sha256(self._key.encode())
        for array in (tree.token_ids, tree.parent, tree.labels, tree.retained):
            digest.update(np.ascontiguousarray(array).tobytes())
            digest.update(b"|")
        if tree.writer is not None and tree.writer in self.writers:
            digest.update(tree.writer.encode())
        return digest.hexdigest()[:40]

    def fill(
        self,
        model: Any,
        trees: Sequence[TokenTree],
        path: ForwardPath,
        progress: Callable[[], None],
        ranks: Ranks = ALONE,
    ) -> int:
        """Load or compute the entry of every tree; returns how many were computed, here.

        What is missing is shared out, each rank writes what it has computed, and all read it from the folder.

        Raises:
            InputError: The folder of one rank is not that of the others.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        some = (trees[at : at + _TOGETHER] for at in range(0, len(trees), _TOGETHER))
        try:
            return sum(self._fill(model, part, path, progress, ranks) for part in some)
        finally:
            self.writers.forget(model)

    def _fill(
        self, model: Any, trees: Sequence[TokenTree], path: ForwardPath, progress: Callable[[], None], ranks: Ranks
    ) -> int:
        names = {name for part in ranks.gathered(self.missing(trees)) for name in part}
        missing = [tree for name, tree in {self.name(t): t for t in trees}.items() if name in names]
        computed = 0
        if missing:
            for tree, counts in ranks.rounds(ranks.share(missing), min(missing, key=len)):
                with memory_named([tree], otherwise=READING):
                    entry = self._compute(model, tree, path)
                if counts:
                    self._save(self.name(tree), entry)
                    self._keep(self.name(tree), entry)
                    computed += 1
                    progress()
            ranks.wait()
            self._read(trees)
        for _ in range(len(trees) - computed):
            progress()
        return computed

    def missing(self, trees: Iterable[TokenTree]) -> list[str]:
        """Names of entries that are nowhere; what is on disk is loaded while there is room."""
        names = {self.name(tree): None for tree in trees if _compared(tree)}
        return [name for name in names if self._found(name) is None]

    def _found(self, name: str) -> TreeReference | None:
        entry = self._entries.get(name)
        if entry is None and (entry := self._load(name)) is not None:
            self._keep(name, entry)
        return entry

    def _keep(self, name: str, entry: TreeReference) -> None:
        size = sum(getattr(entry, field).nbytes for field in TreeReference.__slots__)
        if size <= self._room and name not in self._entries:
            self._entries[name] = entry
            self._room -= size

    def _read(self, trees: Sequence[TokenTree]) -> None:
        if self.missing(trees):
            raise InputError(
                f"what another process has written to {self.folder} is not seen by this one. Put --output_dir, or "
                "--reference_cache, on a disk that all machines of the run share"
            )

    def _compute(self, model: Any, tree: TokenTree, path: ForwardPath) -> TreeReference:
        off = model.disable_adapter() if hasattr(model, "disable_adapter") else nullcontext()
        was_training = model.training
        model.eval()
        row = Row.of([tree])
        with torch.no_grad(), off:
            read = read_reference(model, row, tree.labels, tree.retained, self.top_k, path, self._memory)
        if tree.writer is not None and tree.writer in self.writers:
            with torch.no_grad(), self.writers.on(model, tree.writer):
                held = read_reference(model, row, tree.labels, tree.retained, self.top_k, path, self._memory)
            read = (read[0], *held[1:])
        model.train(was_training)
        return TreeReference(*(part.cpu() for part in read))

    def _load(self, name: str) -> TreeReference | None:
        file = self.folder / f"{name}.safetensors"
        if not file.is_file():
            return None
        try:
            return TreeReference(**load_file(str(file)))
        except Exception:  # cut short by a crash: computed again
            return None

    def _save(self, name: str, entry: TreeReference) -> None:
        beside = self.folder / f".{name}.{os.getpid()}"
        try:
            save_file({f: getattr(entry, f).contiguous() for f in TreeReference.__slots__}, str(beside))
            beside.replace(self.folder / f"{name}.safetensors")
        finally:
            beside.unlink(missing_ok=True)


def _compared(tree: TokenTree) -> bool:
    """Whether anything on a tree is compared with the reference; plain text is not."""
    return bool(tree.pairs) or bool(tree.retain.any())


def _versions() -> dict[str, str]:
    return {"torch": torch.__version__, "transformers": transformers.__version__}
