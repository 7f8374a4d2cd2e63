"""How a model is made to follow a tree: which attention it runs, and what is handed to it with the tokens.

q sees k  ⇔  k ≤ q < end[k]; a sliding-window layer also wants position[q] − position[k] < window. The plan of the row
travels as an argument of the model's forward down to `tree_attention`, which transformers calls in each layer; without
a plan that function is plain sdpa, so a model may keep it. Models that cannot be reached this way get the dense mask;
those whose layers can follow no mask are refused, with the reason.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from midcourse.errors import ModelError
from midcourse.tree.flex import block_masks, flex_attention, flex_usable, padding
from midcourse.tree.pack import Row
from midcourse.tree.plan import Plan, ordered, plan_row
from midcourse.tree.sliced import sliced_attention

__all__ = ["NAME", "Kind", "attention_kind", "dense_mask", "inputs_for", "packed_refusal"]

NAME = "midcourse_tree"
Kind = Literal["sliced", "flex", "dense"]
"""`sliced`: a plan and calls on slices. `flex`: FlexAttention on CUDA. `dense`: one [T, T] mask."""

_EXACT = {"full_attention", "sliding_attention"}
_LENGTH_DEPENDENT_ROPE = {"dynamic", "longrope"}
_UNKNOWN = ("softcap", "s_aux", "position_bias")
"""What some models hand to attention and slices do not do."""


def packed_refusal(config: Any) -> str | None:
    """Why a model cannot take a tree mask, or None if it can."""
    text = config.get_text_config()
    odd = set(getattr(text, "layer_types", None) or ()) - _EXACT
    if odd:
        return f"layers of type {', '.join(sorted(odd))} take no tree mask"
    if getattr(text, "num_attention_heads", None) is None:
        return "its layers are no attention, so they take no mask"
    ropes = getattr(text, "rope_parameters", None) or {}
    kinds = {ropes.get("rope_type")} | {r.get("rope_type") for r in ropes.values() if isinstance(r, dict)}
    if kinds & _LENGTH_DEPENDENT_ROPE:
        return "its rotary embedding depends on the length of the row"
    implementation = getattr(text, "_attn_implementation", "sdpa")
    if implementation not in ("sdpa", "eager", "flex_attention", NAME, None):
        return f"the attention implementation {implementation!r} takes no arbitrary mask (use sdpa)"
    if getattr(text, "attn_logit_softcapping", None) and implementation != "eager":
        return "its attention caps its scores, which only the attention implementation 'eager' does"
    return None


def base_of(model: Any) -> Any:
    """The transformers model inside a data-parallel wrapper and an adapter."""
    model = getattr(model, "module", model)
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def attention_kind(model: Any) -> Kind:
    """Which attention a packed row of this model runs through."""
    base = base_of(model)
    if base.config.get_text_config()._attn_implementation == "eager":
        return "dense"
    if not getattr(base, "_supports_attention_backend", False):
        return "dense"
    return "flex" if flex_usable(base.device) else "sliced"


def inputs_for(model: Any, row: Row, device: torch.device) -> tuple[Mapping[str, Any], Plan | None]:
    """Arguments of the model's forward for a packed row, and the plan whose order the row is in, if it is permuted.

    A model on sdpa is switched to `tree_attention` the first time, and stays so.
    """
    base, kind = base_of(model), attention_kind(model)
    if kind == "dense":
        return _tokens(row.token_ids, row.position, device) | {
            "attention_mask": attention_mask(base.config, row, device, base.dtype)
        }, None
    if base.config._attn_implementation != NAME:
        base.set_attn_implementation(NAME)
    windows = _windows(base.config)
    if kind == "flex":
        plan = ordered(row)
        plan = replace(plan, blocks=block_masks(row, plan.order, windows, device))
    else:
        plan = plan_row(row, windows, device=device, dtype=base.dtype)
    # A mask of four dimensions is handed down as it is: none is built, and no packing is read out of the positions.
    unread = torch.ones(1, 1, 1, 1, dtype=torch.bool, device=device)
    behind = (0, padding(len(row)) if kind == "flex" else 0)
    ids, position = (np.pad(a[plan.order], behind) for a in (row.token_ids, row.position))
    tokens = _tokens(ids, position, device)
    return tokens | {"attention_mask": unread, "tree_plan": plan}, plan


def _tokens(ids: Any, position: Any, device: torch.device) -> dict[str, Any]:
    return {
        "input_ids": torch.as_tensor(ids, device=device)[None],
        "position_ids": torch.as_tensor(position, device=device)[None],
    }


def tree_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    tree_plan: Plan | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """An attention function of transformers: by the plan where there is one, else plain sdpa.

    Raises:
        ModelError: The layer asks for something that slices do not do, or has a window the plan was not made for.
    """
    if tree_plan is None:
        out: tuple[Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **kwargs
        )
        return out
    odd = [name for name in _UNKNOWN if kwargs.get(name) is not None] + (["dropout"] if dropout else [])
    if odd:
        raise ModelError(
            f"the attention of {type(module).__name__} uses {', '.join(odd)}, which packed trees do not do; "
            "train it with --forward_path branches"
        )
    window = kwargs.get("sliding_window")
    layers = tree_plan.blocks or tree_plan.slices
    if window not in layers:
        known = ", ".join(str(w) for w in layers)
        raise ModelError(
            f"a layer of {type(module).__name__} has a window of {window} tokens, but its config speaks of {known}; "
            "train it with --forward_path branches"
        )
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    if tree_plan.blocks:
        return flex_attention(query, key, value, tree_plan.blocks[window], scale), None
    return sliced_attention(query, key, value, tree_plan.slices[window], scale), None


AttentionInterface.register(NAME, tree_attention)
AttentionMaskInterface.register(NAME, sdpa_mask)


def _windows(config: Any) -> tuple[int | None, ...]:
    """The windows of a model's layers; None stands for full attention."""
    text = config.get_text_config()
    window = getattr(text, "sliding_window", None)
    types = set(getattr(text, "layer_types", None) or ())
    if not types:  # Models without layer types (Mistral) slide in every layer or in none.
        return (window,)
    return (*((None,) if types - {"sliding_attention"} else ()), *((window,) if "sliding_attention" in types else ()))


# -- the dense mask ----------------------------------------------------------------------------------------------------


def dense_mask(end: Tensor, position: Tensor, window: int | None = None) -> Tensor:
    """[T, T] bool, True where the query (row) sees the key (column)."""
    at = torch.arange(len(end), device=end.device)
    mask = (at[None, :] <= at[:, None]) & (at[:, None] < end[None, :])
    if window is not None:
        mask &= (position[:, None] - position[None, :]) < window
    return mask


def attention_mask(config: Any, row: Row, device: torch.device, dtype: torch.dtype) -> Tensor | dict[str, Tensor]:
    """The dense mask as the model takes it: [1, 1, T, T], or one per layer type where the types differ."""
    text = config.get_text_config()
    end, position = (torch.as_tensor(a, device=device) for a in (row.end, row.position))
    additive = getattr(text, "_attn_implementation", "sdpa") == "eager"

    def made(window: int | None) -> Tensor:
        mask = dense_mask(end, position, window)[None, None]
        if not additive:
            return mask
        return torch.zeros(mask.shape, dtype=dtype, device=device).masked_fill_(~mask, torch.finfo(dtype).min)

    types = set(getattr(text, "layer_types", None) or ())
    window = getattr(text, "sliding_window", None)
    if "sliding_attention" in types:
        return {t: made(window if t == "sliding_attention" else None) for t in ("full_attention", "sliding_attention")}
    return made(window if window is not None and not types else None)
