"""Attention of one new token to all before it, without repeating shared keys: the heads of a group ask side by side.

Query heads that share a key head become rows of one small product, which on a CPU, in bfloat16 above all, takes a
fraction of the usual way's time once a text is long. Everything but a single token without a mask goes the usual way.
It knows no cache and no model.
"""

from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

__all__ = ["NAME", "attend"]

NAME = "midcourse_grouped"
"""As `attn_implementation`."""


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """As transformers' attention functions: query [B, H, Q, d], key and value [B, K, T, d] to [B, Q, H, d]."""
    rows, heads, asked, width = query.shape
    if asked != 1 or attention_mask is not None or dropout:
        out: tuple[torch.Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **kwargs
        )
        return out
    groups = key.shape[1]
    side_by_side = query.reshape(rows, groups, heads // groups, width)
    seen = scaled_dot_product_attention(side_by_side, key, value, scale=scaling)
    return seen.reshape(rows, 1, heads, value.shape[-1]), None


AttentionInterface.register(NAME, attend)
AttentionMaskInterface.register(NAME, sdpa_mask)
