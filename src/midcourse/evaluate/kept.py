"""What the base wrote, kept between evaluations: the same base on the same prefixes with the same luck writes the same.

Sampling is most of what an evaluation costs, and the base's half of it does not depend on the adapter. Kept samples are
found by everything that they depend on: weights, dtype, versions, prefixes, lengths, seeds. It knows no adapter.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers

from midcourse.evaluate.sampling import Sample, sample

__all__ = ["KeptSamples"]


class KeptSamples:
    """A folder of samples of one base."""

    def __init__(self, folder: Path, weights: str) -> None:
        """Keep in `folder` what the model with this hash of its weights writes."""
        self.folder = folder
        self.of = [weights, torch.__version__, transformers.__version__]

    def __call__(
        self,
        model: Any,
        prefixes: Sequence[Sequence[int]],
        lengths: Sequence[int],
        *,
        progress: Callable[[int], None] = lambda _: None,
        **chance: Any,
    ) -> list[list[Sample]]:
        """As `sampling.sample`, asked only where nothing is kept; a file that cannot be read is written anew."""
        asked = [self.of, str(model.dtype), [list(p) for p in prefixes], list(lengths), sorted(chance.items())]
        path = self.folder / f"{hashlib.sha256(json.dumps(asked, default=list).encode()).hexdigest()[:32]}.json"
        if (found := _read(path, len(prefixes))) is not None:
            progress(len(prefixes))
            return found
        drawn = sample(model, prefixes, lengths, progress=progress, **chance)
        self.folder.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(".part")
        beside.write_text(json.dumps([[[s.token_ids, s.ended] for s in row] for row in drawn]), encoding="utf-8")
        beside.replace(path)
        return drawn


def _read(path: Path, rows: int) -> list[list[Sample]] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        drawn = [[Sample(tuple(ids), bool(ended)) for ids, ended in row] for row in found]
    except (OSError, ValueError, TypeError):
        return None
    return drawn if len(drawn) == rows else None
