"""DPO that does not let the chosen text fall."""

from torch import Tensor

from midcourse.objective.margin import displaced, sigmoid_cost
from midcourse.objective.pairs import PairLogps
from midcourse.objective.registry import pair_loss
from midcourse.objective.settings import LossSettings


@pair_loss(
    "dpop",
    settings=("beta", "displacement_guard", "label_smoothing"),
    source="Pal et al. 2024 (arXiv:2402.13228).",
    when="The chosen text becomes less likely under DPO, which happens most where both sides are nearly equal: as with "
    "corrections of a few words.",
    defaults={"beta": 0.3, "displacement_guard": 50.0},
)
def dpop(x: PairLogps, s: LossSettings) -> Tensor:
    """−log σ(β(Σ_j ρ(c_j) − Σ_j ρ(r_j) − κ max(0, −Σ_j ρ(c_j)))) with κ = `displacement_guard`"""
    plus, minus = x.sums()
    return sigmoid_cost(s.beta * (plus - minus - displaced(plus, s)), s)
