"""Real data sets beside the project, and what an import of them came to."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from midcourse.rows import Skipped
from midcourse.tokens import TextTokenizer
from midcourse.tree.token_tree import build_tree
from midcourse.types import Trajectory

DATA = Path(os.environ.get("MIDCOURSE_DATA", Path(__file__).parents[4] / "shared" / "data"))


def needs(name: str) -> Any:
    """Skip where a data set is not there."""
    reason = f"the data set {name} is not here: set MIDCOURSE_DATA to its parent folder"
    return pytest.mark.skipif(not (DATA / name).is_dir(), reason=reason)


def apart(found: Iterable[Trajectory | Skipped]) -> tuple[list[Trajectory], list[Skipped]]:
    items = list(found)
    skipped = [f for f in items if isinstance(f, Skipped)]
    return [f for f in items if isinstance(f, Trajectory)], skipped


def text(t: Trajectory, tokenizer: TextTokenizer, author: str | None = None) -> str:
    """The trunk as text, or only what one author wrote of it."""
    ids = zip(t.path(t.head), t.authors(t.head), strict=True)
    return tokenizer.decode([i for i, a in ids if author in (None, a)])


def sides(t: Trajectory, tokenizer: TextTokenizer) -> list[tuple[str, str, str]]:
    """Kind, rejected and chosen of each steer, between the fork and their ends."""
    return [
        (
            s.kind,
            "|".join(tokenizer.decode(t.path(r.end)[s.fork.depth :]) for r in s.rejected),
            tokenizer.decode(t.path(s.chosen)[s.fork.depth :]) if s.chosen else "",
        )
        for s in t.steers
    ]


def all_can_be_learnt(trajectories: list[Trajectory]) -> int:
    """How many pairs the trees have; fails where a steer gives none or its fork has no two sides."""
    pairs = 0
    for t in trajectories:
        built = build_tree(t)
        assert built.skipped == ()
        pairs += len(built.tree.pairs)
        assert {p.steer for p in built.tree.pairs} == {s.id for s in t.steers}
    return pairs
