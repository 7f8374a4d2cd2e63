"""A contrast that stops pushing once the margin is wide enough."""

import torch
from torch import Tensor

from midcourse.objective.pairs import PairLogps
from midcourse.objective.registry import pair_loss
from midcourse.objective.settings import LossSettings


@pair_loss(
    "hinge",
    settings=("beta",),
    source="The margin of SLiC (arXiv:2305.10425) on DPO's log-ratios (RSO, arXiv:2309.06657). TRL's `hinge`.",
    when="Pairs that are already told apart shall not move any more.",
    defaults={"beta": 0.1},
)
def hinge(x: PairLogps, s: LossSettings) -> Tensor:
    """max(0, 1 − β(Σ_j ρ(c_j) − Σ_j ρ(r_j)))"""
    plus, minus = x.sums()
    return torch.relu(1 - s.beta * (plus - minus))
