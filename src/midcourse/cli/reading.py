"""Trajectories from whatever a command was given: a store, or a file of steer rows."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from midcourse.errors import InputError
from midcourse.types import ModelRef, Trajectory

__all__ = ["ROW_FILES", "columns_of", "is_store", "model_ref", "name_skipped", "read_trajectories", "signature"]

ROW_FILES = {".jsonl", ".json", ".ndjson", ".csv", ".tsv", ".parquet"}


def columns_of(pairs: list[str]) -> dict[str, str]:
    """What `--map ours=theirs` says, ours first.

    Raises:
        InputError: One of them is no pair.
    """
    columns = {}
    for pair in pairs:
        ours, equals, theirs = pair.partition("=")
        if not (ours and equals and theirs):
            raise InputError(f"--map {pair}: expected OURS=THEIRS, e.g. --map chosen=fix")
        columns[ours] = theirs
    return columns


def model_ref(name: str) -> ModelRef:
    """Which model a name means: by the hash of its weights; a folder is named by its whole path, to be found again."""
    from midcourse.model import resolve, weights_hash

    folder = Path(name).expanduser()
    return ModelRef(str(folder.resolve()) if folder.is_dir() else name, weights_hash(resolve(name)))


def is_store(source: str | Path) -> bool:
    """Whether a source is meant as a store, not as a file or folder of rows."""
    path = Path(source)
    return path.suffix not in ROW_FILES and not path.is_dir()


def signature(path: Path, *settings: Any) -> str | None:
    """What tells whether a file is still the one it was, without reading it; None for a store, which changes as it is
    used, or for what is no file."""
    if not path.is_file() or path.suffix not in {*ROW_FILES, ".txt", ".md"}:
        return None
    found = path.stat()
    return f"{path.resolve()} {found.st_size} {found.st_mtime_ns} {settings}"


def read_trajectories(
    source: str | Path,
    tokenizer: Any,
    *,
    chat: bool = False,
    columns: Mapping[str, str] | None = None,
    say: Callable[[object], None] | None = None,
) -> Iterator[Trajectory]:
    """Stream the trajectories of a store, or of a file of rows; rows that cannot be used are named on stderr, or to
    `say`.

    Raises:
        InputError: There is no such file.
        StoreError: It is no store.
    """
    path = Path(source)
    if "://" not in str(source) and not path.exists():
        raise InputError(f"{source} does not exist; give a store (midcourse.db) or a file of steers (.jsonl, .csv)")
    if is_store(source):
        from midcourse.store import Store

        with Store(source, create=False) as store:
            yield from store.trajectories()
        return
    from midcourse.capture.importers.steers import import_steers

    for found in import_steers([path], tokenizer, columns=columns, chat=chat):
        if isinstance(found, Trajectory):
            yield found
        else:
            (say or name_skipped)(found)


def name_skipped(skipped: object) -> None:
    """What cannot be used, on stderr."""
    Console(stderr=True).print(f"skipped {skipped}", style="yellow", markup=False, highlight=False)
