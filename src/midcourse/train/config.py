"""All settings of a training run: those of `transformers.TrainingArguments` and the few that steers add."""

from dataclasses import dataclass, field

from transformers import TrainingArguments

from midcourse.errors import InputError

__all__ = ["LOSSES", "SteerConfig"]

LOSSES = ("fork", "dpo", "sft", "sft_full")


def _setting(default: object, help: str) -> object:
    return field(default=default, metadata={"help": help})


@dataclass
class SteerConfig(TrainingArguments):
    """Settings of `SteerTrainer`. Every field of `transformers.TrainingArguments` works as it does there."""

    loss_type: str = _setting(
        "fork",
        "What is minimised: 'fork' (localized contrast with retain term), 'dpo' (prefix as prompt), 'sft' (the spans "
        "a person put), 'sft_full' (the full corrected text).",
    )  # type: ignore[assignment]
    beta: float = _setting(0.4, "β: how sharply chosen is told from rejected, as in DPO.")  # type: ignore[assignment]
    decay: float = _setting(0.95, "γ: weight of each further token after the fork.")  # type: ignore[assignment]
    window: int = _setting(64, "W: most chosen tokens of a steer that are learnt from.")  # type: ignore[assignment]
    sft_weight: float = _setting(0.0, "α: weight of −log π on the chosen tokens beside the contrast.")  # type: ignore[assignment]
    retain_weight: float = _setting(5.0, "λ: weight of KL(reference ‖ policy) where the person let the model stand.")  # type: ignore[assignment]
    retain_margin: int = _setting(4, "Tokens before each fork that are not retained: people stop late.")  # type: ignore[assignment]
    retain_top_k: int = _setting(64, "Likeliest tokens of the reference kept for the retain term, at least 64.")  # type: ignore[assignment]
    text_weight: float = _setting(1.0, "ν: weight of plain next-token loss where examples carry it.")  # type: ignore[assignment]
    max_drift: float | None = _setting(
        None, "Adapt λ so that drift/kl_retained on the dev part stays below this many nats per token."
    )  # type: ignore[assignment]
    max_tokens: int = _setting(2048, "Most tokens of one packed row; bounds memory, never changes the gradient.")  # type: ignore[assignment]
    forward_path: str = _setting("auto", "'packed' (one pass per tree), 'branches' (one row per branch) or 'auto'.")  # type: ignore[assignment]
    use_peft: bool = _setting(True, "Train a LoRA adapter; false trains all weights.")  # type: ignore[assignment]
    lora_r: int = _setting(16, "Rank of the LoRA adapter.")  # type: ignore[assignment]
    lora_alpha: int = _setting(32, "Scale of the LoRA adapter.")  # type: ignore[assignment]
    lora_dropout: float = _setting(0.0, "Dropout of the adapter; noise at the fork blurs the contrast.")  # type: ignore[assignment]
    lora_target_modules: str = _setting("all-linear", "Layers that get an adapter, comma-separated.")  # type: ignore[assignment]
    reference_cache: str | None = _setting(
        None, "Folder of cached reference log-probabilities (default: output_dir/reference)."
    )  # type: ignore[assignment]

    learning_rate: float = _setting(1e-4, "Initial learning rate of AdamW.")  # type: ignore[assignment]
    num_train_epochs: float = _setting(6.0, "Passes over all trajectories.")  # type: ignore[assignment]
    per_device_train_batch_size: int = _setting(4, "Trajectories per device and micro-step.")  # type: ignore[assignment]
    lr_scheduler_type: str = _setting("linear", "The learning rate schedule.")  # type: ignore[assignment]
    warmup_steps: float = _setting(0.1, "Steps, or below 1 share of all steps, to warm up.")  # type: ignore[assignment]
    logging_steps: float = _setting(1, "Log every so many steps.")  # type: ignore[assignment]
    save_strategy: str = _setting("epoch", "When a checkpoint is written.")  # type: ignore[assignment]
    save_total_limit: int | None = _setting(2, "Checkpoints kept.")  # type: ignore[assignment]
    report_to: str | list[str] | None = _setting(
        "none", "Loggers of transformers to report to; Midcourse itself sends nothing."
    )  # type: ignore[assignment]

    def __post_init__(self) -> None:
        """Check the settings that steers add; say what was given, what is expected."""
        checks = {
            "loss_type": (self.loss_type in LOSSES, f"one of {', '.join(LOSSES)}"),
            "forward_path": (self.forward_path in ("auto", "packed", "branches"), "auto, packed or branches"),
            "beta": (self.beta > 0, "above 0"),
            "decay": (0 < self.decay <= 1, "above 0 and at most 1"),
            "window": (self.window >= 1, "at least 1"),
            "retain_top_k": (self.retain_top_k >= 64, "at least 64"),
            "retain_weight": (self.retain_weight >= 0, "at least 0"),
            "max_drift": (self.max_drift is None or self.max_drift > 0, "above 0, or left out"),
            "max_tokens": (self.max_tokens >= 16, "at least 16"),
        }
        for name, (fine, expected) in checks.items():
            if not fine:
                raise InputError(f"{name} is {getattr(self, name)!r}; expected {expected}")
        self.remove_unused_columns = False
        if self.max_drift is not None and str(self.eval_strategy) in ("no", "IntervalStrategy.NO"):
            self.eval_strategy = "epoch"
        super().__post_init__()
