"""Which tokens two texts have in common: a longest common subsequence of ids."""

from collections.abc import Sequence

import numpy as np

__all__ = ["lcs"]


def lcs(a: Sequence[int], b: Sequence[int]) -> tuple[list[bool], list[bool]]:
    """For each id of `a` and of `b` whether a longest common subsequence pairs it with one of the other.

    Time and memory are len(a) · len(b); a row of the table at a time in NumPy, so that whole answers are quick.
    """
    x, y = np.asarray(a, dtype=np.int64), np.asarray(b, dtype=np.int64)
    table = np.zeros((len(x) + 1, len(y) + 1), dtype=np.int32)
    for i in range(len(x) - 1, -1, -1):  # table[i, j]: length for a[i:] and b[j:]
        best = np.maximum(table[i + 1, :-1], table[i + 1, 1:] + (x[i] == y))
        table[i, :-1] = np.maximum.accumulate(best[::-1])[::-1]
    in_a, in_b, i, j = [False] * len(x), [False] * len(y), 0, 0
    while i < len(x) and j < len(y):
        if x[i] == y[j] and table[i, j] == table[i + 1, j + 1] + 1:
            in_a[i] = in_b[j] = True
            i, j = i + 1, j + 1
        elif table[i + 1, j] >= table[i, j + 1]:
            i += 1
        else:
            j += 1
    return in_a, in_b
