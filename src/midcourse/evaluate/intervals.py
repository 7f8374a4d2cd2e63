"""How sure a mean is when several values come from one prompt: bootstrap with prompts as clusters.

Numbers in, numbers out; it knows nothing of models. Under `ENOUGH` prompts there is no claim, only the words "too few".
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["ENOUGH", "Interval", "interval", "paired"]

ENOUGH = 30
"""Test prompts that a claim needs."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its 95% bootstrap interval."""

    mean: float
    low: float
    high: float
    n: int
    """Values averaged."""
    prompts: int
    """Clusters they come from."""

    @property
    def enough(self) -> bool:
        """Whether there are prompts enough for a claim."""
        return self.prompts >= ENOUGH

    def verdict(self) -> str:
        """What a *difference* says: `higher`, `lower`, `no clear change`, or `too few`."""
        if not self.enough:
            return "too few"
        return "higher" if self.low > 0 else "lower" if self.high < 0 else "no clear change"


def interval(
    values: Sequence[float], prompts: Sequence[str], *, level: float = 0.95, resamples: int = 2000, seed: int = 0
) -> Interval | None:
    """Mean over all values, with whole prompts drawn again and again.

    Args:
        values: One number each; NaN means "not measured here" and is left out.
        prompts: The prompt each value belongs to.
        level: Share of resampled means inside the interval.
        resamples: How many.
        seed: Of the resampling.

    Returns:
        None when there is no value at all.
    """
    kept = [(v, p) for v, p in zip(values, prompts, strict=True) if not np.isnan(v)]
    if not kept:
        return None
    x = np.array([v for v, _ in kept], dtype=np.float64)
    names, of = np.unique([p for _, p in kept], return_inverse=True)
    sums, counts = np.bincount(of, x), np.bincount(of)
    drawn = np.random.default_rng(seed).integers(0, len(names), (resamples, len(names)))
    means = sums[drawn].sum(1) / counts[drawn].sum(1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(x.mean()), float(low), float(high), len(kept), len(names))


def paired(
    after: Sequence[float], before: Sequence[float], prompts: Sequence[str], *, seed: int = 0
) -> Interval | None:
    """The mean difference after − before on the same items, so that what is hard for both cancels."""
    return interval([a - b for a, b in zip(after, before, strict=True)], prompts, seed=seed)
