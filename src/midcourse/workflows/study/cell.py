"""One training with its evaluation, as a value: task, method, steers, seed, settings, and where its result is kept.

A value and the names of methods; it reads no results and decides no order.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["IN_PROMPT", "METHODS", "OURS", "PAIRS", "WHOLE", "Cell"]

OURS = "ours"
IN_PROMPT = "in_prompt"
"""Steers shown in the prompt; nothing is trained."""
WHOLE = ("sft_full", "dpo_whole")
"""Methods that learn from whole answers: in their own session a person writes whole answers."""
PAIRS = ("dpo_whole", "segments")
"""Methods that learn from two whole answers, the base's own and the corrected one."""
METHODS: Mapping[str, Mapping[str, Any]] = {
    "sft_full": {"loss_type": "sft_full"},
    "dpo_whole": {"loss_type": "sigmoid", "window": 512, "rejected_window": 512},
    "dpo_prefix": {"loss_type": "sigmoid"},
    "masked_nll": {"loss_type": "masked", "sft_weight": 1.0},
    "fork": {"loss_type": "fork"},
    OURS: {"loss_type": "transfer", "learning_rate": 5e-4},
}
"""The methods of the headline beside the base, as settings of `SteerConfig`."""


@dataclass(frozen=True)
class Cell:
    """One training with its evaluation."""

    stage: str
    """`development`, `headline`, `own`, `budget`, `ablation`, `exploratory` or `imported`."""
    task: str
    method: str
    steers: int
    seed: int
    arm: str = "same"
    """`same` session: everyone learns from the same steers; `own`: what the same seconds buy."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    label: str = ""
    """Tells trials and ablations apart."""
    texts: Mapping[str, Any] = field(default_factory=dict)
    """Where its texts are made in another way than the headline's: see `ways.WAYS`."""

    @property
    def path(self) -> Path:
        """Where its result is kept, below the folder of results."""
        name = f"{self.method}{'-' + self.label if self.label else ''}-{self.steers}-{self.seed}.json"
        own_folder = self.stage in ("development", "ablation", "imported")
        return Path(self.stage if own_folder else self.arm) / self.task / name
