"""Many prefixes continued side by side by one model: each is read once, and rows that are done leave in time.

How a token is chosen from its logits is the caller's, so that whoever samples keeps the luck and the settings that are
theirs. It knows token ids and tensors; no sampling, no text and no adapter.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import DynamicCache

__all__ = ["Batch", "Choose", "one_by_one", "side_by_side"]

Choose = Callable[[torch.Tensor, Sequence[int], int], torch.Tensor]
"""(logits [R, V], which rows they are of, step) to one id for each, [R]. It may write into the logits."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What is continued, how far, and how tokens are chosen."""

    prefixes: tuple[tuple[int, ...], ...]
    """At least one id each."""
    n: int
    """Continuations of each prefix: row r continues prefix r // n."""
    limits: tuple[int, ...]
    """Most new ids of each row."""
    end_ids: frozenset[int]
    choose: Choose

    def goes_on(self, row: int, new: Sequence[int]) -> bool:
        """Whether a row is still written."""
        return len(new) < self.limits[row] and (not new or new[-1] not in self.end_ids)


def side_by_side(forward: Callable[..., torch.Tensor], batch: Batch, device: Any = None) -> list[list[int]]:
    """The new ids of each row, an end id included.

    Args:
        forward: The model's logits [R, L, V] in float32, given transformers' keyword arguments.
        batch: The rows; they are padded on the left.
        device: Of the model.
    """
    out: list[list[int]] = [[] for _ in batch.limits]
    rows = [row for row in range(len(out)) if batch.goes_on(row, ())]
    if not rows:
        return out
    longest = max(map(len, batch.prefixes))
    ids = torch.tensor([[0] * (longest - len(p)) + list(p) for p in batch.prefixes], device=device)
    mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in batch.prefixes], device=device)
    position = (mask.cumsum(-1) - 1).clamp(min=0)
    cache: Any = DynamicCache()
    logits = forward(
        input_ids=ids, attention_mask=mask, position_ids=position, cache=cache, logits_to_keep=1
    )[:, -1]
    owners = torch.tensor([row // batch.n for row in rows], device=device)
    cache.batch_select_indices(owners)
    logits, mask, position = logits[owners], mask[owners], position[owners, -1:]
    for step in range(max(batch.limits)):
        drawn = batch.choose(logits, rows, step)
        for row, token in zip(rows, drawn.tolist(), strict=True):
            if batch.goes_on(row, out[row]):
                out[row].append(token)
        live = [k for k, row in enumerate(rows) if batch.goes_on(row, out[row])]
        if not live:
            break
        if 2 * len(live) <= len(rows):  # the cache is copied then, so not for every row that is done
            pick = torch.tensor(live, device=device)
            cache.batch_select_indices(pick)
            rows, drawn, mask, position = [rows[k] for k in live], drawn[pick], mask[pick], position[pick]
        mask = torch.cat([mask, mask.new_ones(len(rows), 1)], -1)
        # A row that is done stays where it is: its next position may lie beyond the model's context.
        position = position + torch.tensor([[int(batch.goes_on(r, out[r]))] for r in rows], device=device)
        logits = forward(input_ids=drawn[:, None], attention_mask=mask, position_ids=position, cache=cache)[
            :, -1
        ]
    return out


def one_by_one(read: Callable[[list[int]], torch.Tensor], batch: Batch) -> list[list[int]]:
    """The same for models whose state cannot be repeated, padded or thinned out; `read` gives the logits [V]."""
    out: list[list[int]] = []
    for row in range(len(batch.limits)):
        prefix, new = batch.prefixes[row // batch.n], list[int]()
        while batch.goes_on(row, new):
            logits = read([*prefix, *new])[None].clone()
            new.append(int(batch.choose(logits, [row], len(new))[0]))
        out.append(new)
    return out
