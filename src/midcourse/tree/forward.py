"""One pass of a model over a row: packed, or one plain row per branch; its logits, or what is made of hidden states.

The two paths give the same numbers; `branches` is the oracle of the tests and the way for models whose layers take no
tree mask. Log-probabilities are read by (source, target) pairs, never by a shift: the token before a fork predicts
several. Log-softmax is always float32, in chunks.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from midcourse.tree.attention import base_of, inputs_for, packed_refusal
from midcourse.tree.detached import detached_logits
from midcourse.tree.pack import Row
from midcourse.tree.token_tree import IntArray

__all__ = [
    "Path",
    "choose_path",
    "gather_logps",
    "has_plain_head",
    "logits_at",
    "standing_in",
    "through_head",
    "token_logps",
]

Path = Literal["packed", "branches", "detached"]
_CHUNK = 512
_PLAIN: WeakKeyDictionary[torch.nn.Module, bool] = WeakKeyDictionary()
"""Whether logits are hidden states times the head and nothing else: a property of a model, found once."""


def choose_path(model: Any) -> tuple[Path, str | None]:
    """`packed` where the model takes a tree mask, else `branches` and the reason."""
    reason = packed_refusal(model.config)
    return ("branches", reason) if reason else ("packed", None)


def logits_at(model: Any, row: Row, sources: Tensor, path: Path = "packed") -> Tensor:
    """Logits [S, V] read at the token indices `sources` [S] of a row, in the model's dtype."""
    device = next(model.parameters()).device
    if path == "branches":
        return _branches(model, row, sources.cpu().numpy(), device)
    if path == "detached":
        return detached_logits(model, row, sources.cpu().numpy(), device)
    inputs, plan = inputs_for(model, row, device)
    at = sources if plan is None else torch.from_numpy(plan.rank)[sources.cpu()]
    out = model(**inputs, logits_to_keep=at.to(device), use_cache=False)
    logits: Tensor = out.logits[0]
    return logits


def through_head(
    model: Any, row: Row, sources: Tensor, read: Callable[[Tensor, Tensor, Tensor | None], Tensor], path: Path
) -> Tensor:
    """What `read` makes of the hidden states [S, d] at `sources` and of the head's weight and bias, in their place.

    A packed row is read inside the model's own forward, where wrappers have gathered the weights and watch for
    gradients. Only for models with a plain head.
    """
    head = base_of(model).get_output_embeddings()
    if path == "packed":
        with standing_in(head, lambda hidden: read(hidden[0], head.weight, head.bias)[None].clone()):
            return logits_at(model, row, sources, path)
    with standing_in(head, lambda hidden: hidden):
        hidden = logits_at(model, row, sources, path)
    return read(hidden, head.weight, head.bias)


@contextmanager
def standing_in(head: Any, forward: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Within the block a model's head makes something else of the hidden states [1, S, d] than logits."""
    head.forward = forward
    try:
        yield
    finally:
        del head.forward


def has_plain_head(model: Any) -> bool:
    """Whether the logits are one linear layer of the hidden states, uncapped and unscaled. Tried on a few tokens."""
    base = base_of(model)
    if base not in _PLAIN:
        head = base.get_output_embeddings()
        made: list[Tensor] = []
        plain = type(head) is torch.nn.Linear and "forward" not in vars(head)
        if plain:
            hook = head.register_forward_hook(lambda _, __, out: made.append(out))
            spread = torch.linspace(0, head.out_features - 1, 8, device=head.weight.device).long()[None]
            with torch.no_grad():
                logits = base(input_ids=spread, use_cache=False).logits
            hook.remove()
            plain = torch.equal(logits, made[-1])
        _PLAIN[base] = plain
    return _PLAIN[base]


def _branches(model: Any, row: Row, sources: IntArray, device: torch.device) -> Tensor:
    """One plain causal row per branch; each source is read on the first branch that holds it."""
    wanted = np.zeros(len(row), dtype=bool)
    wanted[sources] = True
    where: dict[int, int] = {}
    parts: list[Tensor] = []
    for leaf in sorted(set(map(int, sources)), key=lambda i: -int(row.position[i])):
        if leaf in where:
            continue
        path = [leaf]
        while row.parent[path[-1]] >= 0:
            path.append(int(row.parent[path[-1]]))
        path.reverse()
        read = [n for n, i in enumerate(path) if wanted[i] and i not in where]
        out = model(
            input_ids=torch.as_tensor(row.token_ids[path], device=device)[None],
            logits_to_keep=torch.as_tensor(read, device=device),
            use_cache=False,
        )
        where.update({path[n]: len(where) + k for k, n in enumerate(read)})
        parts.append(out.logits[0])
    order = torch.as_tensor([where[int(i)] for i in sources], device=device)
    return torch.cat(parts)[order]


def _chunk_logps(logits: Tensor, targets: Tensor) -> Tensor:
    logits = logits.float()
    return logits.gather(1, targets[:, None])[:, 0] - torch.logsumexp(logits, dim=1)


def gather_logps(logits: Tensor, rows: Tensor, targets: Tensor) -> Tensor:
    """log softmax(logits[rows[i]])[targets[i]] in float32, [N]; chunks are recomputed in the backward pass."""
    out = []
    for r, t in zip(torch.split(rows, _CHUNK), torch.split(targets, _CHUNK), strict=True):
        picked = logits[r]
        if picked.requires_grad:
            out.append(checkpoint(_chunk_logps, picked, t, use_reentrant=False))
        else:
            out.append(_chunk_logps(picked, t))
    return torch.cat(out) if out else logits.new_zeros(0, dtype=torch.float32)


def token_logps(model: Any, row: Row, indices: Tensor, path: Path = "packed") -> Tensor:
    """log π(token | its branch) in float32, [len(indices)]; a root has none and must not be asked for."""
    device = next(model.parameters()).device
    parent = torch.as_tensor(row.parent)[indices.cpu()]
    if len(parent) and int(parent.min()) < 0:
        raise ValueError("the first token of a branch has no log-probability")
    sources, rows = torch.unique(parent, return_inverse=True)
    targets = torch.as_tensor(row.token_ids)[indices.cpu()].to(device)
    return gather_logps(logits_at(model, row, sources, path), rows.to(device), targets)
