"""DPO: on steers the prefix is the prompt, with `whole_answers` it is what most people know."""

from torch import Tensor

from midcourse.objective.margin import sigmoid_cost
from midcourse.objective.pairs import PairLogps
from midcourse.objective.registry import pair_loss
from midcourse.objective.settings import LossSettings


@pair_loss(
    "sigmoid",
    settings=("beta", "label_smoothing"),
    source="Rafailov et al. 2023 (arXiv:2305.18290); with the prefix as prompt it is the objective of Step-DPO "
    "(arXiv:2406.18629), with `sft_weight` 1 that of IRPO (arXiv:2404.19733), with `label_smoothing` conservative DPO. "
    "TRL's `sigmoid`.",
    when="The baseline that everyone knows.",
    defaults={"beta": 0.1},
    also="dpo",
)
def sigmoid(x: PairLogps, s: LossSettings) -> Tensor:
    """−log σ(β(Σ_j ρ(c_j) − Σ_j ρ(r_j)))"""
    plus, minus = x.sums()
    return sigmoid_cost(s.beta * (plus - minus), s)
