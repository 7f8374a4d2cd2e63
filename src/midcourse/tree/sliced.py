"""Attention by slices, forward and backward: a few calls of PyTorch's own kernel instead of one call with a mask.

The backward pass gathers a slice's keys anew instead of keeping them, and adds its share to one gradient buffer, so
that nothing is kept but the output and one number per query and head. On CPU the kernel's own backward is called with
that number; elsewhere a slice is recomputed under autograd. It knows a plan and no model.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from midcourse.tree.plan import Slice

__all__ = ["sliced_attention"]

_FLASH: Any = getattr(torch.ops.aten, "_scaled_dot_product_flash_attention_for_cpu", None)
_FLASH_BACKWARD: Any = getattr(torch.ops.aten, "_scaled_dot_product_flash_attention_for_cpu_backward", None)
_GROUPS = tuple(int(x) for x in torch.__version__.split(".")[:2]) >= (2, 13)
"""Whether that kernel reads each key head for a group of query heads; else they are repeated, slice by slice."""


def sliced_attention(query: Tensor, key: Tensor, value: Tensor, slices: tuple[Slice, ...], scale: float) -> Tensor:
    """Attention over a permuted row.

    Args:
        query: [1, H, T, D]
        key: [1, G, T, D], H a multiple of G.
        value: [1, G, T, E]
        slices: Of the plan, for this layer's window; they cover each query once.
        scale: What q·k is multiplied with.

    Returns:
        [1, T, H, E]
    """
    out: Tensor = _Sliced.apply(query, key, value, slices, scale)  # type: ignore[no-untyped-call]
    return out


def _gather(x: Tensor, part: Slice) -> Tensor:
    """[1, G, keys, D]: a view where the keys are one range."""
    spans = [x[:, :, lo:hi] for lo, hi in part.keys]
    return spans[0] if len(spans) == 1 else torch.cat(spans, dim=2)


def _repeated(x: Tensor, heads: int) -> Tensor:
    return x if x.shape[1] == heads else x.repeat_interleave(heads // x.shape[1], dim=1)


def _folded(grad: Tensor, groups: int) -> Tensor:
    """Sum the gradient of repeated heads into the heads they came from."""
    b, heads, n, d = grad.shape
    return grad if heads == groups else grad.view(b, groups, heads // groups, n, d).sum(2)


def _by_kernel(query: Tensor, value: Tensor) -> bool:
    return query.device.type == "cpu" and _FLASH is not None and query.shape[-1] == value.shape[-1]


class _Sliced(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, slices: tuple[Slice, ...], scale: float) -> Tensor:
        batch, heads, length, _ = query.shape
        out = query.new_empty(batch, length, heads, value.shape[-1])
        norm = query.new_empty(batch, heads, length, dtype=torch.promote_types(query.dtype, torch.float32))
        by_kernel = _by_kernel(query, value)
        for part in slices:
            at = slice(part.begin, part.stop)
            q, k, v = query[:, :, at], _gather(key, part), _gather(value, part)
            bias = None if part.bias is None else part.bias.to(q.dtype)
            if not by_kernel or not _GROUPS:
                k, v = _repeated(k, heads), _repeated(v, heads)
            if by_kernel:
                made, norm[:, :, at] = _FLASH(q, k, v, 0.0, bias is None, attn_mask=bias, scale=scale)
            else:
                made = F.scaled_dot_product_attention(q, k, v, attn_mask=bias, is_causal=bias is None, scale=scale)
            out[:, at] = made.transpose(1, 2)
        ctx.save_for_backward(query, key, value, out, norm)
        ctx.slices, ctx.scale = slices, scale
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, out, norm = ctx.saved_tensors
        wide = torch.promote_types(query.dtype, torch.float32)
        d_query = torch.empty_like(query)
        # Many slices add to the same keys: half precision would lose what they add.
        d_key, d_value = (torch.zeros(x.shape, dtype=wide, device=x.device) for x in (key, value))
        by_kernel = _by_kernel(query, value)
        grad, out = grad.transpose(1, 2), out.transpose(1, 2)
        for part in ctx.slices:
            at = slice(part.begin, part.stop)
            q, k, v = query[:, :, at], _gather(key, part), _gather(value, part)
            if not by_kernel or not _GROUPS:
                k, v = _repeated(k, query.shape[1]), _repeated(v, query.shape[1])
            bias = None if part.bias is None else part.bias.to(q.dtype)
            if by_kernel:
                d_q, d_k, d_v = _FLASH_BACKWARD(
                    *(grad[:, :, at], q, k, v, out[:, :, at], norm[:, :, at], 0.0, bias is None),
                    attn_mask=bias,
                    scale=ctx.scale,
                )
            else:
                d_q, d_k, d_v = _recomputed(grad[:, :, at], q, k, v, bias, ctx.scale)
            d_query[:, :, at] = d_q
            begin = 0
            d_k, d_v = _folded(d_k, key.shape[1]), _folded(d_v, value.shape[1])
            for lo, hi in part.keys:
                d_key[:, :, lo:hi] += d_k[:, :, begin : begin + hi - lo]
                d_value[:, :, lo:hi] += d_v[:, :, begin : begin + hi - lo]
                begin += hi - lo
        return d_query, d_key.to(key.dtype), d_value.to(value.dtype), None, None


def _recomputed(
    grad: Tensor, q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, scale: float
) -> tuple[Tensor, Tensor, Tensor]:
    with torch.enable_grad():
        q, k, v = (x.detach().requires_grad_() for x in (q, k, v))
        made = F.scaled_dot_product_attention(q, k, v, attn_mask=bias, is_causal=bias is None, scale=scale)
        d_q, d_k, d_v = torch.autograd.grad(made, (q, k, v), grad)
    return d_q, d_k, d_v
