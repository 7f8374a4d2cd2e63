"""What chance the rejected token had at the fork goes to the chosen one, and not more: a target in place of a race.

A contrast pushes the two apart for as long as there is margin to gain, and any token may gain what the rejected one
loses. Here the reference with one edit is the teacher, so the pull ends where it is reached, and all other tokens
together are held at the chance they had. Where most of them are as wrong as the rejected one, that is its limit.
"""

import torch
from torch import Tensor

from midcourse.objective.pairs import PairLogps
from midcourse.objective.registry import pair_loss
from midcourse.objective.settings import LossSettings

KEPT = 0.01
"""ε: the share of its chance that the rejected token keeps, so that no target is 0."""
_LEAST = 1e-6
"""Least chance of what is neither, so that its logarithm is finite."""


@pair_loss(
    "transfer",
    settings=("decay",),
    source="Cross-entropy with a soft target, as in distillation (Hinton et al. 2015, arXiv:1503.02531); the teacher "
    "is ours, the reference with one edit. With several rejected at a fork, each moves the chance of its own token.",
    when="Steers of texts that this model wrote itself with little chance, so that the rejected token was likely: it "
    "moves only what that one had. Try a learning rate of 5e-4. In the study it repeated fewer errors than `fork` on "
    "two of four tasks, at two and three times its drift, and its texts vary less.",
    defaults={"decay": 0.95, "retain_weight": 5.0},
    localized=True,
)
def transfer(x: PairLogps, s: LossSettings) -> Tensor:
    """KL(q ‖ π) over {c_1, r_1, all others} with q(c_1) = p(c_1) + (1 − ε)p(r_1), q(r_1) = εp(r_1), p = π_ref at the
    fork, ε = 0.01; plus Σ_{j>1} −γ^(j−1) log π(c_j) / (n − 1)
    """
    first_c, first_r = (x.chosen_step == 0).to(x.chosen.dtype), (x.rejected_step == 0).to(x.rejected.dtype)

    def at_fork(chosen: Tensor, rejected: Tensor) -> tuple[Tensor, Tensor]:
        return x.per_pair(chosen=first_c * chosen), x.per_pair(rejected=first_r * rejected)

    log_c, log_r = at_fork(x.chosen, x.rejected)
    p_c, p_r = (value.exp() for value in at_fork(x.ref_chosen, x.ref_rejected))
    target = torch.stack((p_c + (1 - KEPT) * p_r, KEPT * p_r, 1 - p_c - p_r), dim=-1).clamp(min=_LEAST)
    others = (1 - log_c.exp() - log_r.exp()).clamp(min=_LEAST).log()
    moved = (target * (target.log() - torch.stack((log_c, log_r, others), dim=-1))).sum(-1)
    later = x.per_pair(chosen=(1 - first_c) * s.decay**x.chosen_step * x.chosen)
    return moved - later / (x.chosen_length - 1).clamp(min=1)
