"""bfloat16: whether this machine is faster with it, and what it costs, measured on the model at hand.

In half precision the same tokens packed otherwise give other numbers. The policy is therefore run as its reference
was: one tree a row, since references are kept per tree while rows are drawn anew in every step. What remains is a
floor below which drift is noise, and every run in half precision says where it lies. It knows no loss.
"""

import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch

from midcourse.tree.forward import Path, logits_at
from midcourse.tree.pack import Row
from midcourse.tree.token_tree import TokenTree

__all__ = ["NoiseFloor", "noise_floor", "resolved_dtype"]

_WORTH = 1.3
"""Products in bfloat16 must be this much faster before `auto` takes it."""
_POSITIONS = 64


@dataclass(frozen=True, slots=True)
class NoiseFloor:
    """How far the base is from itself when it is packed otherwise."""

    kl: float
    """Mean KL over the whole vocabulary, nats a token."""
    logp: float
    """Largest difference of a token's log-probability, nats."""

    def __str__(self) -> str:
        return (
            f"packed otherwise, the base differs from itself by KL {self.kl:.1g} a token and by up to {self.logp:.2g} "
            "nats of log-probability: drift below that is noise"
        )


def resolved_dtype(name: str) -> str:
    """`auto` as what this machine is faster with, by one small product; any other name as it is."""
    if name != "auto":
        return name
    if torch.cuda.is_available():
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    single, half = (_product_seconds(kind) for kind in (torch.float32, torch.bfloat16))
    return "bfloat16" if half * _WORTH < single else "float32"


def _product_seconds(dtype: torch.dtype) -> float:
    one, other = (torch.ones(768, 768, dtype=dtype) for _ in range(2))
    best = float("inf")
    for _ in range(6):
        begin = time.perf_counter()
        one @ other
        best = min(best, time.perf_counter() - begin)
    return best


def noise_floor(model: Any, trees: Sequence[TokenTree], path: Path) -> NoiseFloor | None:
    """Run the base over a tree alone and behind another one, and compare; None where no two trees are."""
    if len(trees) < 2:
        return None
    tree, before = sorted(trees, key=len)[:2]
    at = torch.arange(len(tree))[-_POSITIONS:]
    off = model.disable_adapter() if hasattr(model, "disable_adapter") else nullcontext()
    model.eval()
    with torch.no_grad(), off:
        alone = logits_at(model, Row.of([tree]), at, path).float().log_softmax(1)
        behind = logits_at(model, Row.of([before, tree]), at + len(before), path).float().log_softmax(1)
    likely = alone.argmax(1, keepdim=True)
    return NoiseFloor(
        kl=max(0.0, float((alone.exp() * (alone - behind)).sum(1).mean())),
        logp=float((alone - behind).gather(1, likely).abs().max()),
    )
