"""All settings of a training run: those of `transformers.TrainingArguments` and the few that steers add."""

from dataclasses import dataclass, field
from typing import Any

from transformers import TrainingArguments

from midcourse.errors import InputError

__all__ = ["LOSSES", "SteerConfig"]

_NUMBERS = (
    *("beta", "decay", "window", "sft_weight", "retain_weight", "retain_margin", "retain_top_k", "text_weight"),
    *("max_drift", "max_tokens", "logits_memory", "lora_r", "lora_alpha", "learning_rate", "num_train_epochs"),
)
LOSSES = ("fork", "dpo", "sft", "sft_full")


def _setting(default: Any, help: str) -> Any:
    return field(default=default, metadata={"help": help})


@dataclass
class SteerConfig(TrainingArguments):
    """Settings of `SteerTrainer`. Every field of `transformers.TrainingArguments` works as it does there."""

    loss_type: str = _setting(
        "fork",
        "What is minimised: 'fork' (localized contrast with retain term), 'dpo' (prefix as prompt), 'sft' (the spans "
        "a person put), 'sft_full' (the full corrected text).",
    )
    beta: float = _setting(0.4, "β: how sharply chosen is told from rejected, as in DPO.")
    decay: float = _setting(0.95, "γ: weight of each further token after the fork.")
    window: int = _setting(64, "W: most chosen tokens of a steer that are learnt from.")
    sft_weight: float = _setting(0.0, "α: weight of −log π on the chosen tokens beside the contrast.")
    retain_weight: float = _setting(5.0, "λ: weight of KL(reference ‖ policy) where the person let the model stand.")
    retain_margin: int = _setting(4, "Tokens before each fork that are not retained: people stop late.")
    retain_top_k: int = _setting(64, "Likeliest tokens of the reference kept for the retain term, at least 64.")
    text_weight: float = _setting(1.0, "ν: weight of plain next-token loss where examples carry it.")
    max_drift: float | None = _setting(
        None, "Adapt λ so that drift/kl_retained on the dev part stays below this many nats per token."
    )
    max_tokens: int = _setting(2048, "Most tokens of one packed row; bounds memory, never changes the gradient.")
    logits_memory: int = _setting(512, "Most MB of logits held at a time; bounds memory, never changes the gradient.")
    forward_path: str = _setting("auto", "'packed' (one pass per tree), 'branches' (one row per branch) or 'auto'.")
    use_peft: bool = _setting(True, "Train a LoRA adapter; false trains all weights.")
    lora_r: int = _setting(16, "Rank of the LoRA adapter.")
    lora_alpha: int = _setting(32, "Scale of the LoRA adapter.")
    lora_dropout: float = _setting(0.0, "Dropout of the adapter; noise at the fork blurs the contrast.")
    lora_target_modules: str = _setting("all-linear", "Layers that get an adapter, comma-separated.")
    reference_cache: str | None = _setting(
        None, "Folder of cached reference log-probabilities (default: output_dir/reference)."
    )

    learning_rate: float = _setting(1e-4, "Initial learning rate of AdamW.")
    num_train_epochs: float = _setting(6.0, "Passes over all trajectories.")
    per_device_train_batch_size: int = _setting(4, "Trajectories per device and micro-step.")
    lr_scheduler_type: str = _setting("linear", "The learning rate schedule.")
    warmup_steps: float = _setting(0.1, "Steps, or below 1 share of all steps, to warm up.")
    dataloader_pin_memory: bool = _setting(False, "Trees are no tensors: there is nothing to pin.")
    logging_steps: float = _setting(1, "Log every so many steps.")
    save_strategy: str = _setting("epoch", "When a checkpoint is written.")
    save_total_limit: int | None = _setting(2, "Checkpoints kept.")
    report_to: str | list[str] | None = _setting(
        "none", "Loggers of transformers to report to; Midcourse itself sends nothing."
    )

    def __post_init__(self) -> None:
        """Check the settings that steers add; say what was given, what is expected."""
        for name in _NUMBERS:
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float, type(None))):
                raise InputError(f"{name} is {value!r}; expected a number")
        checks = {
            "loss_type": (self.loss_type in LOSSES, f"one of {', '.join(LOSSES)}"),
            "forward_path": (self.forward_path in ("auto", "packed", "branches"), "auto, packed or branches"),
            "beta": (self.beta > 0, "above 0"),
            "decay": (0 < self.decay <= 1, "above 0 and at most 1"),
            "window": (self.window >= 1, "at least 1"),
            "retain_top_k": (self.retain_top_k >= 64, "at least 64"),
            "retain_weight": (self.retain_weight >= 0, "at least 0"),
            "max_drift": (self.max_drift is None or self.max_drift > 0, "above 0, or left out"),
            "logits_memory": (self.logits_memory >= 1, "at least 1"),
            "max_tokens": (self.max_tokens >= 16, "at least 16"),
        }
        for name, (fine, expected) in checks.items():
            if not fine:
                raise InputError(f"{name} is {getattr(self, name)!r}; expected {expected}")
        self.report_to = self.report_to or "none"  # `none` on a command line or in YAML may come as None
        self.remove_unused_columns = False
        chosen: Any = getattr(self, "eval_strategy", "no")
        if self.max_drift is not None and str(getattr(chosen, "value", chosen)) == "no":
            self.eval_strategy = "epoch"
        super().__post_init__()
