"""What is minimised: tensors in, (loss, metrics) out. No model, no tree, no configuration object."""

from midcourse.objective.baselines import dpo_loss, sft_loss
from midcourse.objective.fork_loss import PairLogps, Totals, fork_loss, side_sums, topk_kl

__all__ = ["PairLogps", "Totals", "dpo_loss", "fork_loss", "sft_loss", "side_sums", "topk_kl"]
