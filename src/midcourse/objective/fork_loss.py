"""The localized preference loss: move probability at the fork, hold it everywhere the person let the model stand.

    S⁺ = Σ_j γ^(j−1) ρ(c_j)     S⁻ = Σ_j γ^(j−1) d_j ρ(r_j)     ρ = log π − log π_ref
    L  = Σ_i w_i {−log σ(β(S⁺ − S⁻)) + α·mean_j −log π(c_j)} / Σ_i w_i  +  λ Σ_U KL(π_ref ‖ π) / |U|
         +  ν Σ_t n_t (−log π_t) / Σ_t n_t

The contrast is that of DPO (Rafailov et al. 2023, arXiv:2305.18290) on the tokens after the fork; masking only the
rejected side follows Target-DPO (arXiv:2503.02783) and cDPO (arXiv:2411.19943); the decay is that of D2PO
(arXiv:2502.14340); the mean log-likelihood is the anchor of IRPO (arXiv:2404.19733). The three denominators belong to
the whole optimizer step and are handed in, so that any packing, accumulation or rank split gives the same gradient.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["PairLogps", "Totals", "fork_loss", "side_sums", "topk_kl"]


@dataclass(frozen=True, slots=True)
class Totals:
    """Denominators over the whole optimizer step."""

    pairs: float
    """Σ_i w_i"""
    retained: float
    """|U|"""
    text: float
    """Σ_t n_t"""


@dataclass(frozen=True, slots=True)
class PairLogps:
    """Per-token log-probabilities of the sides of P pairs, laid flat: C chosen and R rejected tokens."""

    weight: Tensor
    """[P] w_i"""
    paired: Tensor
    """[P] bool, whether the pair has a rejected side."""
    chosen: Tensor
    """[C] log π"""
    ref_chosen: Tensor
    """[C] log π_ref"""
    chosen_pair: Tensor
    """[C] which pair each token belongs to"""
    chosen_step: Tensor
    """[C] j − 1, tokens after the fork"""
    rejected: Tensor
    """[R] log π"""
    ref_rejected: Tensor
    """[R] log π_ref"""
    rejected_pair: Tensor
    """[R]"""
    rejected_step: Tensor
    """[R]"""
    rejected_mask: Tensor
    """[R] d_j"""


def _sum(values: Tensor, pair: Tensor, count: int) -> Tensor:
    return values.new_zeros(count).index_add(0, pair, values)


def side_sums(x: PairLogps, decay: float) -> tuple[Tensor, Tensor]:
    """(S⁺, S⁻), each [P]: decayed sums of ρ over the chosen and the counted rejected tokens."""
    count = len(x.weight)
    plus = _sum(decay**x.chosen_step * (x.chosen - x.ref_chosen), x.chosen_pair, count)
    minus = _sum(decay**x.rejected_step * x.rejected_mask * (x.rejected - x.ref_rejected), x.rejected_pair, count)
    return plus, minus


def _chosen_nll(x: PairLogps) -> Tensor:
    """[P] mean over the chosen tokens of −log π."""
    count = len(x.weight)
    tokens = _sum(torch.ones_like(x.chosen), x.chosen_pair, count).clamp(min=1)
    return -_sum(x.chosen, x.chosen_pair, count) / tokens


def topk_kl(logits: Tensor, ids: Tensor, ref_logps: Tensor, ref_rest: Tensor) -> Tensor:
    """KL(π_ref ‖ π) over the reference's k likeliest tokens and one bucket for all others: a lower bound of the KL.

    Args:
        logits: [U, V] of the policy.
        ids: [U, k] the reference's likeliest tokens.
        ref_logps: [U, k] their log-probabilities under the reference.
        ref_rest: [U] log of the reference's remaining mass, by logsumexp.

    Returns:
        [U] nats.
    """
    logits = logits.float()
    norm = torch.logsumexp(logits, dim=1, keepdim=True)
    logps = logits.gather(1, ids) - norm
    rest = torch.logsumexp(logits.scatter(1, ids, float("-inf")), dim=1) - norm[:, 0]
    return (ref_logps.exp() * (ref_logps - logps)).sum(1) + ref_rest.exp() * (ref_rest - rest)


def fork_loss(
    x: PairLogps,
    retained_kl: Tensor,
    text_logps: Tensor,
    text_weight_per_token: Tensor,
    totals: Totals,
    *,
    beta: float,
    decay: float,
    sft_weight: float,
    retain_weight: float,
    text_weight: float,
) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss of the module docstring and its metrics.

    A pair without a rejected side gets −log π alone, with its own weight. An empty term is 0.

    Args:
        x: Sides of P pairs.
        retained_kl: [U] KL(π_ref ‖ π) at retained positions.
        text_logps: [N] log π of tokens with plain next-token weight.
        text_weight_per_token: [N] n_t.
        totals: Denominators over the optimizer step.
        beta: β.
        decay: γ.
        sft_weight: α.
        retain_weight: λ.
        text_weight: ν.
    """
    plus, minus = side_sums(x, decay)
    nll = _chosen_nll(x)
    contrast = -F.logsigmoid(beta * (plus - minus))
    per_pair = torch.where(x.paired, contrast + sft_weight * nll, nll)
    pairs = (x.weight * per_pair).sum() / totals.pairs if totals.pairs else per_pair.sum() * 0
    retain = retained_kl.sum() / totals.retained if totals.retained else retained_kl.sum() * 0
    text = -(text_weight_per_token * text_logps).sum() / totals.text if totals.text else text_logps.sum() * 0
    loss = pairs + retain_weight * retain + text_weight * text
    return loss, {"pair_loss": pairs.detach(), "retain_kl": retain.detach(), "text_nll": text.detach()}
