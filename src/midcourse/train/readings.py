"""What training reads of one pass over a row: label log-probabilities and retained KL, or the reference for both.

Where a model's logits are one linear layer of its hidden states, they are read in its place, chunk by chunk
(`head.py`). A head that caps or scales its logits, is quantized or has an adapter of its own makes them all, once.
It knows no loss and no files.
"""

from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from midcourse.objective import topk_kl
from midcourse.train.head import Head, Labels, Retained, joined, likeliest, read_head, top_of
from midcourse.tree.forward import Path, gather_logps, has_plain_head, logits_at, through_head
from midcourse.tree.pack import Row
from midcourse.tree.token_tree import IntArray

__all__ = ["read_policy", "read_reference"]

_CHUNK = 256


def read_policy(
    model: Any,
    row: Row,
    labels: IntArray,
    retained: IntArray,
    reference: tuple[Tensor, ...],
    path: Path,
    memory: float,
) -> tuple[Tensor, Tensor]:
    """(log π of the labels [L], KL(π_ref ‖ π) at the retained tokens [U]), float32, with gradients.

    Args:
        model: The policy.
        row: What it runs over.
        labels: [L] token indices.
        retained: [U] token indices.
        reference: Likeliest ids [U, k], their log-probabilities [U, k] and that of the rest [U], row by row; empty
            where nothing is retained.
        path: How the row is run.
        memory: MB of logits at a time, where the head is plain.
    """
    sources, (at_labels, at_retained) = _plan(row, labels, retained)
    targets = torch.as_tensor(row.token_ids[labels])
    if not has_plain_head(model):
        logits = logits_at(model, row, sources, path)
        rows, targets, kept = (x.to(logits.device) for x in (at_labels, targets, at_retained))
        return gather_logps(logits, rows, targets), _kl_of_logits(logits, kept, reference)

    def read(hidden: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        head = Head(weight, bias, memory)
        rows, wanted, kept = (x.to(hidden.device) for x in (at_labels, targets, at_retained))
        logps = read_head(hidden, head, Labels(rows, wanted))
        if not len(kept):
            return logps
        ids, top, rest = (x.to(hidden.device) for x in reference)
        return torch.cat([logps, read_head(hidden, head, Retained(kept, ids, top, rest))])

    both = through_head(model, row, sources, read, path)
    return both[: len(labels)], both[len(labels) :]


def read_reference(
    model: Any, row: Row, labels: IntArray, retained: IntArray, k: int, path: Path, memory: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Log-probabilities of the labels [L]; at the retained tokens ids [U, k], log-probabilities [U, k], rest [U]."""
    sources, (at_labels, at_retained) = _plan(row, labels, retained)
    targets = torch.as_tensor(row.token_ids[labels])
    found: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []

    def read(hidden: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        head = Head(weight, bias, memory)
        rows, wanted, kept = (x.to(hidden.device) for x in (at_labels, targets, at_retained))
        found.append((read_head(hidden, head, Labels(rows, wanted)), *top_of(hidden, head, kept, k)))
        return found[0][0]

    if has_plain_head(model):
        through_head(model, row, sources, read, path)
        return found[0]
    logits = logits_at(model, row, sources, path)
    rows, targets, kept = (x.to(logits.device) for x in (at_labels, targets, at_retained))
    parts = [likeliest(logits[r].float(), k) for r in torch.split(kept, _CHUNK) if len(r)]
    return gather_logps(logits, rows, targets), *joined(parts, k)


def _plan(row: Row, *indices: IntArray) -> tuple[Tensor, list[Tensor]]:
    """Where a row is read so that some tokens are predicted: unique sources, and for each token a row into them."""
    parents = [torch.as_tensor(row.parent[i]) for i in indices]
    sources, inverse = torch.unique(torch.cat(parents), return_inverse=True)
    return sources, list(torch.split(inverse, [len(p) for p in parents]))


def _kl_of_logits(logits: Tensor, rows: Tensor, reference: tuple[Tensor, ...]) -> Tensor:
    """[U] from logits [S, V], recomputed chunk by chunk in the backward pass."""

    def chunk(logits: Tensor, at: slice) -> Tensor:
        return topk_kl(logits[rows[at]], *(x[at].to(logits.device) for x in reference))

    ats = [slice(i, i + _CHUNK) for i in range(0, len(rows), _CHUNK)]
    parts = [checkpoint(chunk, logits, at, use_reentrant=False) for at in ats]
    return torch.cat(parts) if parts else logits.new_zeros(0, dtype=torch.float32)
