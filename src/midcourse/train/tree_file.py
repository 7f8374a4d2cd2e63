"""Trees in a file, written one by one and read by index, with a memory that does not grow with their number.

Arrow's IPC file, which Hugging Face `datasets` lies on too: column by column, mapped into memory, with a footer that
says where each batch of rows is and without which a file does not open. `datasets` itself would turn every tree into
Python lists on its way in and out, keep a second cache and hash what it is given; here arrays go in and come out as
they are. All batches but the last have as many rows, so that a tree's batch is known by its index.
"""

import mmap
import os
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from midcourse.train.trees import FACTS, Facts, Trees
from midcourse.tree.token_tree import Pair, TokenTree
from midcourse.types import TEACHES

__all__ = ["TreeFile", "TreeWriter"]

ROWS = 64
"""Trees of a batch: what a writer holds."""
_LET_GO = 1 << 26
"""Bytes of trees that are read before the pages they lay on are given back; the system may keep them as its cache."""

_NAMES = ("id", "group", "split", "source", "writer")
_INTS, _FLOATS = pa.list_(pa.int32()), pa.list_(pa.float32())
_ARRAYS = {
    "token_ids": _INTS,
    "parent": _INTS,
    "position": _INTS,
    "end": _INTS,
    "nll_weight": _FLOATS,
    "retain": pa.list_(pa.bool_()),
}
_OF_PAIRS = {
    "steer": pa.string(),
    "chosen": _INTS,
    "rejected": _INTS,
    "rejected_mask": _FLOATS,
    "weight": pa.float64(),
    "chosen_mask": _FLOATS,
    "fork": pa.int64(),
}
_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in _NAMES),
        *_ARRAYS.items(),
        *((f"pairs.{name}", pa.list_(kind)) for name, kind in _OF_PAIRS.items()),
        *((name, pa.from_numpy_dtype(FACTS[name])) for name in Facts._fields),
    ]
)


class TreeWriter:
    """Puts trees into a file; it is none before `close`."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self._writer = pa.ipc.new_file(self._file, _SCHEMA)
        self._waiting: list[TokenTree] = []

    def add(self, tree: TokenTree) -> None:
        """The next one."""
        self._waiting.append(tree)
        if len(self._waiting) == ROWS:
            self._flush()

    def _flush(self) -> None:
        self._writer.write_batch(_batch(self._waiting))
        self._waiting.clear()

    def close(self) -> None:
        """Write the rest and have it on the disk."""
        if self._waiting:
            self._flush()
        self._writer.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()


def _batch(trees: Sequence[TokenTree]) -> pa.RecordBatch:
    facts = [Facts.of(t) for t in trees]
    columns: list[list[Any]] = [[getattr(t, name) for t in trees] for name in _NAMES]
    columns += [[_narrow(getattr(t, name)) for t in trees] for name in _ARRAYS]
    columns += [[[_narrow(getattr(p, name)) for p in t.pairs] for t in trees] for name in _OF_PAIRS]
    columns += [[getattr(f, name) for f in facts] for name in Facts._fields]
    return pa.record_batch(
        [pa.array(values, type=kind.type) for values, kind in zip(columns, _SCHEMA, strict=True)], schema=_SCHEMA
    )


def _narrow(value: Any) -> Any:
    """Indices and ids in half the room."""
    return value.astype(np.int32) if isinstance(value, np.ndarray) and value.dtype == np.int64 else value


class TreeFile(Trees):
    """What a `TreeWriter` has written."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._advise("MADV_RANDOM")  # what lies around a tree is none of its neighbours in the order of the run
        self._reader = pa.ipc.open_file(pa.BufferReader(pa.py_buffer(self._map)))
        self._last: tuple[int, Any] = (-1, None)
        self._read = 0
        batches = self._reader.num_record_batches
        self._length = (batches - 1) * ROWS + self._reader.get_batch(batches - 1).num_rows if batches else 0

    def _advise(self, name: str) -> None:
        if hasattr(mmap, name):
            self._map.madvise(getattr(mmap, name))

    def __len__(self) -> int:
        return self._length

    def _find(self, index: int) -> tuple[Any, int]:
        number, row = divmod(index, ROWS)
        if self._last[0] != number:
            self._last = number, self._reader.get_batch(number)
        return self._last[1], row

    def read(self, index: int) -> TokenTree:
        """The tree as it was built; its arrays are copies."""
        batch, row = self._find(index)
        arrays: dict[str, Any] = {name: _array(batch.column(name)[row]) for name in _ARRAYS}
        names: dict[str, Any] = {name: batch.column(name)[row].as_py() for name in _NAMES}
        tree = TokenTree(
            **names, **arrays, pairs=_pairs(batch, row), teaches=TEACHES[batch.column("teaches")[row].as_py()]
        )
        self._read += sum(array.nbytes for array in arrays.values())
        if self._read > _LET_GO:
            self._read = 0
            self._advise("MADV_DONTNEED")
        return tree

    def facts(self, index: int) -> Facts:
        """Its row of small columns."""
        batch, row = self._find(index)
        return Facts(*(batch.column(name)[row].as_py() for name in Facts._fields))

    def column(self, name: str) -> npt.NDArray[Any]:
        """Read through the file; it is not kept."""
        found = [batch.column(name).to_numpy().copy() for batch in self._batches()]  # a view would hold its batch
        return np.concatenate([np.empty(0, FACTS[name]), *found])

    def ids(self) -> Iterator[str]:
        """Read through the file."""
        for batch in self._batches():
            yield from batch.column("id").to_pylist()

    def _batches(self) -> Iterator[Any]:
        for number in range(self._reader.num_record_batches):
            yield self._reader.get_batch(number)  # a few offsets into the map: only what is asked of it is read
        self._advise("MADV_DONTNEED")


def _array(value: Any) -> npt.NDArray[Any]:
    """A list of numbers as an array of its own, as wide as trees have them."""
    array: npt.NDArray[Any] = value.values.to_numpy(zero_copy_only=False)
    return array.astype(np.int64 if array.dtype == np.int32 else array.dtype)


def _pairs(batch: Any, row: int) -> tuple[Pair, ...]:
    columns = {}
    for field in fields(Pair):
        values = batch.column(f"pairs.{field.name}")[row].values
        listed = pa.types.is_list(_OF_PAIRS[field.name])
        columns[field.name] = [_array(v) for v in values] if listed else values.to_pylist()
    return tuple(Pair(**dict(zip(columns, values, strict=True))) for values in zip(*columns.values(), strict=True))
