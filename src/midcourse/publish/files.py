"""Rows on disk: lines of JSON, one Parquet file, or a folder that `datasets.load_dataset` reads.

What was there stays whole until the new file is. Which rows, and what they mean, is not known here.
"""

import json
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from midcourse.errors import InputError, MissingExtra

__all__ = ["beside", "card_path", "check_folder", "write_folder", "write_lines", "write_parquet"]

_SPLITS = {"train": "train", "dev": "validation", "test": "test"}
_LONG = 1000
"""Rows in one row group of a Parquet file."""


@contextmanager
def beside(output: Path) -> Iterator[Path]:
    """A path to write to that becomes `output` when all went well; its folder is made where there is none.

    Raises:
        InputError: The folder cannot be made.
    """
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{output} cannot be written: {error.filename} is no folder and cannot be made one") from error
    part = output.with_name(f".{output.name}.part")
    if part.is_symlink():  # somebody else's: what is written must not go where it leads
        part.unlink()
    try:
        yield part
        part.replace(output)
    finally:
        if part.is_dir():
            shutil.rmtree(part)
        part.unlink(missing_ok=True)


def check_folder(folder: Path, option: str = "--output") -> None:
    """Refuse a folder that holds something; `option` is what names it.

    Raises:
        InputError: It is there and not empty, or a file.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is there and not empty: give {option} a new folder")


def card_path(output: Path) -> Path:
    """Where the card of a file is written."""
    return output.with_name(f"{output.stem}.card.md")


def write_lines(rows: Iterable[dict[str, Any]], path: Path) -> None:
    """Write a JSON object per line."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def write_parquet(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Write steers (`import_rows`, with `text` for the rendered prompt) as one Parquet file.

    A prompt is a list of messages where every row has messages of role and content alone, else rendered text;
    `rejected` is always a list: a column has one type.

    Raises:
        MissingExtra: pyarrow is not installed.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtra.of("all", "writing Parquet") from error
    chats = all(isinstance(row["prompt"], list) and all(len(m) == 2 for m in row["prompt"]) for row in rows)
    text, texts = pyarrow.string(), pyarrow.list_(pyarrow.string())
    message = pyarrow.struct([("role", text), ("content", text)])
    types = {
        "prompt": pyarrow.list_(message) if chats and rows else text,
        "rejected": texts,
        "weight": pyarrow.float64(),
    }
    types |= dict.fromkeys(("ended", "whole"), pyarrow.bool_())
    names = ("prompt", "prefix", "rejected", "chosen", "tail", "ended", "whole", "kind", "trajectory", "group", "split")
    schema = pyarrow.schema([(n, types.get(n, text)) for n in (*names, "weight", "reason", "author")])
    plain = [
        row
        | {
            "prompt": row["prompt"] if chats else row["rendered"],
            "rejected": [row["rejected"]] if isinstance(row["rejected"], str) else row["rejected"],
        }
        for row in rows
    ]
    parquet.write_table(pyarrow.Table.from_pylist(plain, schema=schema), path, row_group_size=_LONG)


def write_folder(rows: Sequence[dict[str, Any]], folder: Path, card: str) -> None:
    """Write a data set folder: `README.md` and a Parquet file for each split; rows without a split are `train`.

    Raises:
        MissingExtra: pyarrow is not installed.
    """
    by_split: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        by_split[_SPLITS[row.get("split") or "train"]].append(row)
    (folder / "data").mkdir(parents=True, exist_ok=True)
    for split, some in by_split.items():
        write_parquet(some, folder / "data" / f"{split}.parquet")
    (folder / "README.md").write_text(card, encoding="utf-8")
