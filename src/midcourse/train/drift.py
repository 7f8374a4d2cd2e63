"""How far the policy has moved where it should not have, on the dev part, and λ that answers to it."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import TrainerCallback

from midcourse.train.limits import READING, memory_named
from midcourse.train.ranks import Ranks
from midcourse.tree.forward import Path, logits_at
from midcourse.tree.pack import Row
from midcourse.tree.token_tree import TokenTree

__all__ = ["DevDrift", "Looks", "adapted"]

_POSITIONS = 256
_APART = 10
"""Least steps between two looks: a look costs more than a step."""


@dataclass(frozen=True, slots=True)
class DevDrift:
    """Full-vocabulary distributions of the base at some retained dev positions, kept from before the first step."""

    rows: tuple[tuple[Row, Tensor, Tensor], ...]
    """Per tree: the row, the source indices [S], the base's log-probabilities [S, V]."""
    spare: TokenTree
    """What a rank runs that has fewer rows than others, where all must run as many."""

    @classmethod
    def of(cls, model: Any, trees: Sequence[TokenTree], path: Path, ranks: Ranks) -> "DevDrift | None":
        """Read the base at up to 256 positions spread over the trees, each rank at its share; None where nothing is
        retained."""
        share = max(1, _POSITIONS // max(1, len(trees)))
        taken = list(islice((t for t in trees if len(t.retained)), -(-_POSITIONS // share)))
        if not taken:
            return None
        rows: list[tuple[Row, Tensor, Tensor]] = []
        off = model.disable_adapter() if hasattr(model, "disable_adapter") else nullcontext()
        model.eval()
        with torch.no_grad(), off:
            for tree, counts in ranks.rounds(ranks.share(taken), taken[0]):
                spread = np.linspace(0, len(tree.retained) - 1, min(share, len(tree.retained))).astype(int)
                row, sources = Row.of([tree]), torch.as_tensor(tree.parent[tree.retained[spread]])
                with memory_named([tree], otherwise=READING):
                    base = logits_at(model, row, sources, path).float().log_softmax(1)
                if counts:
                    rows.append((row, sources, base))
        return cls(tuple(rows), taken[0])

    def measure(self, model: Any, path: Path, ranks: Ranks) -> float:
        """Mean KL(base ‖ policy) in nats per token, over all ranks."""
        model.eval()
        total, count = 0.0, 0.0
        spare = Row.of([self.spare]), torch.zeros(1, dtype=torch.int64), None
        with torch.no_grad():
            for (row, sources, base), counts in ranks.rounds([*self.rows], spare):
                with memory_named(row.trees, otherwise=READING):
                    policy = logits_at(model, row, sources, path).float().log_softmax(1)
                if counts and base is not None:
                    total += float((base.exp() * (base - policy)).sum())
                    count += len(sources)
        total, count = ranks.summed({"": (total, count)})[""]
        return total / count


def adapted(weight: float, start: float, drift: float, budget: float) -> float:
    """λ after a measurement: above the budget up by the ratio of the two, at least by half and at most fourfold; down
    by a fifth below half of it; within 1/16 to 64 times its start (or of 1 where it started at 0).

    Drift falls slower than λ grows (a power of about -0.65 from λ 0.5 to 20 on one task), and a run has few looks: by
    steps of a half alone, a λ that began far too low would not get there.
    """
    base, ratio = start or 1.0, drift / budget
    changed = max(weight, base / 16) * (min(4.0, max(1.5, ratio)) if ratio > 1 else 0.8 if ratio < 0.5 else 1.0)
    return min(64 * base, max(base / 16, changed))


class Looks(TrainerCallback):
    """Has the dev part evaluated within passes too, so often that λ can answer; the end of a pass has its own look."""

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        """After each step."""
        looks = min(args.drift_looks, state.max_steps // _APART)
        within = state.epoch is None or not float(state.epoch).is_integer()
        if within and args.num_train_epochs < args.drift_looks and str(args.eval_strategy.value) == "epoch":
            before, now = (step * looks // state.max_steps for step in (state.global_step - 1, state.global_step))
            control.should_evaluate |= now > before
        return control
