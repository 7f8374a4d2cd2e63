"""Whether a model still writes: variety, length, whether it comes to an end, and how odd its text is to the base.

Measured on a model's own samples at temperature 1 up to the end token, because likelihoods of given text cannot see a
model that repeats itself. It knows samples, not where they come from.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from midcourse.evaluate.sampling import Sample

__all__ = ["Collapse", "collapse", "distinct"]


def distinct(token_ids: Sequence[int], n: int = 3) -> float:
    """Share of different n-grams among all n-grams of one text; 1 for a text too short to repeat itself."""
    grams = [tuple(token_ids[i : i + n]) for i in range(len(token_ids) - n + 1)]
    return len(set(grams)) / len(grams) if grams else 1.0


@dataclass(frozen=True, slots=True)
class Collapse:
    """How own samples look; means over samples."""

    distinct_3: float
    """Share of different 3-grams within a sample."""
    tokens: float
    """Length."""
    ended: float
    """Share that reached the end token within the limit."""
    base_nll: float
    """Nats a token under the base, over all tokens."""
    samples: int

    def signs(self, base: "Collapse") -> list[str]:
        """What looks broken beside the base's own samples, in words; empty when nothing does."""
        found = []
        if self.distinct_3 < 0.8 * base.distinct_3:
            found.append(f"repeats itself (distinct 3-grams {self.distinct_3:.2f}, base {base.distinct_3:.2f})")
        if self.tokens < 0.5 * base.tokens:
            found.append(f"stops early ({self.tokens:.0f} tokens, base {base.tokens:.0f})")
        if self.ended < base.ended - 0.25:
            found.append(f"does not come to an end ({self.ended:.0%} ended, base {base.ended:.0%})")
        if self.base_nll > base.base_nll + 1.0:
            found.append(f"is odd to the base ({self.base_nll:.2f} nats a token, the base's own {base.base_nll:.2f})")
        if self.base_nll < 0.5 * base.base_nll:
            found.append(f"writes stock phrases ({self.base_nll:.2f} nats a token, the base's own {base.base_nll:.2f})")
        return found


def collapse(samples: Sequence[Sample], base_logps: Sequence[np.ndarray]) -> Collapse:
    """Sum up a model's own samples; `base_logps` is what the base says to each of their tokens."""
    tokens = sum(len(x) for x in base_logps)
    return Collapse(
        distinct_3=float(np.mean([distinct(s.token_ids) for s in samples])),
        tokens=float(np.mean([len(s.token_ids) for s in samples])),
        ended=float(np.mean([s.ended for s in samples])),
        base_nll=float(-sum(float(x.sum()) for x in base_logps) / tokens) if tokens else 0.0,
        samples=len(samples),
    )
