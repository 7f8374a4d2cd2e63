"""Token trees of any shape, drawn at random: what trajectories can be, and what they cannot."""

import random

import numpy as np

from growing import VOCAB
from midcourse.tree.pack import Row
from midcourse.tree.token_tree import Pair, TokenTree, _ends


def random_tree(seed: int, *, tokens: int = 60, forking: float = 0.15, trunk: int = 0) -> TokenTree:
    """Depth first; at each token the path goes on, ends or forks, however deep. `trunk`: least length of the first."""
    draw = random.Random(seed)
    parent: list[int] = []
    position: list[int] = []

    def path(above: int, depth: int, room: int, least: int) -> None:
        for n in range(max(least, draw.randint(1, max(1, room)))):
            parent.append(above)
            position.append(depth)
            above, depth = len(parent) - 1, depth + 1
            while len(parent) < tokens + least and draw.random() < forking:
                path(above, depth, draw.randint(1, 12), 0)
            if len(parent) > tokens + least and n >= least:
                return

    path(-1, 0, tokens // 2, trunk)
    n, up = len(parent), np.array(parent, dtype=np.int64)
    ids = np.array([draw.randrange(3, VOCAB) for _ in range(n)], dtype=np.int64)
    weight, retain = np.zeros(n, dtype=np.float32), np.zeros(n, dtype=bool)
    for i in range(1, n):
        if up[i] >= 0:
            weight[i], retain[i] = draw.random() < 0.3, draw.random() < 0.3
    pairs = tuple(_pairs(draw, up))
    return TokenTree(f"r{seed}", ids, up, np.array(position, dtype=np.int64), _ends(up), weight, retain, pairs)


def _pairs(draw: random.Random, parent: np.ndarray) -> list[Pair]:
    """At each fork the last child against each other one, for a few tokens down."""

    def down(i: int) -> np.ndarray:
        out = [i]
        while len(out) < 5 and (below := np.flatnonzero(parent == out[-1])).size:
            out.append(int(below[-1]))
        return np.array(out, dtype=np.int64)

    made = []
    for i in range(len(parent)):
        children = np.flatnonzero(parent == i)
        for child in children[:-1]:
            chosen, rejected = down(int(children[-1])), down(int(child))
            mask = np.array([1.0, *(float(draw.random() < 0.7) for _ in rejected[1:])], dtype=np.float32)
            shown = np.ones(len(chosen), dtype=np.float32)
            made.append(Pair(f"s{child}", chosen, rejected, mask, 1.0 / (len(children) - 1), shown, i))
    return made


def random_row(seed: int, *, trees: int = 3, **shape: float) -> Row:
    return Row.of([random_tree(seed * 100 + n, **shape) for n in range(trees)])  # type: ignore[arg-type]
