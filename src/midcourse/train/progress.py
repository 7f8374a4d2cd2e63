"""How a training goes: a bar for whoever sits there, JSON lines in a file for whoever watches from another process."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

__all__ = ["ProgressFile", "reference_bar"]


class ProgressFile(TrainerCallback):
    """Appends `{"step", "steps", …}` with what the trainer logs; numbers only."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """The length is known."""
        self._write(state, {})

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        """One line."""
        self._write(state, logs or {})

    def _write(self, state: Any, logs: dict[str, Any]) -> None:
        if not state.is_world_process_zero:
            return
        numbers = {k: float(v) for k, v in logs.items() if isinstance(v, int | float)}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({**numbers, "step": state.global_step, "steps": state.max_steps}) + "\n")


def reference_bar(count: int, quiet: bool) -> Callable[[], None]:
    """One step of a bar over the trees whose reference is read."""
    from tqdm.auto import tqdm

    bar = tqdm(total=count, desc="Reference", unit="tree", disable=quiet or count < 2, leave=False)

    def step() -> None:
        bar.update()
        if bar.n >= count:
            bar.close()

    return step
