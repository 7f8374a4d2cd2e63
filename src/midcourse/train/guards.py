"""What must hold before the first step, or training would be silently wrong.

At step 0 the policy is the reference: every margin and every KL is 0. And a packed tree gives the log-probabilities of
plain rows, or the model's layers do something with the mask that we do not know.
"""

from collections.abc import Container, Sequence
from typing import Any

import torch

from midcourse.errors import ModelError
from midcourse.train.batch import run_row
from midcourse.train.limits import READING, memory_named
from midcourse.train.reference import TreeReference
from midcourse.tree.forward import Path, token_logps
from midcourse.tree.pack import Row
from midcourse.tree.token_tree import TokenTree

__all__ = ["check_packed_equals_rows", "check_policy_is_reference"]

_TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-6}
_HALF_TOLERANCE = 0.5
"""bfloat16 packed differently moves a log-probability by tenths of a nat; the guard is for errors of whole nats."""


def _tolerance(model: Any) -> float:
    return _TOLERANCE.get(model.dtype, _HALF_TOLERANCE)


def check_packed_equals_rows(model: Any, trees: Sequence[TokenTree]) -> float:
    """Compare the smallest branching tree, packed, with plain rows; returns the largest difference in nats.

    Raises:
        ModelError: They differ by more than rounding.
    """
    branching = [t for t in trees if any(len(p.rejected) for p in t.pairs)]
    if not branching:
        return 0.0
    tree = min(branching, key=len)
    row, labels = Row.of([tree]), torch.as_tensor(tree.labels)
    model.eval()
    with torch.no_grad(), memory_named([tree], otherwise=READING):
        packed, plain = (token_logps(model, row, labels, path) for path in ("packed", "branches"))
    difference = float((packed - plain).abs().max())
    if not difference <= _tolerance(model):
        raise ModelError(
            f"on this model a packed tree differs from plain rows by {difference:.3g} nats (allowed "
            f"{_tolerance(model):g}); its layers do not follow the tree mask. Train it with --forward_path branches"
        )
    return difference


def check_policy_is_reference(
    model: Any,
    trees: Sequence[TokenTree],
    references: Sequence[TreeReference],
    path: Path,
    writers: Container[str | None] = (),
) -> None:
    """Before the first step margins are 0, and KL is where a tree is not held to one of the `writers`.

    Raises:
        ModelError: They are not: the adapter does not start at zero, or the cached reference is another model's.
    """
    model.eval()
    with torch.no_grad():
        for tree, reference in zip(trees, references, strict=True):
            with memory_named([tree], otherwise=READING):
                read = run_row(model, Row.of([tree]), [reference], path)
            moved = [
                (read.pairs.chosen - read.pairs.ref_chosen).abs(),
                (read.pairs.rejected - read.pairs.ref_rejected).abs(),
            ]
            if tree.writer not in writers:
                moved.append(read.retained_kl.abs())
            largest = max((float(m.max()) for m in moved if len(m)), default=0.0)
            if not largest <= _tolerance(model):
                raise ModelError(
                    f"before the first step the policy already differs from the reference by {largest:.3g} nats. "
                    "An adapter must start at zero (init_lora_weights true or gaussian), and the reference cache must "
                    "be this model's: delete the folder `reference` of the run if the model changed under its name"
                )
