"""What a training run will be before it begins: trees, tokens, steps, time and memory.

Everything but time and memory is counted; those two are reckoned from rows that were really run (`calibrate`). It
trains nothing and refuses to know how a plan is printed.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from midcourse.train import SteerTrainer
from midcourse.train.reference import HELD
from midcourse.train.trees import HeldTrees, Trees
from midcourse.tree.pack import Row, pack
from midcourse.tree.token_tree import IntArray, TokenTree
from midcourse.workflows.arithmetic import body_parameters
from midcourse.workflows.calibrate import Speed, measure, row_flops

__all__ = ["Plan", "Seconds", "make_plan", "steps_of"]

_ENTRY = 12
"""Bytes that one of the reference's likeliest tokens takes: id and log-probability."""
_DEV_POSITIONS = 256
_SAMPLE = 5000
"""Trees that are read to reckon time; where there are more, so many spread over them."""
_ADAM = 8
"""Bytes of optimizer state per trained weight."""


@dataclass(frozen=True, slots=True)
class Seconds:
    """Expected seconds of each part of a run."""

    reference: float
    """What comes before the first step: a pass over all trees with the adapter off (unless it is cached from an earlier
    run), the base's distributions on the dev part, the guards."""
    training: float
    evaluation: float
    """All looks at the dev part together."""

    def over(self, processes: int) -> "Seconds":
        """The same shared by some processes; what they have to tell each other is not counted."""
        return Seconds(self.reference / processes, self.training / processes, self.evaluation / processes)

    @property
    def total(self) -> float:
        """All of it; loading the model and writing checkpoints come on top."""
        return self.reference + self.training + self.evaluation


@dataclass(frozen=True, slots=True)
class Plan:
    """A run as it will be."""

    trees: int
    steers: int
    without_rejected: int
    left_out: int
    dev_trees: int
    tokens: int
    """Of all trees, each token once."""
    branch_tokens: int
    """Of the same pairs as independent rows."""
    largest_tree: int
    largest_tree_id: str
    rows: int
    """Packed rows a pass."""
    largest_row: int
    steps_per_epoch: int
    steps: int
    epochs: float
    trained_weights: int
    path: str
    seconds: Seconds | None
    memory: int | None
    """Peak bytes, of the process or on a GPU of its tensors; None where it could not be measured."""

    @property
    def token_ratio(self) -> float:
        """How many times more tokens independent rows would run."""
        return self.branch_tokens / max(1, self.tokens)

    def to_dict(self) -> dict[str, Any]:
        """The plan as JSON wants it."""
        seconds = {**asdict(self.seconds), "total": self.seconds.total} if self.seconds else None
        return {**asdict(self), "token_ratio": self.token_ratio, "seconds": seconds}


def steps_of(trainer: SteerTrainer, processes: int = 1) -> tuple[int, int]:
    """Optimizer steps of a pass, and of the run, shared by so many processes more."""
    args = trainer.args
    a_pass = math.ceil(trainer.pass_length / (trainer.examples_a_step * processes))
    return a_pass, args.max_steps if args.max_steps > 0 else math.ceil(a_pass * args.num_train_epochs)


def make_plan(trainer: SteerTrainer, speed: Speed | None = None, processes: int = 1) -> Plan:
    """Count what a trainer would do, and reckon time and memory.

    Args:
        trainer: Ready to train; its weights do not change.
        speed: Measured before; by default some hundred tokens are run now.
        processes: That share each step, each as fast as this one.
    """
    speed = speed or measure(trainer)
    trees, at = trainer.data.trees, trainer.data.a_pass(trainer.args)
    tokens = trees.column("tokens")[at]
    rows, times = _rows(trainer, at)
    per_epoch, steps = steps_of(trainer, processes)
    largest = max(map(len, rows))
    return Plan(
        trees=len(at),
        steers=trainer.examples.steers,
        without_rejected=trainer.examples.unpaired,
        left_out=len(trainer.examples.skipped),
        dev_trees=len(_dev(trainer)),
        tokens=int(tokens.sum()),
        branch_tokens=int(trees.column("branch_tokens")[at].sum()),
        largest_tree=int(tokens.max()),
        largest_tree_id=trees[int(at[tokens.argmax()])].id,
        rows=round(times * len(rows)),
        largest_row=largest,
        steps_per_epoch=per_epoch,
        steps=steps,
        epochs=steps / per_epoch,
        trained_weights=sum(p.numel() for p in trainer.model.parameters() if p.requires_grad),
        path=trainer.forward_path,
        seconds=_seconds(trainer, speed, rows, times, steps / per_epoch).over(processes),
        memory=_memory(trainer, speed, largest),
    )


