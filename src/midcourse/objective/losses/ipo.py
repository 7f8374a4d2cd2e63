"""A margin of a set width, neither less nor more."""

from torch import Tensor

from midcourse.objective.pairs import PairLogps
from midcourse.objective.registry import pair_loss
from midcourse.objective.settings import LossSettings


@pair_loss(
    "ipo",
    settings=("beta",),
    source="Azar et al. 2023 (arXiv:2310.12036), eq. 17, with means over the tokens of each side, as in TRL's `ipo`.",
    when="Each correction was made once and is certain: DPO would push such a pair apart without end.",
    defaults={"beta": 0.1},
)
def ipo(x: PairLogps, s: LossSettings) -> Tensor:
    """(mean_j ρ(c_j) − mean_j ρ(r_j) − 1/(2β))²"""
    plus, minus = x.sums()
    apart = plus / x.chosen_length.clamp(min=1) - minus / x.rejected_length.clamp(min=1)
    return (apart - 1 / (2 * s.beta)) ** 2
