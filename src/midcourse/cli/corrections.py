"""Corrections that people made, read for a study by the importers: from a format's name and files to a corpus."""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from midcourse.errors import InputError

if TYPE_CHECKING:
    from midcourse.tokens import TextTokenizer
    from midcourse.types import Trajectory
    from midcourse.workflows.study.corpus import Corpus

__all__ = ["corpus_of"]


def corpus_of(name: str, given: Mapping[str, Any]) -> "Corpus":
    """A corpus of a study's `imported`.

    Args:
        name: What it is called there.
        given: `format` (prm800k, coauthor or edits), `files` below the folder that MIDCOURSE_DATA names, `folds`,
            `settings` of all its trainings, and `methods` where they are not those of all corpora.

    Raises:
        InputError: The format is unknown, or the files are not there.
    """
    from midcourse.workflows.study.corpus import Corpus

    readers = _readers()
    unknown = set(given) - {"format", "files", "folds", "settings", "methods"}
    if unknown or given.get("format") not in readers or not given.get("files"):
        raise InputError(
            f"the corrections {name} need `format` ({', '.join(readers)}), `files` and perhaps `folds`, `settings` and "
            f"`methods`; got {dict(given)}"
        )
    folder = os.environ.get("MIDCOURSE_DATA")
    paths = [Path(folder or ".") / str(file) for file in given["files"]]
    missing = next((p for p in paths if not p.exists()), None)
    if folder is None or missing is not None:
        raise InputError(
            f"the corrections {name} are read from the folder that MIDCOURSE_DATA names "
            f"({folder or 'not set'}), which must hold {given['files'][0]}; docs/import.md says where they come from. "
            "The other cells run without them: --only headline"
        )

    def read(tokenizer: "TextTokenizer") -> "Iterator[Trajectory]":
        from midcourse.types import Trajectory

        for found in readers[given["format"]](paths, tokenizer):
            if isinstance(found, Trajectory):
                yield found

    return Corpus(name, read, int(given.get("folds") or 1))


def _readers() -> "Mapping[str, Callable[[list[Path], TextTokenizer], Iterator[Any]]]":
    from midcourse.capture.importers.coauthor import import_coauthor
    from midcourse.capture.importers.edits import import_edits
    from midcourse.capture.importers.prm800k import import_prm800k

    return {"prm800k": import_prm800k, "coauthor": import_coauthor, "edits": import_edits}