def _rows(trainer: SteerTrainer, at: IntArray) -> tuple[list[Row], float]:
    """The rows of a pass in the order of the data; shuffled they are others, of the same total length. Of many trees
    some batches, and how often they would have to come to make up a pass."""
    size = trainer.args.per_device_train_batch_size
    alone = trainer.model.dtype != torch.float32
    starts = range(0, len(at), size)
    taken = starts[:: max(1, len(at) // _SAMPLE)]
    rows: list[Row] = []
    for start in taken:
        batch = trainer.parts(trainer.data.trees[int(i)] for i in at[start : start + size])
        rows += [Row.of([t]) for t in batch] if alone else pack(batch, trainer.args.max_tokens)
    return rows, len(starts) / len(taken)


def _seconds(trainer: SteerTrainer, speed: Speed, rows: list[Row], times: float, epochs: float) -> Seconds:
    config, parameters = trainer.model.config, body_parameters(trainer.model)

    def passes(trees: Sequence[TokenTree]) -> float:
        return sum(speed.forward.at(row_flops(config, parameters, Row.of([t]))) for t in trees)

    def all_passes(trees: Trees, at: IntArray) -> float:
        some = at[:: max(1, len(at) // _SAMPLE)]
        return passes(trainer.parts(trees[int(i)] for i in some)) * len(at) / max(1, len(some))

    compared = trainer.data.compared(trainer.args, trainer.examples_a_step)
    dev = all_passes(_dev(trainer), np.arange(len(_dev(trainer))))
    checked = [trainer.data.trees[int(i)] for i in compared[:: max(1, len(compared) // 3)][:3]]
    a_pass = times * sum(speed.training.at(row_flops(config, parameters, row)) for row in rows)
    looks = _looks(trainer, epochs * times * len(rows), epochs)
    return Seconds(
        reference=all_passes(trainer.data.trees, compared) + 2 * dev + passes(trainer.parts(checked)),
        training=epochs * a_pass,
        evaluation=2 * looks * dev,  # once for the loss, once for the drift
    )


def _looks(trainer: SteerTrainer, steps: float, epochs: float) -> int:
    strategy = str(getattr(trainer.args.eval_strategy, "value", trainer.args.eval_strategy))
    every = trainer.args.eval_steps or 1
    return {"epoch": math.ceil(epochs), "steps": int(steps / every) if every >= 1 else round(1 / every)}.get(
        strategy, 0
    )


def _memory(trainer: SteerTrainer, speed: Speed, tokens: int) -> int | None:
    if speed.memory is None:
        return None
    trained = sum(p.numel() for p in trainer.model.parameters() if p.requires_grad)
    retained, seen = (int(trees.column("retained").sum()) for trees in (trainer.data.trees, _dev(trainer)))
    cached = min(HELD, (retained + seen) * trainer.args.retain_top_k * _ENTRY)
    distributions = 4 * min(_DEV_POSITIONS, seen) * int(trainer.model.config.get_text_config().vocab_size)
    return int(speed.memory.at(tokens) + _ADAM * trained + cached + distributions)


def _dev(trainer: SteerTrainer) -> Trees:
    return trainer.dev.trees if trainer.dev else HeldTrees([])
