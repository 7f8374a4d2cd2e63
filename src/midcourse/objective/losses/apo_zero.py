"""Each side by itself against the reference: good text up, bad text down, no pair needed."""

import torch
from torch import Tensor

from midcourse.objective.pairs import PairLogps
from midcourse.objective.registry import pair_loss
from midcourse.objective.settings import LossSettings


@pair_loss(
    "apo_zero_unpaired",
    settings=("beta",),
    source="KTO (Ethayarajh et al. 2024, arXiv:2402.01306) with its z₀ = 0, as in APO-zero (arXiv:2408.06266): an "
    "estimate of z₀ over the batch would make the gradient depend on how the batch is packed. TRL's "
    "`apo_zero_unpaired`.",
    when="Stops without a correction (`without_chosen` kto), or sides of which one is doubtful.",
    defaults={"beta": 0.1},
    also="kto",
)
def apo_zero_unpaired(x: PairLogps, s: LossSettings) -> Tensor:
    """(1 − σ(β Σ_j ρ(c_j))) + σ(β Σ_j ρ(r_j)), of a side that is not known nothing"""
    plus, minus = x.sums()
    up = (1 - torch.sigmoid(s.beta * plus)) * (x.chosen_length > 0)
    return up + torch.sigmoid(s.beta * minus) * (x.rejected_length > 0)
