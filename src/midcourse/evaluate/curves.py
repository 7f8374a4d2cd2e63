"""The log of the training run that made an adapter, as the trainer left it beside the adapter."""

import json
from pathlib import Path
from typing import Any

__all__ = ["learning_curve"]


def learning_curve(adapter: Path) -> list[dict[str, Any]]:
    """`log_history` of the newest `trainer_state.json` in an adapter's folder, its checkpoints or the folder above."""
    places = [adapter / "trainer_state.json", *adapter.glob("checkpoint-*/trainer_state.json")]
    states = [p for p in places if p.is_file()]
    if not states and (adapter.parent / "trainer_state.json").is_file():
        states = [adapter.parent / "trainer_state.json"]
    best: tuple[int, list[dict[str, Any]]] = (-1, [])
    for path in states:
        try:
            state = json.loads(path.read_text(encoding="utf-8"))
            best = max(best, (int(state["global_step"]), list(state["log_history"])), key=lambda x: x[0])
        except (OSError, ValueError, KeyError, TypeError):
            continue  # a curve is an illustration; a damaged log is no reason to lose the evaluation
    return best[1]
