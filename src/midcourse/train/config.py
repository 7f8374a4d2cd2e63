"""All settings of a training run: those of `transformers.TrainingArguments` and the few that steers add."""

import os
from dataclasses import dataclass, field, fields
from typing import Any

import torch
from transformers import TrainingArguments

from midcourse.errors import InputError
from midcourse.objective import LossSettings, find_loss
from midcourse.train.mix import parse_mix
from midcourse.tree.options import TreeOptions

__all__ = ["SteerConfig"]

_NUMBERS = (
    *("beta", "decay", "first_token_weight", "surprise", "label_smoothing", "displacement_guard", "simpo_gamma"),
    *("segment_weight", "window", "rejected_window", "sft_weight", "retain_weight", "retain_margin", "retain_top_k"),
    *("retain_discount", "text_weight", "resumed_tokens", "max_drift", "drift_looks", "max_tokens", "logits_memory"),
    *("lora_r", "lora_alpha", "held_tokens", "learning_rate", "num_train_epochs"),
)
_BY_LOSS = ("beta", "decay", "retain_weight", "label_smoothing", "displacement_guard")
"""Left open (None), these are what the loss's source uses: see docs/losses.md."""


def _setting(default: Any, help: str, *, shown: str | None = None) -> Any:
    return field(default=default, metadata={"help": help, "shown": shown})


