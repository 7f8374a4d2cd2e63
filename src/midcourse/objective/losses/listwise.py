"""All rejected of one fork against its chosen text at once."""

import torch
from torch import Tensor

from midcourse.objective.margin import displaced, localized_sums
from midcourse.objective.pairs import PairLogps
from midcourse.objective.registry import pair_loss
from midcourse.objective.settings import LossSettings


@pair_loss(
    "listwise",
    settings=("beta", "decay", "first_token_weight", "surprise", "displacement_guard"),
    source="The softmax form of DPO with several rejected (S-DPO, arXiv:2406.09215), on the localized sums of `fork`.",
    when="Several texts were turned down at one fork. The one still likeliest gets most of the push, where the "
    "pairwise losses push each alike. With one rejected it is `fork`.",
    defaults={"beta": 0.4, "decay": 0.95, "retain_weight": 5.0},
    localized=True,
)
def listwise(x: PairLogps, s: LossSettings) -> Tensor:
    """log(1 + Σ_k exp(−β(S⁺ − S⁻_k))), k over the rejected of the pair's fork; the same for each pair of a fork"""
    plus, minus = localized_sums(x, s)
    behind = -s.beta * (plus - minus - displaced(plus, s))
    forks = int(x.fork.max()) + 1 if len(x) else 0
    peak = behind.new_zeros(forks).scatter_reduce(0, x.fork, behind.detach(), "amax")
    summed = peak.neg().exp().index_add(0, x.fork, (behind - peak[x.fork]).exp() * x.paired)
    return (peak + torch.log(summed))[x.fork]
