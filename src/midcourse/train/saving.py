"""How a run keeps what it has learnt: checkpoints that are whole or not there, also where weights lie in shards.

A `transformers.Trainer` that writes beside first and lets one rank make it count. What it is that a run must keep
beside weights and optimizer, and what it says of itself, its own class tells.
"""

import contextlib
import json
from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from transformers import Trainer

from midcourse.train import checkpoint, sharded
from midcourse.train.limits import disk_named
from midcourse.train.ranks import Ranks

__all__ = ["STATE", "SavingTrainer"]

STATE = "midcourse_state.json"


class SavingTrainer(Trainer):
    """Saves whole checkpoints, and loads them on any number of ranks."""

    ranks: Ranks
    _beside: Path | None = None

    @abstractmethod
    def _kept(self) -> dict[str, Any]:
        """What a checkpoint keeps beside weights, optimizer and random numbers."""

    @abstractmethod
    def _record(self, folder: Path) -> None:
        """Write what the run says of itself."""

    def _get_output_dir(self, trial: Any) -> str:
        return str(self._beside) if self._beside is not None else str(super()._get_output_dir(trial))

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Write beside, then make it count by one rename."""
        out = Path(self.args.output_dir)
        name = f"checkpoint-{self.state.global_step}"
        best = f"checkpoint-{self.state.best_global_step}" if self.state.best_global_step else None
        if best:
            self.state.best_model_checkpoint = str(out / best)
        with disk_named(out), self._alone_beside(out) as folder:
            self._beside, written = folder, folder / name
            try:
                super()._save_checkpoint(model, trial)
            finally:
                self._beside = None
            if best:
                self.state.best_model_checkpoint = str(out / best)
            self.ranks.wait()  # each writes the state of its own random numbers
            if self.ranks.first:
                self._commit(written, out / name)
        self.ranks.wait()

    def _commit(self, written: Path, final: Path) -> None:
        self.state.save_to_json(str(written / "trainer_state.json"))
        (written / STATE).write_text(json.dumps(self._kept()))
        self._record(written)
        checkpoint.commit(written, final)
        checkpoint.prune(final.parent, self.args.save_total_limit, self.state.best_model_checkpoint)

    @contextlib.contextmanager
    def _alone_beside(self, folder: Path) -> Iterator[Path]:
        """The folder of `checkpoint.beside`, made and cleared away by the first rank for all."""
        with checkpoint.beside(folder) if self.ranks.first else contextlib.nullcontext(folder / checkpoint.BESIDE) as f:
            self.ranks.wait()
            yield f

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Save the adapter (or the model) with its card and the resolved settings: beside first, then in place."""
        if _internal_call:
            self._save_weights(output_dir)
            return
        folder = Path(output_dir or self.args.output_dir)
        with disk_named(Path(self.args.output_dir)), self._alone_beside(folder) as written:
            self._save_weights(str(written))
            if self.ranks.first:
                self._record(written)
                self.state.save_to_json(str(written / "trainer_state.json"))
                checkpoint.put(written, folder)
        self.ranks.wait()

    def _save_weights(self, folder: str | None) -> None:
        if self.ranks.lockstep:
            self._save(folder, state_dict=sharded.trained_state(self.model))
        else:
            super().save_model(folder, _internal_call=True)

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        if not self.ranks.lockstep:
            super()._save_optimizer_and_scheduler(output_dir)
            return
        state = sharded.optimizer_state(self.model, self.optimizer.optimizer)
        if self.ranks.first:
            torch.save(state, Path(output_dir) / "optimizer.pt")
            torch.save(self.lr_scheduler.state_dict(), Path(output_dir) / "scheduler.pt")

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        if self.ranks.lockstep:
            sharded.load_weights(self.model, Path(resume_from_checkpoint))
        else:
            super()._load_from_checkpoint(resume_from_checkpoint, model)

    def _load_best_model(self) -> None:
        if self.ranks.lockstep:
            sharded.load_weights(self.model, Path(str(self.state.best_model_checkpoint)))
        else:
            super()._load_best_model()

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if not self.ranks.lockstep or checkpoint is None:
            super()._load_optimizer_and_scheduler(checkpoint)
            return
        sharded.load_optimizer(self.model, self.optimizer.optimizer, Path(checkpoint) / "optimizer.pt")
        self.lr_scheduler.load_state_dict(torch.load(Path(checkpoint) / "scheduler.pt", weights_only=True))
