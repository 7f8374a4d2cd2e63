"""Attention for trees on CUDA: FlexAttention, which skips whole blocks of the permuted row that nobody sees.

The row is padded so that few lengths are compiled for; padding sees itself and is seen by none. The mask it makes is
tested against the dense one, and forward through models on CPU, where FlexAttention has no backward pass. On a GPU it
has not been run by us: until somebody has, the guard before training compares it with plain rows, as it does for any
model. It knows no model.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from midcourse.tree.pack import Row
from midcourse.tree.token_tree import IntArray

__all__ = ["block_masks", "flex_attention", "flex_usable", "padding"]

BLOCK = 128
_LENGTHS = 512
"""Rows are padded to multiples of this; each length is compiled once."""
_CAPABILITY = (8, 0)


def flex_usable(device: torch.device) -> bool:
    """Whether attention on this device goes through FlexAttention: CUDA from Ampere on."""
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= _CAPABILITY


def padding(length: int) -> int:
    """Tokens to put behind a row of this length."""
    return -length % _LENGTHS


def block_masks(row: Row, order: IntArray, windows: Iterable[int | None], device: torch.device) -> dict[Any, Any]:
    """A `BlockMask` over the permuted and padded row for each window; None stands for full attention."""
    from torch.nn.attention.flex_attention import create_block_mask

    count = len(row)
    behind = np.arange(count, count + padding(count))
    index = torch.as_tensor(np.concatenate([order, behind]), device=device)
    end = torch.as_tensor(np.concatenate([row.end[order], behind + 1]), device=device)
    position = torch.as_tensor(np.concatenate([row.position[order], 0 * behind]), device=device)

    def mask(window: int | None) -> Callable[..., Tensor]:
        def seen(_batch: Tensor, _head: Tensor, q: Tensor, k: Tensor) -> Tensor:
            below = (index[k] <= index[q]) & (index[q] < end[k])
            return below if window is None else below & (position[q] - position[k] < window)

        return seen

    length = len(index)
    return {w: create_block_mask(mask(w), None, None, length, length, device=device, BLOCK_SIZE=BLOCK) for w in windows}


def flex_attention(query: Tensor, key: Tensor, value: Tensor, block_mask: Any, scale: float) -> Tensor:
    """Attention over a permuted and padded row.

    Args:
        query: [1, H, T, D]
        key: [1, G, T, D], H a multiple of G.
        value: [1, G, T, E]
        block_mask: Of `block_masks`, for this layer's window.
        scale: What q·k is multiplied with.

    Returns:
        [1, T, H, E]
    """
    heads = query.shape[1]
    if heads & (heads - 1) and heads != key.shape[1]:  # its grouped kernel wants a power of two
        key, value = (x.repeat_interleave(heads // x.shape[1], dim=1) for x in (key, value))
    attend = _attend(query.device.type)
    out: Tensor = attend(query, key, value, block_mask=block_mask, scale=scale, enable_gqa=heads != key.shape[1])
    return out.transpose(1, 2).contiguous()


@lru_cache(maxsize=2)
def _attend(device: str) -> Callable[..., Tensor]:
    from torch.nn.attention.flex_attention import flex_attention as attend

    # Not compiled it runs anywhere, unfused; that is what tests on a CPU can see.
    made: Any = torch.compile(attend, dynamic=False) if device == "cuda" else attend
    return made  # type: ignore[no-any-return]
