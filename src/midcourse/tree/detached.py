"""The same numbers with less of a gradient: none flows into what stands before a stretch of tokens that are learnt.

Only to measure what the exact gradient through the prefix is worth. A stretch begins where the token before it is not
read; its prefix is run without a gradient, then the stretch on the cached keys and values, one row for each branch.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from midcourse.tree.pack import Row
from midcourse.tree.token_tree import IntArray

__all__ = ["detached_logits"]


def detached_logits(model: Any, row: Row, sources: IntArray, device: torch.device) -> Tensor:
    """Logits [S, V] at the token indices `sources`; each is read on the first branch that holds it."""
    wanted = set(map(int, sources))
    where: dict[int, int] = {}
    parts: list[Tensor] = []
    for leaf in sorted(wanted, key=lambda i: -int(row.position[i])):
        if leaf in where:
            continue
        stretch = [leaf]
        while int(row.parent[stretch[-1]]) in wanted:
            stretch.append(int(row.parent[stretch[-1]]))
        stretch.reverse()
        read = [n for n, i in enumerate(stretch) if i not in where]
        out = model(
            input_ids=_ids(row, stretch, device),
            cache=_cached(model, row, int(row.parent[stretch[0]]), device),
            logits_to_keep=torch.as_tensor(read, device=device),
            use_cache=True,
        )
        where.update({stretch[n]: len(where) + k for k, n in enumerate(read)})
        parts.append(out.logits[0])
    order = torch.as_tensor([where[int(i)] for i in sources], device=device)
    return torch.cat(parts)[order]


def _cached(model: Any, row: Row, last: int, device: torch.device) -> Any:
    """Keys and values of a path that ends with the token `last`, None for an empty one."""
    path: list[int] = []
    while last >= 0:
        path.append(last)
        last = int(row.parent[last])
    if not path:
        return None
    with torch.no_grad():
        out = model(input_ids=_ids(row, path[::-1], device), logits_to_keep=1, use_cache=True)
    return out.cache


def _ids(row: Row, indices: list[int], device: torch.device) -> Tensor:
    return torch.as_tensor(row.token_ids[np.asarray(indices)], device=device)[None]
