"""A contrast at each token by itself, so that none can carry the whole margin."""

import torch.nn.functional as F
from torch import Tensor

from midcourse.objective.pairs import PairLogps
from midcourse.objective.registry import pair_loss
from midcourse.objective.settings import LossSettings


@pair_loss(
    "per_token",
    settings=("beta", "decay"),
    source="The sum outside the sigmoid is the idea of ADPO (arXiv:2602.09533, read in its abstract only); how sides "
    "of unequal length are laid against each other, and the decay, are ours.",
    when="To ablate: one token of a side drifts by many nats while the others stay.",
    defaults={"beta": 0.4, "decay": 0.95, "retain_weight": 5.0},
    localized=True,
)
def per_token(x: PairLogps, s: LossSettings) -> Tensor:
    """Σ_j γ^(j−1) {−log σ(β(ρ(c_j) − d_j ρ(r_j)))}, where ρ = 0 past the end of the shorter side"""
    steps = [int(step.max()) + 1 for step in (x.chosen_step, x.rejected_step) if len(step)]
    apart = x.chosen.new_zeros(len(x), max(steps, default=1))
    there = apart.detach().clone()
    at_chosen, at_rejected = (x.chosen_pair, x.chosen_step), (x.rejected_pair, x.rejected_step)
    apart = apart.index_put(at_chosen, x.moved_chosen, accumulate=True)
    apart = apart.index_put(at_rejected, -x.rejected_mask * x.moved_rejected, accumulate=True)
    there[at_chosen] = 1.0
    there[at_rejected] = 1.0
    fade = s.decay ** there.new_ones(there.shape[1]).cumsum(0).sub(1)
    return (-F.logsigmoid(s.beta * apart) * there * fade).sum(1)
