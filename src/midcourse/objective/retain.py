"""How far the policy has moved where it should stand: KL to the reference over its likeliest tokens."""

import torch
from torch import Tensor

__all__ = ["topk_kl"]


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
