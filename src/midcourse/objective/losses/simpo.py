"""A contrast of mean log-probabilities, without a reference."""

from torch import Tensor

from midcourse.objective.margin import sigmoid_cost
from midcourse.objective.pairs import PairLogps
from midcourse.objective.registry import pair_loss
from midcourse.objective.settings import LossSettings


@pair_loss(
    "simpo",
    settings=("beta", "simpo_gamma", "label_smoothing"),
    source="Meng et al. 2024 (arXiv:2405.14734). TRL's `simpo` (in its CPO trainer).",
    when="To ablate the reference. Runs without one are those that report forgetting: add `retain_weight`.",
    defaults={"beta": 2.0},
)
def simpo(x: PairLogps, s: LossSettings) -> Tensor:
    """−log σ(β mean_j log π(c_j) − β mean_j log π(r_j) − γ) with γ = `simpo_gamma`"""
    rejected = x.per_pair(rejected=x.rejected) / x.rejected_length.clamp(min=1)
    return sigmoid_cost(s.beta * (-x.nll() - rejected) - s.simpo_gamma, s)
