"""Many prefixes continued side by side by one model: each is read once, and rows that are done leave in time.

How a token is chosen from its logits is the caller's, so that whoever samples keeps the luck and the settings that are
theirs. It knows token ids and tensors; no sampling, no text and no adapter.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

__all__ = ["Batch", "Choose", "one_by_one", "read_ahead", "side_by_side"]

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


def read_ahead(
    forward: Callable[..., torch.Tensor], prefixes: Sequence[Sequence[int]], cache: Any, device: Any = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Read prefixes, padded on the left, into an empty cache: (mask [B, L], lengths [B])."""
    longest = max(map(len, prefixes))
    length = torch.tensor([len(p) for p in prefixes], device=device)
    mask = (torch.arange(longest, device=device)[None] >= longest - length[:, None]).long()
    if longest:
        ids = torch.tensor([[0] * (longest - len(p)) + list(p) for p in prefixes], device=device)
        position = (mask.cumsum(1) - 1).clamp(min=0)
        forward(input_ids=ids, attention_mask=mask, position_ids=position, cache=cache, logits_to_keep=1)
    return mask, length


def side_by_side(forward: Callable[..., torch.Tensor], batch: Batch, cache: Any, device: Any = None) -> list[list[int]]:
    """The new ids of each row, an end id included.

    Args:
        forward: The model's logits [R, L, V] in float32, given transformers' keyword arguments.
        batch: The rows.
        cache: An empty one of the model.
        device: Of the model.
    """
    out: list[list[int]] = [[] for _ in batch.limits]
    rows = [row for row in range(len(out)) if batch.goes_on(row, ())]
    if not rows:
        return out
    mask, position = read_ahead(forward, [p[:-1] for p in batch.prefixes], cache, device)
    owners = torch.tensor([row // batch.n for row in rows], device=device)
    cache.batch_select_indices(owners)
    mask, position = mask[owners], position[owners][:, None]
    token = torch.tensor([[batch.prefixes[row // batch.n][-1]] for row in rows], device=device)
    for step in range(max(batch.limits)):
        mask = torch.cat([mask, torch.ones_like(token)], 1)
        logits = forward(input_ids=token, attention_mask=mask, position_ids=position, cache=cache)[:, -1]
        drawn = batch.choose(logits, rows, step)
        for row, chosen in zip(rows, drawn.tolist(), strict=True):
            if batch.goes_on(row, out[row]):
                out[row].append(chosen)
        # A row that is done stays where it is: its next position may lie beyond the model's context.
        position = position + torch.tensor([[int(batch.goes_on(r, out[r]))] for r in rows], device=device)
        token, live = drawn[:, None], [k for k, row in enumerate(rows) if batch.goes_on(row, out[row])]
        if not live:
            break
        if 2 * len(live) <= len(rows):  # the cache is copied then, so not for every row that is done
            pick = torch.tensor(live, device=device)
            cache.batch_select_indices(pick)
            rows, token, mask, position = [rows[k] for k in live], token[pick], mask[pick], position[pick]
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
