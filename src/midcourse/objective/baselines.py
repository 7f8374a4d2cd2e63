"""What else one could minimise on the same steers, for comparison: each a function of the same tensors."""

from dataclasses import replace

import torch.nn.functional as F
from torch import Tensor

from midcourse.objective.fork_loss import PairLogps, Totals, side_sums

__all__ = ["dpo_loss", "sft_loss"]


def dpo_loss(x: PairLogps, totals: Totals, *, beta: float) -> tuple[Tensor, dict[str, Tensor]]:
    """DPO with the prefix as prompt: Σ_i w_i −log σ(β[Σ_j ρ(c_j) − Σ_j ρ(r_j)]) / Σ_i w_i, nothing masked or decayed.

    Rafailov et al. 2023, arXiv:2305.18290; with the prefix as prompt it is the objective of Step-DPO
    (arXiv:2406.18629). Pairs without a rejected side contribute nothing.
    """
    everything = _unmasked(x)
    plus, minus = side_sums(everything, 1.0)
    per_pair = -F.logsigmoid(beta * (plus - minus)) * x.paired
    loss = (x.weight * per_pair).sum() / totals.pairs if totals.pairs else per_pair.sum() * 0
    return loss, {"pair_loss": loss.detach()}


def sft_loss(text_logps: Tensor, text_weight_per_token: Tensor, totals: Totals) -> tuple[Tensor, dict[str, Tensor]]:
    """Supervised fine-tuning: Σ_t n_t (−log π_t) / Σ_t n_t.

    Which tokens have weight n_t decides which baseline it is: the full corrected text, or the spans a person put.
    """
    summed = -(text_weight_per_token * text_logps).sum()
    loss = summed / totals.text if totals.text else summed * 0
    return loss, {"text_nll": loss.detach()}


def _unmasked(x: PairLogps) -> PairLogps:
    return replace(x, rejected_mask=x.rejected_mask.new_ones(x.rejected_mask.shape))
