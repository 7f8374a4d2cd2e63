"""From packed rows and cached references to the tensors a loss reads. It knows no optimizer and no files."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from midcourse.objective import PairLogps, Totals
from midcourse.train.readings import read_policy
from midcourse.train.reference import TreeReference
from midcourse.train.trees import Facts
from midcourse.tree.forward import Path
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


def totals(trees: Iterable[TokenTree | Facts]) -> Totals:
    """Denominators of the loss over some trees, or over what is known of them."""
    facts = [Facts.of(t) if isinstance(t, TokenTree) else t for t in trees]
    return Totals(
        pairs=float(sum(f.pair_weight for f in facts)),
        retained=float(sum(f.retained for f in facts)),
        text=float(sum(f.text_weight for f in facts)),
    )


def run_row(
    model: Any, row: Row, references: Sequence[TreeReference], path: Path, *, retain: bool = True, memory: float = 512
) -> RowTensors:
    """One forward pass over a row, with its trees' references in the row's order; `memory`: MB of logits at a time."""
    labels = np.concatenate([t.labels + o for t, o in zip(row.trees, row.offsets, strict=True)])
    retained = np.concatenate([t.retained + o for t, o in zip(row.trees, row.offsets, strict=True)])
    if not retain:
        retained = retained[:0]
    kept = references if retain else []
    top = tuple(torch.cat([getattr(r, f) for r in kept]) for f in ("top_ids", "top_logps", "rest")) if kept else ()
    logps, kl = read_policy(model, row, labels, retained, top, path, memory)
    reference = torch.cat([r.logps for r in references]).to(logps.device)
    return RowTensors(pairs=_sides(row, labels, logps, reference), retained_kl=kl, **_text(row, labels, logps))


def _sides(row: Row, labels: np.ndarray[Any, Any], logps: Tensor, reference: Tensor) -> PairLogps:
    device = logps.device
    found = [(p, o) for t, o in zip(row.trees, row.offsets, strict=True) for p in t.pairs]
    forks = np.unique(np.array([(o, p.fork) for p, o in found]).reshape(-1, 2), axis=0, return_inverse=True)[1]

    def mask(side: str) -> Tensor:
        values = np.concatenate([*(getattr(p, side) for p, _ in found), np.zeros(0, np.float32)])
        return torch.as_tensor(values, dtype=torch.float32, device=device)

    def flat(side: str) -> tuple[Tensor, Tensor, Tensor]:
        arrays = [getattr(p, side) + o for p, o in found]
        lengths = [len(a) for a in arrays]
        at = np.searchsorted(labels, np.concatenate([*arrays, np.zeros(0, np.int64)]))
        pair = np.repeat(np.arange(len(found)), lengths)
        step = np.concatenate([*(np.arange(n) for n in lengths), np.zeros(0, np.int64)])
        return tuple(torch.as_tensor(a.astype(np.int64), device=device) for a in (at, pair, step))  # type: ignore[return-value]

    at_chosen, chosen_pair, chosen_step = flat("chosen")
    at_rejected, rejected_pair, rejected_step = flat("rejected")
    return PairLogps(
        weight=torch.tensor([p.weight for p, _ in found], dtype=torch.float32, device=device),
        fork=torch.as_tensor(forks.reshape(-1), dtype=torch.int64, device=device),
        chosen=logps[at_chosen],
        ref_chosen=reference[at_chosen],
        chosen_pair=chosen_pair,
        chosen_step=chosen_step,
        chosen_mask=mask("chosen_mask"),
        rejected=logps[at_rejected],
        ref_rejected=reference[at_rejected],
        rejected_pair=rejected_pair,
        rejected_step=rejected_step,
        rejected_mask=mask("rejected_mask"),
    )


def _text(row: Row, labels: np.ndarray[Any, Any], logps: Tensor) -> dict[str, Tensor]:
    weights = np.concatenate([t.nll_weight for t in row.trees])
    at = np.flatnonzero(weights)
    where = torch.as_tensor(np.searchsorted(labels, at), device=logps.device)
    return {"text_logps": logps[where], "text_weight": torch.as_tensor(weights[at], device=logps.device)}
