"""How far the policy has moved where it should not have, on the dev part, and λ that answers to it."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from midcourse.train.limits import READING, memory_named
from midcourse.tree.forward import Path, logits_at
from midcourse.tree.pack import Row
from midcourse.tree.token_tree import TokenTree

__all__ = ["DevDrift", "adapted"]

_POSITIONS = 256


@dataclass(frozen=True, slots=True)
class DevDrift:
    """Full-vocabulary distributions of the base at some retained dev positions, kept from before the first step."""

    rows: tuple[tuple[Row, Tensor, Tensor], ...]
    """Per tree: the row, the source indices [S], the base's log-probabilities [S, V]."""

    @classmethod
    def of(cls, model: Any, trees: Sequence[TokenTree], path: Path) -> "DevDrift | None":
        """Read the base at up to 256 positions spread over the trees; None where nothing is retained."""
        share = max(1, _POSITIONS // max(1, len(trees)))
        rows: list[tuple[Row, Tensor, Tensor]] = []
        off = model.disable_adapter() if hasattr(model, "disable_adapter") else nullcontext()
        model.eval()
        with torch.no_grad(), off:
            for tree in trees:
                if len(tree.retained) and len(rows) * share < _POSITIONS:
                    spread = np.linspace(0, len(tree.retained) - 1, min(share, len(tree.retained))).astype(int)
                    row, sources = Row.of([tree]), torch.as_tensor(tree.parent[tree.retained[spread]])
                    with memory_named([tree], otherwise=READING):
                        rows.append((row, sources, logits_at(model, row, sources, path).float().log_softmax(1)))
        return cls(tuple(rows)) if rows else None

    def measure(self, model: Any, path: Path) -> float:
        """Mean KL(base ‖ policy) in nats per token."""
        model.eval()
        total, count = 0.0, 0
        with torch.no_grad():
            for row, sources, base in self.rows:
                with memory_named(row.trees, otherwise=READING):
                    policy = logits_at(model, row, sources, path).float().log_softmax(1)
                total += float((base.exp() * (base - policy)).sum())
                count += len(sources)
        return total / count


def adapted(weight: float, start: float, drift: float, budget: float) -> float:
    """λ after a measurement: up by half above the budget, down by a fifth below half of it, within 1/16 to 64 times
    its start (or of 1 where it started at 0)."""
    base = start or 1.0
    changed = max(weight, base / 16) * (1.5 if drift > budget else 0.8 if drift < budget / 2 else 1.0)
    return min(64 * base, max(base / 16, changed))
