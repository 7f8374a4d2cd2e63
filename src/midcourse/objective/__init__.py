"""What is minimised: tensors in, (loss, metrics) out. No model, no tree, no configuration object."""

from midcourse.objective.pairs import PairLogps, Totals
from midcourse.objective.registry import Loss, all_losses, find_loss, pair_loss
from midcourse.objective.retain import discounted, topk_kl
from midcourse.objective.settings import LossSettings
from midcourse.objective.step_loss import pair_values, step_loss

__all__ = [
    "Loss",
    "LossSettings",
    "PairLogps",
    "Totals",
    "all_losses",
    "discounted",
    "find_loss",
    "pair_loss",
    "pair_values",
    "step_loss",
    "topk_kl",
]
