"""From packed rows and cached references to the tensors a loss reads. It knows no optimizer and no files."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from midcourse.objective import PairLogps, Totals, topk_kl
from midcourse.train.reference import TreeReference, read_plan
from midcourse.tree.forward import Path, gather_logps, logits_at
from midcourse.tree.pack import Row
from midcourse.tree.token_tree import TokenTree

__all__ = ["RowTensors", "run_row", "totals"]


@dataclass(frozen=True, slots=True)
class RowTensors:
    """What a loss needs of one row: sides of pairs, KL at retained tokens, plain text."""

    pairs: PairLogps
    retained_kl: Tensor
    text_logps: Tensor
    text_weight: Tensor


def totals(trees: Sequence[TokenTree]) -> Totals:
    """Denominators of the loss over some trees."""
    return Totals(
        pairs=float(sum(p.weight for t in trees for p in t.pairs)),
        retained=float(sum(int(t.retain.sum()) for t in trees)),
        text=float(sum(float(t.nll_weight.sum()) for t in trees)),
    )


def run_row(
    model: Any, row: Row, references: Sequence[TreeReference], path: Path, *, retain: bool = True
) -> RowTensors:
    """One forward pass over a row, with its trees' references in the row's order."""
    labels = np.concatenate([t.labels + o for t, o in zip(row.trees, row.offsets, strict=True)])
    retained = np.concatenate([t.retained + o for t, o in zip(row.trees, row.offsets, strict=True)])
    if not retain:
        retained = retained[:0]
    sources, (at_labels, at_retained) = read_plan(row, [labels, retained])
    logits = logits_at(model, row, sources, path)
    device = logits.device
    logps = gather_logps(logits, at_labels.to(device), torch.as_tensor(row.token_ids[labels]).to(device))
    reference = torch.cat([r.logps for r in references]).to(device)
    return RowTensors(
        pairs=_sides(row, labels, logps, reference),
        retained_kl=_retained_kl(logits, at_retained.to(device), references) if retain else logits.new_zeros(0).float(),
        **_text(row, labels, logps),
    )


def _retained_kl(logits: Tensor, rows: Tensor, references: Sequence[TreeReference]) -> Tensor:
    """[U] KL(π_ref ‖ π), recomputed chunk by chunk in the backward pass."""
    if not len(rows):
        return logits.new_zeros(0).float()
    ids, top, rest = (
        torch.cat([getattr(r, f) for r in references]).to(logits.device) for f in ("top_ids", "top_logps", "rest")
    )
    parts = [
        checkpoint(
            _kl_chunk,
            logits,
            rows[i : i + 256],
            ids[i : i + 256],
            top[i : i + 256],
            rest[i : i + 256],
            use_reentrant=False,
        )
        for i in range(0, len(rows), 256)
    ]
    return torch.cat(parts)


def _kl_chunk(logits: Tensor, rows: Tensor, ids: Tensor, top: Tensor, rest: Tensor) -> Tensor:
    return topk_kl(logits[rows], ids, top, rest)


def _sides(row: Row, labels: np.ndarray[Any, Any], logps: Tensor, reference: Tensor) -> PairLogps:
    device = logps.device
    found = [(p, o) for t, o in zip(row.trees, row.offsets, strict=True) for p in t.pairs]

    def flat(side: str) -> tuple[Tensor, Tensor, Tensor]:
        arrays = [getattr(p, side) + o for p, o in found]
        lengths = [len(a) for a in arrays]
        at = np.searchsorted(labels, np.concatenate([*arrays, np.zeros(0, np.int64)]))
        pair = np.repeat(np.arange(len(found)), lengths)
        step = np.concatenate([*(np.arange(n) for n in lengths), np.zeros(0, np.int64)])
        return tuple(torch.as_tensor(a.astype(np.int64), device=device) for a in (at, pair, step))  # type: ignore[return-value]

    at_chosen, chosen_pair, chosen_step = flat("chosen")
    at_rejected, rejected_pair, rejected_step = flat("rejected")
    mask = np.concatenate([*(p.rejected_mask for p, _ in found), np.zeros(0, np.float32)])
    return PairLogps(
        weight=torch.tensor([p.weight for p, _ in found], dtype=torch.float32, device=device),
        paired=torch.tensor([len(p.rejected) > 0 for p, _ in found], dtype=torch.bool, device=device),
        chosen=logps[at_chosen],
        ref_chosen=reference[at_chosen],
        chosen_pair=chosen_pair,
        chosen_step=chosen_step,
        rejected=logps[at_rejected],
        ref_rejected=reference[at_rejected],
        rejected_pair=rejected_pair,
        rejected_step=rejected_step,
        rejected_mask=torch.as_tensor(mask, dtype=torch.float32, device=device),
    )


def _text(row: Row, labels: np.ndarray[Any, Any], logps: Tensor) -> dict[str, Tensor]:
    weights = np.concatenate([t.nll_weight for t in row.trees])
    at = np.flatnonzero(weights)
    where = torch.as_tensor(np.searchsorted(labels, at), device=logps.device)
    return {"text_logps": logps[where], "text_weight": torch.as_tensor(weights[at], device=logps.device)}
