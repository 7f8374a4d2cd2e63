"""DPO that pushes down only what differs."""

from torch import Tensor

from midcourse.objective.margin import displaced, sigmoid_cost
from midcourse.objective.pairs import PairLogps
from midcourse.objective.registry import pair_loss
from midcourse.objective.settings import LossSettings


@pair_loss(
    "masked",
    settings=("beta", "displacement_guard", "label_smoothing"),
    source="Target-DPO (arXiv:2503.02783): the chosen side in full, of the rejected side the differing tokens only. "
    "Its paper adds `sft_weight` 1.",
    when="To compare with the closest published method; with `whole_answers` it is that method on whole texts.",
    defaults={"beta": 0.1},
)
def masked(x: PairLogps, s: LossSettings) -> Tensor:
    """−log σ(β(Σ_j ρ(c_j) − Σ_j d_j ρ(r_j)))"""
    plus, minus = x.per_pair(chosen=x.moved_chosen), x.per_pair(rejected=x.rejected_mask * x.moved_rejected)
    return sigmoid_cost(s.beta * (plus - minus - displaced(plus, s)), s)
