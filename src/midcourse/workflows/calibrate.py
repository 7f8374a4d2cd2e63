"""How fast and how large one training step is on this machine: a short row and a longer one are really run.

Both are cut from the data that will be trained on, so that they hold as many labels and retained tokens per token as
the run will. Between and beyond them time goes by the arithmetic a row takes, memory by its tokens. It refuses to know
epochs, schedules and tables.
"""

import contextlib
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from midcourse.train import SteerTrainer
from midcourse.train.batch import run_row, totals
from midcourse.tree.pack import Row
from midcourse.tree.token_tree import TokenTree, restrict
from midcourse.workflows.arithmetic import body_parameters, forward_flops

__all__ = ["Fit", "Speed", "measure", "row_flops"]

_SHORT, _LONG = 128, 384
"""Tokens of the two rows."""
_FIRST = 1000
"""Trees among which they are looked for."""


@dataclass(frozen=True, slots=True)
class Fit:
    """A straight line through two measurements; neither part is negative."""

    fixed: float
    slope: float

    @classmethod
    def through(cls, a: tuple[float, float], b: tuple[float, float]) -> "Fit":
        """The line through (x, y) `a` and `b`, where x of `b` is the larger one."""
        slope = max(0.0, (b[1] - a[1]) / (b[0] - a[0])) if b[0] > a[0] else 0.0
        fixed = b[1] - slope * b[0]
        return cls(fixed, slope) if fixed >= 0 and slope > 0 else cls(0.0, b[1] / b[0])

    def at(self, x: float) -> float:
        """The value at x."""
        return self.fixed + self.slope * x


@dataclass(frozen=True, slots=True)
class Speed:
    """What was measured."""

    forward: Fit
    """Seconds of a pass without gradient over FLOPs of the row."""
    training: Fit
    """Seconds of forward and backward over FLOPs of the row's forward pass."""
    memory: Fit | None
    """Peak bytes of the process (on a GPU: of its tensors) over tokens of a row; None where it cannot be read."""
    tokens: int
    """Tokens of the longer row."""


def row_flops(config: Any, parameters: int, row: Row) -> float:
    """Multiplications and additions of a forward pass over a row, see `forward_flops`.

    Args:
        config: Of the model.
        parameters: P, weights of its layers without embeddings and head.
        row: T tokens.
    """
    text = config.get_text_config()
    head = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    pairs = float((row.position + 1).sum())
    read = [i for t, o in zip(row.trees, row.offsets, strict=True) for i in (t.labels + o, t.retained + o)]
    positions = len(np.unique(row.parent[np.concatenate(read)])) if read else 0
    return forward_flops(
        body=parameters,
        attended=text.num_attention_heads * head * text.num_hidden_layers,
        vocabulary=text.hidden_size * text.vocab_size,
        tokens=len(row),
        pairs=pairs,
        positions=positions,
    )


def measure(trainer: SteerTrainer, clock: Callable[[], float] = time.perf_counter) -> Speed:
    """Run a short and a longer row of the trainer's own data, forward and backward.

    No weight changes, but the trainer has seen these rows in its metrics: plan with one, train with another.

    Args:
        trainer: Ready to train.
        clock: Seconds; `time.process_time` leaves out what other programs took.
    """
    trees: list[TokenTree] = list(islice(trainer.train_dataset, _FIRST))
    model = trainer.model
    if trainer.args.activation_checkpointing:
        model.activation_checkpointing_enable(
            activation_checkpointing_kwargs=trainer.args.activation_checkpointing_kwargs or {"use_reentrant": False}
        )
    parameters = body_parameters(model)
    readings = []
    for budget in (_SHORT, _SHORT, _LONG):  # the first run warms up what is only slow once
        row = _row_of(trees, budget)
        _forget_peak(trainer.args.device)
        forward, training = _run(trainer, row, clock)
        readings.append(
            (row_flops(model.config, parameters, row), len(row), forward, training, _peak(trainer.args.device))
        )
    model.zero_grad(set_to_none=True)
    short, long = readings[1:]
    memory = Fit.through((short[1], short[4]), (long[1], long[4])) if short[4] and long[4] else None
    return Speed(
        forward=Fit.through((short[0], short[2]), (long[0], long[2])),
        training=Fit.through((short[0], short[3]), (long[0], long[3])),
        memory=memory,
        tokens=long[1],
    )


def _row_of(trees: Sequence[TokenTree], budget: int) -> Row:
    """A row of about `budget` tokens: whole trees, and of the last one as much as there is room for."""
    taken: list[TokenTree] = []
    left = budget
    for tree in trees:
        part = tree if len(tree) <= left else _beginning(tree, left)
        if part is not None:
            taken.append(part)
            left -= len(part)
        if left < 16:
            break
    return Row.of(taken or [min(trees, key=len)])


def _beginning(tree: TokenTree, count: int) -> TokenTree | None:
    """The part of a tree among its first tokens; None where nothing there is learnt from."""
    pairs = [n for n, p in enumerate(tree.pairs) if max(p.chosen.max(), *p.rejected.tolist(), 0) < count]
    keep = np.flatnonzero((tree.retain | (tree.nll_weight > 0))[:count]).tolist()
    part = restrict(tree, pairs, keep, part="/calibration") if pairs else None
    return part if part is not None and len(part.labels) else None


def _run(trainer: SteerTrainer, row: Row, clock: Callable[[], float]) -> tuple[float, float]:
    """Seconds of a pass without gradient, and of forward and backward."""
    model, device = trainer.model, trainer.args.device
    trainer.references.fill(model, row.trees, trainer.forward_path, lambda: None)
    references = [trainer.references.entry(t) for t in row.trees]
    model.eval()
    begun = _now(device, clock)
    with torch.no_grad():
        run_row(model, row, references, trainer.forward_path)
    forward = _now(device, clock) - begun
    model.train()
    begun = _now(device, clock)
    trainer.compute_loss(model, {"row": row}, num_items_in_batch=totals(row.trees)).backward()
    return forward, _now(device, clock) - begun


def _now(device: torch.device, clock: Callable[[], float]) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return clock()


def _forget_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    elif sys.platform == "linux":
        with contextlib.suppress(OSError):  # without the right to, the peak since the start is read
            Path("/proc/self/clear_refs").write_text("5")


def _peak(device: torch.device) -> int:
    """Peak bytes since `_forget_peak`; 0 where the system does not say."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    with contextlib.suppress(OSError):
        lines = Path("/proc/self/status").read_text().splitlines()
        return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
