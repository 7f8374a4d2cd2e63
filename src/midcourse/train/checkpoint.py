"""Checkpoints that are whole or not there: written beside, hashed, fsynced, renamed.

transformers writes a checkpoint in place and resumes from the highest number unchecked; after a kill during a save
that is half a checkpoint. Here a folder without a manifest that agrees with its files does not count.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["BESIDE", "MANIFEST", "beside", "commit", "complete", "newest_complete", "prune", "put"]

BESIDE = ".writing"
MANIFEST = "manifest.json"


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def beside(output_dir: Path) -> Iterator[Path]:
    """An empty folder next to where the result will stand, gone afterwards whatever happens."""
    folder = output_dir / BESIDE
    if folder.is_symlink():  # somebody else's: what is written must not go where it leads
        folder.unlink()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def commit(written: Path, final: Path) -> None:
    """Make a written checkpoint count: manifest, fsync of every file, one rename."""
    files = sorted(p for p in written.rglob("*") if p.is_file() and p.name != MANIFEST)
    manifest = {str(p.relative_to(written)): _digest(p) for p in files}
    (written / MANIFEST).write_text(json.dumps(manifest, indent=1))
    for path in (*files, written / MANIFEST, written):
        _sync(path)
    if final.exists():
        shutil.rmtree(final)
    written.replace(final)
    _sync(final.parent)


def put(written: Path, final: Path) -> None:
    """Move every file of a written folder to its place in another, each by a rename; what else is there stays."""
    for path in sorted(p for p in written.rglob("*") if p.is_file()):
        target = final / path.relative_to(written)
        target.parent.mkdir(parents=True, exist_ok=True)
        _sync(path)
        path.replace(target)
    _sync(final)


def complete(folder: Path) -> bool:
    """Whether every file that the manifest names is there and unchanged."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        return all(_digest(folder / name) == digest for name, digest in manifest.items())
    except (OSError, ValueError):
        return False


def _numbered(output_dir: Path) -> list[tuple[int, Path]]:
    found = [(p.name.removeprefix("checkpoint-"), p) for p in output_dir.glob("checkpoint-*") if p.is_dir()]
    return sorted(((int(n), p) for n, p in found if n.isdigit()), reverse=True)


def newest_complete(output_dir: Path) -> Path | None:
    """The complete checkpoint with the highest step, None if there is none."""
    return next((p for _, p in _numbered(output_dir) if complete(p)), None)


def prune(output_dir: Path, keep: int | None, best: str | None) -> None:
    """Delete all but the newest `keep` checkpoints; the best one always stays."""
    if keep is None or keep <= 0:
        return
    for _, path in _numbered(output_dir)[keep:]:
        if best is None or path.resolve() != Path(best).resolve():
            shutil.rmtree(path, ignore_errors=True)