@dataclass
class SteerConfig(TrainingArguments):
    """Settings of `SteerTrainer`. Every field of `transformers.TrainingArguments` works as it does there."""

    # What is minimised.
    loss_type: str = _setting(
        "fork",
        "What a pair costs: 'fork' (localized contrast), 'sigmoid' (DPO, prefix as prompt), 'sft' (the spans a person "
        "put), 'sft_full' (the full corrected text), 'ipo', 'simpo', 'dpop', 'masked' and others: docs/losses.md.",
    )
    beta: float | None = _setting(None, "β: how sharply chosen is told from rejected, as in DPO.", shown="by loss: 0.4")
    decay: float | None = _setting(None, "γ: weight of each further token after the fork.", shown="by loss: 0.95")
    first_token_weight: float = _setting(1.0, "Weight of the first token after the fork, beside γ for those after it.")
    surprise: float = _setting(
        0.0,
        "η: a token counts as much as the base was wrong about it, (1 − π_ref)^η of a chosen and π_ref^η of a rejected "
        "one. 0: all count alike.",
    )
    label_smoothing: float | None = _setting(
        None,
        "ε: share of pairs taken to be the wrong way round, as in conservative DPO.",
        shown="by loss: 0",
    )
    displacement_guard: float | None = _setting(
        None, "κ: nats taken off the margin for each nat that the chosen side falls, as in DPOP.", shown="by loss: 0"
    )
    simpo_gamma: float = _setting(0.5, "γ of SimPO: the margin that is asked for.")
    segment_weight: float = _setting(5.0, "What a corrected token weighs beside a kept one under 'segments'.")
    sft_weight: float = _setting(0.0, "α: weight of −log π on the chosen tokens beside the contrast, under any loss.")
    text_weight: float = _setting(1.0, "ν: weight of plain next-token loss where examples carry it.")

    # What of a steer is compared.
    window: int = _setting(64, "W: most chosen tokens of a steer that are learnt from.")
    rejected_window: int | None = _setting(
        None, "Most rejected tokens of a steer; left out, 2 for each chosen one and at least 8.", shown="max(8, 2n)"
    )
    mask_rejected: bool = _setting(True, "Leave out rejected tokens that also stand in the chosen side (LCS).")
    whole_answers: bool = _setting(
        False,
        "Compare whole answers instead: the original text with the corrected one, a pair for each text. Where the "
        "model was stopped, the original is known only that far; the run says how often.",
    )
    weigh_by: str = _setting("steer", "'steer': each steer counts alike; 'trajectory': each text does.")
    without_rejected: str = _setting(
        "nll", "Steers whose rejected side is unknown: 'nll' (learn the chosen text) or 'skip'."
    )
    without_chosen: str = _setting(
        "skip",
        "Stops without a correction: 'skip', or push the rejected text down by 'kto' or 'unlikelihood', at a quarter "
        "of a steer's weight.",
    )
    resumed_tokens: int = _setting(
        0, "Learn so many of the model's own tokens after each correction as text; they are then not retained."
    )

    mix: dict[str, float] | str | None = _setting(
        None,
        "What is mixed in by share of all examples, such as text=0.1,instructions=0.2. A name is a kind of example in "
        "the data (text, instructions, pairs) or, for `midcourse train`, a file. A pass goes once through all else.",
    )

    # What must stay as it was.
    retain_weight: float | None = _setting(
        None,
        "λ: weight of KL(reference ‖ policy) on what must stay as it was. 5 for the localized losses; 0 for baselines, "
        "which have no such term unless it is asked for.",
        shown="by loss: 5",
    )
    retain_source: str = _setting(
        "positions",
        "Where that is: 'positions' (the model's words that the person let stand), 'text' (raw text and instructions "
        "in the data or the mix, which then are not learnt), 'none'.",
    )
    retain_margin: int = _setting(4, "Tokens before each fork that are not retained: people stop late.")
    retain_top_k: int = _setting(64, "Likeliest tokens of the reference kept for the retain term, at least 64.")
    retain_discount: float = _setting(
        0.0,
        "δ: where the text was let stand, hold the model to a reference that says a token less by "
        "δ·n⁻/(n⁻ + n⁺ + 1), n⁻ and n⁺ being how often it was turned down and let stand in the data. 0: hold it as it "
        "was.",
    )
    writers: str | list[str] | None = _setting(
        None,
        "Folders of adapters that wrote some of the texts, comma-separated: where those were let stand, the model is "
        "held to what wrote them and not to the base.",
    )
    max_drift: float | None = _setting(
        None,
        "Adapt λ so that drift/kl_retained on the dev part stays below this many nats per token. It is looked at "
        "whenever the dev part is evaluated; see drift_looks.",
    )
    drift_looks: int = _setting(
        4,
        "Under max_drift the dev part is evaluated after each pass and this often in a run, at least ten steps apart, "
        "so that λ can answer in a single pass too. An eval_strategy other than 'epoch' counts alone.",
    )
    max_tokens: int = _setting(2048, "Most tokens of one packed row; bounds memory, never changes the gradient.")
    logits_memory: int = _setting(512, "Most MB of logits held at a time; bounds memory, never changes the gradient.")
    held_tokens: int = _setting(
        5_000_000,
        "Most tokens of the data, and of each file that is mixed in, whose trees stay in memory; those of larger ones "
        "lie in a file in output_dir/trees. Bounds memory, never changes the result.",
    )
    forward_path: str = _setting(
        "auto",
        "'packed' (one pass per tree), 'branches' (one row per branch) or 'auto'; to ablate 'detached': the same "
        "numbers, but no gradient into the text before a side.",
    )
    use_peft: bool = _setting(True, "Train a LoRA adapter; false trains all weights.")
    lora_r: int = _setting(16, "Rank of the LoRA adapter.")
    lora_alpha: int = _setting(32, "Scale of the LoRA adapter.")
    lora_dropout: float = _setting(0.0, "Dropout of the adapter; noise at the fork blurs the contrast.")
    lora_target_modules: str = _setting("all-linear", "Layers that get an adapter, comma-separated.")
    reference_cache: str | None = _setting(
        None, "Folder of cached reference log-probabilities (default: output_dir/reference)."
    )

    learning_rate: float = _setting(1e-4, "Initial learning rate of AdamW.")
    num_train_epochs: float = _setting(4.0, "Passes over all trajectories.")
    per_device_train_batch_size: int = _setting(
        1,
        "Trajectories per device and micro-step. Their rows are run one after another: few of them step more often.",
    )
    lr_scheduler_type: str = _setting("linear", "The learning rate schedule.")
    warmup_steps: float = _setting(0.1, "Steps, or below 1 share of all steps, to warm up.")
    dataloader_pin_memory: bool = _setting(False, "Trees are no tensors: there is nothing to pin.")
    logging_steps: float = _setting(1, "Log every so many steps.")
    save_strategy: str = _setting("epoch", "When a checkpoint is written.")
    save_total_limit: int | None = _setting(2, "Checkpoints kept.")
    report_to: str | list[str] | None = _setting(
        "none", "Loggers of transformers to report to; Midcourse itself sends nothing."
    )

    def loss_settings(self, **changes: float) -> LossSettings:
        """The numbers that the loss reads, some of them changed."""
        values = {f.name: getattr(self, f.name) for f in fields(LossSettings)}
        return LossSettings(**{**values, **changes})

    def tree_options(self, *, max_depth: int | None = None, end_ids: tuple[int, ...] = ()) -> TreeOptions:
        """How trajectories are read under these settings.

        Args:
            max_depth: The model's context in tokens.
            end_ids: The tokenizer's ids that end a text.
        """
        loss = find_loss(self.loss_type)
        return TreeOptions(
            window=self.window,
            rejected_window=self.rejected_window,
            mask_rejected=self.mask_rejected,
            without_rejected=self.without_rejected,
            without_chosen=self.without_chosen != "skip",
            whole_answers=self.whole_answers,
            keep_shared=not loss.localized,
            end_ids=end_ids,
            per_trajectory=self.weigh_by == "trajectory",
            retain_margin=self.retain_margin,
            retain=self.retain_source,
            text=loss.text,
            resumed_tokens=self.resumed_tokens,
            max_depth=max_depth,
        )

    def _settle(self) -> None:
        """The loss's own name, and its own numbers where none are given."""
        loss = find_loss(self.loss_type)
        self.loss_type = loss.name
        for name in _BY_LOSS:
            if getattr(self, name) is None:
                setattr(self, name, loss.defaults.get(name, getattr(LossSettings(), name)))

    def _checks(self) -> dict[str, tuple[bool, str]]:
        """For each setting whether it can be used, and what is expected."""
        settings = self.loss_settings()

        def one_of(name: str, *allowed: str) -> tuple[bool, str]:
            return getattr(self, name) in allowed, f"one of {', '.join(allowed)}"

        held = settings.retain_weight > 0 and self.retain_source != "none"
        return {
            "forward_path": one_of("forward_path", "auto", "packed", "branches", "detached"),
            "weigh_by": one_of("weigh_by", "steer", "trajectory"),
            "without_rejected": one_of("without_rejected", "nll", "skip"),
            "without_chosen": one_of("without_chosen", "skip", "kto", "unlikelihood"),
            "retain_source": one_of("retain_source", "positions", "text", "none"),
            "beta": (settings.beta > 0, "above 0"),
            "decay": (0 < settings.decay <= 1, "above 0 and at most 1"),
            "first_token_weight": (self.first_token_weight >= 0, "at least 0"),
            "surprise": (self.surprise >= 0, "at least 0"),
            "label_smoothing": (0 <= settings.label_smoothing < 0.5, "at least 0 and below 0.5"),
            "displacement_guard": (settings.displacement_guard >= 0, "at least 0"),
            "segment_weight": (self.segment_weight > 0, "above 0"),
            "window": (self.window >= 1, "at least 1"),
            "rejected_window": (self.rejected_window is None or self.rejected_window >= 1, "at least 1, or left out"),
            "resumed_tokens": (self.resumed_tokens >= 0, "at least 0"),
            "retain_top_k": (self.retain_top_k >= 64, "at least 64"),
            "retain_weight": (settings.retain_weight >= 0, "at least 0"),
            "retain_discount": (
                self.retain_discount == 0 or (0 < self.retain_discount <= 1 and held),
                "from 0 to 1" if held else "0, since nothing is held (retain_weight 0 or retain_source none)",
            ),
            "max_drift": (self.max_drift is None or self.max_drift > 0, "above 0, or left out"),
            "drift_looks": (self.drift_looks >= 0, "at least 0"),
            "logits_memory": (self.logits_memory >= 1, "at least 1"),
            "held_tokens": (self.held_tokens >= 0, "at least 0"),
            "max_tokens": (self.max_tokens >= 16, "at least 16"),
            "activation_checkpointing": (
                not (self.forward_path == "detached" and self.activation_checkpointing),
                "false with forward_path detached, which keeps keys and values",
            ),
        }

    def __post_init__(self) -> None:
        """Check the settings that steers add; say what was given, what is expected."""
        for name in _NUMBERS:
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float, type(None))):
                raise InputError(f"{name} is {value!r}; expected a number")
        self.mix = parse_mix(self.mix) or None
        if isinstance(self.writers, str):
            self.writers = [name.strip() for name in self.writers.split(",") if name.strip()]
        self._settle()
        for name, (fine, expected) in self._checks().items():
            if not fine:
                raise InputError(f"{name} is {getattr(self, name)!r}; expected {expected}")
        self.report_to = self.report_to or "none"  # `none` on a command line or in YAML may come as None
        self.remove_unused_columns = False
        if "RANK" in os.environ and not torch.accelerator.is_available():
            self.use_cpu = True  # left to itself, accelerate lets several processes of a machine without GPUs run apart
        if getattr(self, "ddp_find_unused_parameters", None) is None:
            self.ddp_find_unused_parameters = False  # of several processes each uses the whole adapter in every pass
        chosen: Any = getattr(self, "eval_strategy", "no")
        if self.max_drift is not None and str(getattr(chosen, "value", chosen)) == "no":
            self.eval_strategy = "epoch"
        super().__post_init__()
