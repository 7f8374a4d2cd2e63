"""How far a pair has moved apart, and what a margin costs: the lines that several losses share."""

import torch
import torch.nn.functional as F
from torch import Tensor

from midcourse.objective.pairs import PairLogps
from midcourse.objective.settings import LossSettings

__all__ = ["displaced", "localized_sums", "sigmoid_cost"]


def localized_sums(x: PairLogps, s: LossSettings) -> tuple[Tensor, Tensor]:
    """(S⁺, S⁻), each [P]: sums of ρ that fade with the distance from the fork, rejected tokens masked.

    S⁺ = Σ_j g_j ρ(c_j) and S⁻ = Σ_j g_j d_j ρ(r_j), with g_1 = `first_token_weight` and g_j = γ^(j−1) after it. With
    η = `surprise` above 0 a token also weighs as much as the reference was wrong about it: (1 − π_ref(c_j))^η and
    π_ref(r_j)^η, the factor of the focal loss (Lin et al. 2017, arXiv:1708.02002) with the reference in it.
    """

    def g(step: Tensor) -> Tensor:
        return torch.where(step == 0, s.first_token_weight, s.decay**step)

    plus, minus = g(x.chosen_step), g(x.rejected_step) * x.rejected_mask
    if s.surprise:
        plus = plus * (1 - x.ref_chosen.exp()).clamp(min=0) ** s.surprise
        minus = minus * (s.surprise * x.ref_rejected).exp()
    return x.per_pair(chosen=plus * x.moved_chosen), x.per_pair(rejected=minus * x.moved_rejected)


def displaced(plus: Tensor, s: LossSettings) -> Tensor:
    """How far the chosen side fell below the reference, times the guard: what DPOP takes off the margin."""
    return s.displacement_guard * torch.relu(-plus)


def sigmoid_cost(margin: Tensor, s: LossSettings) -> Tensor:
    """−(1 − ε) log σ(z) − ε log σ(−z), ε = `label_smoothing`: the share of pairs taken to be the wrong way round."""
    cost = -F.logsigmoid(margin)
    if s.label_smoothing:
        cost = (1 - s.label_smoothing) * cost - s.label_smoothing * F.logsigmoid(-margin)
    return cost
