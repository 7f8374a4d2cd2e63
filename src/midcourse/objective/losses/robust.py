"""DPO for labels of which a known share is wrong, without the bias that smoothing has."""

import torch.nn.functional as F
from torch import Tensor

from midcourse.objective.pairs import PairLogps
from midcourse.objective.registry import pair_loss
from midcourse.objective.settings import LossSettings


@pair_loss(
    "robust",
    settings=("beta", "label_smoothing"),
    source="Chowdhury et al. 2024 (arXiv:2403.00409). TRL's `robust`.",
    when="You know how many corrections are mistaken: ε below 0.5, in `label_smoothing`.",
    defaults={"beta": 0.1, "label_smoothing": 0.1},
)
def robust(x: PairLogps, s: LossSettings) -> Tensor:
    """{−(1 − ε) log σ(z) + ε log σ(−z)} / (1 − 2ε) with z = β(Σ_j ρ(c_j) − Σ_j ρ(r_j))"""
    plus, minus = x.sums()
    margin = s.beta * (plus - minus)
    e = s.label_smoothing
    return (-(1 - e) * F.logsigmoid(margin) + e * F.logsigmoid(-margin)) / (1 - 2 * e)
