"""DPO on whole answers in which the corrected words weigh more than the kept ones."""

from torch import Tensor

from midcourse.objective.margin import sigmoid_cost
from midcourse.objective.pairs import PairLogps
from midcourse.objective.registry import pair_loss
from midcourse.objective.settings import LossSettings


@pair_loss(
    "segments",
    settings=("beta", "segment_weight", "label_smoothing"),
    source="RLHF-V's DDPO (Yu et al. 2023, arXiv:2312.00849), with the reference weighted alike.",
    when="With `whole_answers`: texts of which a few segments were corrected.",
    defaults={"beta": 0.5},
)
def segments(x: PairLogps, s: LossSettings) -> Tensor:
    """−log σ(β(D(c) − D(r))) with D(y) = Σ_j u_j ρ(y_j) / Σ_j u_j, u = `segment_weight` where y differs, else 1"""
    chosen = 1 + (s.segment_weight - 1) * x.chosen_mask
    rejected = 1 + (s.segment_weight - 1) * x.rejected_mask
    plus = x.per_pair(chosen=chosen * x.moved_chosen) / x.per_pair(chosen=chosen).clamp(min=1)
    minus = x.per_pair(rejected=rejected * x.moved_rejected) / x.per_pair(rejected=rejected).clamp(min=1)
    return sigmoid_cost(s.beta * (plus - minus), s)
