"""Supervised fine-tuning on what the person put, and on nothing else."""

from torch import Tensor

from midcourse.objective.pairs import PairLogps
from midcourse.objective.registry import pair_loss
from midcourse.objective.settings import LossSettings


@pair_loss(
    "sft",
    source="Imitation of the takeover alone, as in HG-DAgger (arXiv:1810.02890). TRL's `SFTTrainer` with a mask.",
    when="The simplest baseline: what the corrections teach without their rejected sides.",
    text="spans",
)
def sft(x: PairLogps, s: LossSettings) -> Tensor:
    """Σ_t n_t (−log π_t) / Σ_t n_t, n_t = 1 where the person wrote the token, else 0"""
    return x.weight * 0
