"""Imitate what the person put, and lower the probability of each token they took away."""

import torch
from torch import Tensor

from midcourse.objective.pairs import PairLogps
from midcourse.objective.registry import pair_loss
from midcourse.objective.settings import LossSettings

_SHORT = 1e-4
"""How far below 1 a probability counts, so that the push on a token of which the model is certain stays finite."""


@pair_loss(
    "unlikelihood",
    source="Welleck et al. 2019 (arXiv:1908.04319); on human edits SALT (arXiv:2310.05857).",
    when="To compare with likelihood methods; also for a stop without a correction (`without_chosen`). No reference: "
    "nothing bounds how far it goes.",
)
def unlikelihood(x: PairLogps, s: LossSettings) -> Tensor:
    """mean_j −log π(c_j) + Σ_j d_j {−log(1 − π(r_j))} / Σ_j d_j"""
    lowered = -torch.log1p(-(1 - _SHORT) * x.rejected.exp())
    counted = x.per_pair(rejected=x.rejected_mask).clamp(min=1)
    return x.nll() + x.per_pair(rejected=x.rejected_mask * lowered) / counted
