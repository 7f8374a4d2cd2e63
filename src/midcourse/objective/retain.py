"""How far the policy has moved where it should stand: KL to the reference over its likeliest tokens."""

import torch
from torch import Tensor

__all__ = ["discounted", "topk_kl"]


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


def discounted(ids: Tensor, ref_logps: Tensor, ref_rest: Tensor, discount: Tensor) -> tuple[Tensor, Tensor]:
    """The reference with some tokens made less likely, and all others likelier in proportion.

    q(v) = p(v)·e^{discount(v)} / Σ over the same; what lies outside the k likeliest is not discounted.

    Args:
        ids: [U, k] the reference's likeliest tokens.
        ref_logps: [U, k] their log-probabilities.
        ref_rest: [U] log of the remaining mass.
        discount: [V] at most 0.

    Returns:
        `ref_logps` and `ref_rest` of q.
    """
    lowered = ref_logps + discount[ids]
    norm = torch.logsumexp(torch.cat([lowered, ref_rest[:, None]], dim=1), dim=1)
    return lowered - norm[:, None], ref_rest - norm
