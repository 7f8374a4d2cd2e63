"""What each token of a packed row may see: its own branch back to the root, nothing else.

q sees k  ⇔  k ≤ q < end[k]; a sliding-window layer also wants position[q] − position[k] < window. A 4-D mask is always
passed: without one, transformers takes jumps in the positions for packing and cuts branches off their prefix.
"""

from typing import Any

import torch
from torch import Tensor

from midcourse.tree.pack import Row

__all__ = ["attention_mask", "dense_mask", "packed_refusal"]

_EXACT = {"full_attention", "sliding_attention"}
_LENGTH_DEPENDENT_ROPE = {"dynamic", "longrope"}


def dense_mask(end: Tensor, position: Tensor, window: int | None = None) -> Tensor:
    """[T, T] bool, True where the query (row) sees the key (column)."""
    at = torch.arange(len(end), device=end.device)
    mask = (at[None, :] <= at[:, None]) & (at[:, None] < end[None, :])
    if window is not None:
        mask &= (position[:, None] - position[None, :]) < window
    return mask


def packed_refusal(config: Any) -> str | None:
    """Why a model cannot take a tree mask, or None if it can."""
    text = config.get_text_config()
    odd = set(getattr(text, "layer_types", None) or ()) - _EXACT
    if odd:
        return f"layers of type {', '.join(sorted(odd))} take no tree mask"
    ropes = getattr(text, "rope_parameters", None) or {}
    kinds = {ropes.get("rope_type")} | {r.get("rope_type") for r in ropes.values() if isinstance(r, dict)}
    if kinds & _LENGTH_DEPENDENT_ROPE:
        return "its rotary embedding depends on the length of the row"
    implementation = getattr(text, "_attn_implementation", "sdpa")
    if implementation not in ("sdpa", "eager", None):
        return f"the attention implementation {implementation!r} takes no arbitrary mask (use sdpa)"
    return None


def attention_mask(config: Any, row: Row, device: torch.device, dtype: torch.dtype) -> Tensor | dict[str, Tensor]:
    """The mask as the model takes it: [1, 1, T, T], or one per layer type where the types differ."""
    text = config.get_text_config()
    end, position = (torch.as_tensor(a, device=device) for a in (row.end, row.position))
    additive = getattr(text, "_attn_implementation", "sdpa") == "eager"

    def made(window: int | None) -> Tensor:
        mask = dense_mask(end, position, window)[None, None]
        if not additive:
            return mask
        return torch.zeros(mask.shape, dtype=dtype, device=device).masked_fill_(~mask, torch.finfo(dtype).min)

    window = getattr(text, "sliding_window", None)
    types = set(getattr(text, "layer_types", None) or ())
    if "sliding_attention" in types:
        return {t: made(window if t == "sliding_attention" else None) for t in ("full_attention", "sliding_attention")}
    # Models without layer types (Mistral) slide in every layer or in none.
    return made(window if window is not None and not types else None)
