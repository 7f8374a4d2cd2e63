"""The loss of an optimizer step from its parts: any pair loss, the likelihood anchor, the retain term, plain text.

    L = Σ_i w_i {ℓ_i + α·mean_j −log π(c_j)} / Σ_i w_i  +  λ Σ_U KL(π_ref ‖ π) / |U|  +  ν Σ_t n_t (−log π_t) / Σ_t n_t

ℓ is what `objective/losses/` holds. The three denominators belong to the whole optimizer step and are handed in, so
that any packing, accumulation or rank split gives the same gradient. An empty term is 0. With whole answers, α is the
anchor of IRPO (Pang et al. 2024, arXiv:2404.19733).
"""

import torch
from torch import Tensor

from midcourse.objective.pairs import PairLogps, Totals
from midcourse.objective.registry import Loss, find_loss
from midcourse.objective.settings import LossSettings

__all__ = ["pair_values", "step_loss"]


def pair_values(loss: Loss, x: PairLogps, s: LossSettings) -> Tensor:
    """[P] what each pair costs, before its weight.

    A steer without a rejected side costs −log π of its chosen text; one without a chosen side what `without_chosen`
    says: `kto` or `unlikelihood` of its rejected text.
    """
    whole = loss.per_pair(x, s) + s.sft_weight * x.nll()
    values = torch.where(x.paired, whole, x.nll())
    if s.without_chosen != "skip":
        stopped = find_loss(s.without_chosen).per_pair(x, s)
        values = torch.where(x.chosen_length > 0, values, stopped)
    return values


def step_loss(
    loss: Loss,
    x: PairLogps,
    retained_kl: Tensor,
    text_logps: Tensor,
    text_weight_per_token: Tensor,
    totals: Totals,
    settings: LossSettings,
) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss of the module docstring and its parts.

    Args:
        loss: What each pair costs. One that learns text alone gives pairs no part.
        x: Sides of P pairs.
        retained_kl: [U] KL(π_ref ‖ π) at retained positions.
        text_logps: [N] log π of tokens with plain next-token weight.
        text_weight_per_token: [N] n_t.
        totals: Denominators over the optimizer step.
        settings: The numbers.
    """
    if loss.text == "none" and len(x):
        per_pair = pair_values(loss, x, settings)
        pairs = (x.weight * per_pair).sum() / totals.pairs if totals.pairs else per_pair.sum() * 0
    else:
        pairs = (x.chosen.sum() + x.rejected.sum()) * 0
    retain = retained_kl.sum() / totals.retained if totals.retained else retained_kl.sum() * 0
    text = -(text_weight_per_token * text_logps).sum() / totals.text if totals.text else text_logps.sum() * 0
    total = pairs + settings.retain_weight * retain + settings.text_weight * text
    return total, {"pair_loss": pairs.detach(), "retain_kl": retain.detach(), "text_nll": text.detach()}
