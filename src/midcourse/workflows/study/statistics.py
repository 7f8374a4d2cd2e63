"""How sure a comparison of methods is: prompts are drawn as clusters, seeds inside, differences are paired by fork.

Numbers in, numbers out; it knows no files and no models.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Difference", "over_seeds"]


@dataclass(frozen=True, slots=True)
class Difference:
    """A mean with its 95% interval."""

    mean: float
    low: float
    high: float
    prompts: int
    seeds: int


def over_seeds(
    runs: Sequence[Mapping[str, tuple[str, float]]],
    against: Sequence[Mapping[str, tuple[str, float]]] | None = None,
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> Difference | None:
    """Mean over seeds and forks, or the paired difference to another method's.

    Args:
        runs: For each seed: fork -> (prompt, value).
        against: The same of another method; the difference is `runs` minus this, on forks that both have.
        resamples: Times that prompts, and seeds of each method, are drawn again.
        seed: Of the drawing.

    Returns:
        None where there is nothing to compare.
    """
    sets = [set(r) for r in (*runs, *(against or ()))]
    forks = sorted(set.intersection(*sets)) if sets else []
    if not forks or not runs or (against is not None and not against):
        return None
    prompts, of = np.unique([runs[0][f][0] for f in forks], return_inverse=True)
    ours = np.array([[r[f][1] for f in forks] for r in runs], float)
    theirs = None if against is None else np.array([[r[f][1] for f in forks] for r in against], float)
    dice = np.random.default_rng(seed)
    values = _drawn_seeds(ours, resamples, dice)
    if theirs is not None:
        values = values - _drawn_seeds(theirs, resamples, dice)
    member = np.eye(len(prompts))[of]  # [forks, prompts]
    drawn = dice.integers(0, len(prompts), (resamples, len(prompts)))
    sums, counts = np.take_along_axis(values @ member, drawn, 1).sum(1), member.sum(0)[drawn].sum(1)
    means = sums / counts
    low, high = np.quantile(means, [0.025, 0.975])
    mean = ours.mean() - (0.0 if theirs is None else theirs.mean())
    # Two processors add in different orders; what stands on a page shall not depend on which one made it.
    at, least, most = (round(float(value), 9) for value in (mean, low, high))
    return Difference(at, least, most, len(prompts), len(runs))


def _drawn_seeds(runs: np.ndarray, resamples: int, dice: np.random.Generator) -> np.ndarray:
    """Means of runs [seeds, forks] over seeds that are drawn with replacement: [resamples, forks]."""
    some: np.ndarray = runs[dice.integers(0, len(runs), (resamples, len(runs)))].mean(1)
    return some
