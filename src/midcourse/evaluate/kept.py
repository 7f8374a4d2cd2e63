"""What the base wrote and thinks of it, kept between evaluations: the same base on the same prefixes with the same luck
writes the same.

Sampling is most of what an evaluation costs, and the base's half of it does not depend on the adapter. What is kept is
found by everything that it depends on: weights, dtype, versions, prefixes, lengths, seeds. Samples and their scores lie
in files; what takes much room, such as distributions over the vocabulary, is held while the process lasts. It knows no
adapter.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import psutil
import torch
import transformers

from midcourse.evaluate.sampling import Sample, sample, score

__all__ = ["Kept"]

_T = TypeVar("_T")
_Scores = list[list[np.ndarray]]
ROOM = min(8 << 30, psutil.virtual_memory().total // 4)
"""Most bytes that are held in memory. The oldest goes first, so what is gone through in order and does not fit is read
anew each time."""


class Kept:
    """A folder of what one base wrote."""

    def __init__(self, folder: Path, weights: str | None = None) -> None:
        """Keep in `folder` what the model with this hash of its weights writes."""
        self.folder = folder
        self._made_by = [weights or "", torch.__version__, transformers.__version__]
        self._held: dict[tuple[Any, ...], torch.Tensor] = {}

    def of(self, weights: str | None) -> "Kept":
        """The same folder and memory, for the model with this hash of its weights."""
        kept = Kept(self.folder, weights)
        kept._held = self._held
        return kept

    def remembered(self, of: tuple[Any, ...], make: Callable[[], torch.Tensor]) -> torch.Tensor:
        """What `make` gives for this; held until there is no room for it beside what came later."""
        key = (*self._made_by, *of)
        if key not in self._held:
            made = make()
            self._held[key] = made.cpu()
            while len(self._held) > 1 and sum(t.nbytes for t in self._held.values()) > ROOM:
                del self._held[next(iter(self._held))]
            return made
        return self._held[key]

    def sample(
        self,
        model: Any,
        prefixes: Sequence[Sequence[int]],
        lengths: Sequence[int],
        *,
        progress: Callable[[int], None] = lambda _: None,
        **chance: Any,
    ) -> list[list[Sample]]:
        """As `sampling.sample`, asked only where nothing is kept; a file that cannot be read is written anew."""
        path = self._path(model, prefixes, list(lengths), sorted(chance.items()))
        if (found := _read(path, len(prefixes), _samples)) is not None:
            progress(len(prefixes))
            return found
        drawn = sample(model, prefixes, lengths, progress=progress, **chance)
        self._write(path, [[[s.token_ids, s.ended] for s in row] for row in drawn])
        return drawn

    def score(
        self, model: Any, prefixes: Sequence[Sequence[int]], continuations: Sequence[Sequence[Sequence[int]]]
    ) -> _Scores:
        """As `sampling.score`, asked only where nothing is kept."""
        path = self._path(model, prefixes, "score", [[list(c) for c in row] for row in continuations])
        if (found := _read(path, len(prefixes), _scores)) is not None:
            return found
        scored = score(model, prefixes, continuations)
        self._write(path, [[[float(f"{x:.9g}") for x in one] for one in row] for row in scored])  # all of a float32
        return scored

    def _path(self, model: Any, prefixes: Sequence[Sequence[int]], *more: Any) -> Path:
        asked = [self._made_by, str(model.dtype), [list(p) for p in prefixes], *more]
        return self.folder / f"{hashlib.sha256(json.dumps(asked, default=list).encode()).hexdigest()[:32]}.json"

    def _write(self, path: Path, value: Any) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(".part")
        beside.write_text(json.dumps(value), encoding="utf-8")
        beside.replace(path)


def _samples(rows: Any) -> list[list[Sample]]:
    return [[Sample(tuple(ids), bool(ended)) for ids, ended in row] for row in rows]


def _scores(rows: Any) -> _Scores:
    return [[np.array(one, dtype=np.float32) for one in row] for row in rows]


def _read(path: Path, rows: int, told: Callable[[Any], list[_T]]) -> list[_T] | None:
    try:
        found = told(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return found if len(found) == rows else None
