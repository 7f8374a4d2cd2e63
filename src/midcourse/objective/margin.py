"""How far a pair has moved apart, and what a margin costs: the lines that several losses share."""

import torch
import torch.nn.functional as F
from torch import Tensor

from midcourse.objective.pairs import PairLogps
from midcourse.objective.settings import LossSettings

__all__ = ["displaced", "localized_sums", "sigmoid_cost"]


def localized_sums(x: PairLogps, s: LossSettings) -> tuple[Tensor, Tensor]:
    """(S⁺, S⁻), each [P]: sums of ρ that fade with the distance from the fork, rejected tokens masked.

    S⁺ = Σ_j g_j ρ(c_j) and S⁻ = Σ_j g_j d_j ρ(r_j), with g_1 = `first_token_weight` and g_j = γ^(j−1) after it.
    """

    def g(step: Tensor) -> Tensor:
        return torch.where(step == 0, s.first_token_weight, s.decay**step)

    plus = x.per_pair(chosen=g(x.chosen_step) * x.moved_chosen)
    return plus, x.per_pair(rejected=g(x.rejected_step) * x.rejected_mask * x.moved_rejected)


def displaced(plus: Tensor, s: LossSettings) -> Tensor:
    """How far the chosen side fell below the reference, times the guard: what DPOP takes off the margin."""
    return s.displacement_guard * torch.relu(-plus)


def sigmoid_cost(margin: Tensor, s: LossSettings) -> Tensor:
    """−(1 − ε) log σ(z) − ε log σ(−z), ε = `label_smoothing`: the share of pairs taken to be the wrong way round."""
    cost = -F.logsigmoid(margin)
    if s.label_smoothing:
        cost = (1 - s.label_smoothing) * cost - s.label_smoothing * F.logsigmoid(-margin)
    return cost
