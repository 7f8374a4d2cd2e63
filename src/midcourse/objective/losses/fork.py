"""The localized preference loss: probability moves at the fork, and fades with the distance from it."""

from torch import Tensor

from midcourse.objective.margin import displaced, localized_sums, sigmoid_cost
from midcourse.objective.pairs import PairLogps
from midcourse.objective.registry import pair_loss
from midcourse.objective.settings import LossSettings


@pair_loss(
    "fork",
    settings=("beta", "decay", "first_token_weight", "surprise", "displacement_guard", "label_smoothing"),
    source="The contrast is that of DPO (arXiv:2305.18290) on the tokens after the fork; masking only the rejected "
    "side follows Target-DPO (arXiv:2503.02783) and cDPO (arXiv:2411.19943), the decay D2PO (arXiv:2502.14340).",
    when="The default, for steers. The retain term, on by default here, holds the model where it was let stand.",
    defaults={"beta": 0.4, "decay": 0.95, "retain_weight": 5.0},
    localized=True,
)
def fork(x: PairLogps, s: LossSettings) -> Tensor:
    """−log σ(β(S⁺ − S⁻)) with S⁺ = Σ_j γ^(j−1) ρ(c_j), S⁻ = Σ_j γ^(j−1) d_j ρ(r_j)"""
    plus, minus = localized_sums(x, s)
    return sigmoid_cost(s.beta * (plus - minus - displaced(plus, s)), s)
