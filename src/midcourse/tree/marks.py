"""Which tokens of a kept text are held, which are learnt: the retained positions and the next-token weights.

Arrays over a tree that is already laid out; it knows neither steers nor models.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from midcourse.tree.options import TreeOptions
from midcourse.types import Author

__all__ = ["trunk_marks"]

IntArray = npt.NDArray[np.int64]


def trunk_marks(
    parent: IntArray,
    trunk: IntArray,
    authors: Sequence[Author],
    sides: Sequence[tuple[IntArray, IntArray]],
    options: TreeOptions,
    *,
    learns_text: bool,
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float32]]:
    """`retain` [T] and `nll_weight` [T].

    Args:
        parent: [T] index of the token before each token on its branch.
        trunk: [n] indices of the kept text, root first.
        authors: [n] who wrote each of its tokens.
        sides: Chosen and rejected token indices of each pair.
        options: What is wanted.
        learns_text: Whether this is raw text or an instruction, learnt whatever the options say.
    """
    retain = np.zeros(len(parent), dtype=bool)
    nll = np.zeros(len(parent), dtype=np.float32)
    by = {who: trunk[[a == who for a in authors]] for who in ("model", "person")}
    if options.text != "none" or learns_text:
        nll[by["person"]] = 1.0
        if options.text == "full":
            nll[by["model"]] = 1.0
    if options.retain == "positions":
        retain[by["model"]] = True
    elif options.retain == "text" and learns_text:
        retain[nll > 0] = True
        nll[:] = 0.0
    if options.resumed_tokens:
        free = np.zeros(len(parent), dtype=bool)
        free[by["model"]] = True
        _release(free, sides, parent, options.retain_margin)
        resumed = _resumed(trunk, free, {int(i) for chosen, _ in sides for i in chosen}, options.resumed_tokens)
        nll[resumed] = 1.0
        retain[resumed] = False
    _release(retain, sides, parent, options.retain_margin)
    retain[parent < 0] = False
    nll[parent < 0] = 0.0
    return retain, nll


def _resumed(trunk: IntArray, free: npt.NDArray[np.bool_], chosen: set[int], most: int) -> list[int]:
    """The first `most` tokens after each chosen text that the model wrote and that no steer touches."""
    found: list[int] = []
    left = 0
    for i in map(int, trunk):
        if i in chosen:
            left = most
        elif left and free[i]:
            found.append(i)
            left -= 1
    return found


def _release(
    retain: npt.NDArray[np.bool_], sides: Sequence[tuple[IntArray, IntArray]], parent: IntArray, margin: int
) -> None:
    """Clear `retain` on both sides of each pair, and on the `margin` tokens before its fork: people stop late."""
    for chosen, rejected in sides:
        retain[chosen] = False
        retain[rejected] = False
        before = parent[(chosen if len(chosen) else rejected)[0]]
        for _ in range(margin):
            if before < 0:
                break
            retain[before] = False
            before = parent[before]
