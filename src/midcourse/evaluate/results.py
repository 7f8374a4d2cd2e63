"""What an evaluation found, as frozen values that can be written to JSON and read by a person.

No model and no arithmetic here beyond looking things up.
"""

import dataclasses
import json
import math
from dataclasses import dataclass, field
from typing import Any

from midcourse.evaluate.collapse import Collapse
from midcourse.evaluate.intervals import ENOUGH, Interval

__all__ = ["METRICS", "Drawn", "ForkResult", "Metric", "Results", "Segment", "Written"]

METRICS: dict[str, tuple[str, str, str]] = {
    "recurrence": ("The model makes the same error again", "share", "down"),
    "adoption": ("It begins with what the person put", "share", "up"),
    "valid": ("Its samples are sound text", "share", "up"),
    "flawed": ("It makes the error again, or what it says is no sound text", "share", "down"),
    "accuracy": ("The corrected side is the likelier one, per token", "share", "up"),
    "margin": ("Margin between the sides, per token", "nats", "up"),
    "margin_sum": ("Margin between the sides, summed", "nats", "up"),
    "first_token_log_odds": ("Log-odds of the first token", "nats", "up"),
    "logp_chosen": ("log π(chosen)", "nats", "up"),
    "p_rejected": ("Chance of the rejected first token", "share", "down"),
    "drift/kl_retained": ("Drift where the text was let stand", "nats/token", "zero"),
    "drift/kl_answers": ("Drift on answers to unrelated prompts", "nats/token", "zero"),
    "drift/kl_text": ("Drift on a page of prose", "nats/token", "zero"),
    "drift/bits_per_byte": ("Bits per byte of that page", "bits", "down"),
}
"""Name -> what it says to a person, unit, and the good direction."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure for the base and each steered model."""

    name: str
    values: dict[str, Interval | None]
    """By variant."""
    change: dict[str, Interval | None]
    """By adapter: paired difference to the base on the same items."""
    versus: Interval | None = None
    """Paired difference, second adapter minus first."""

    @property
    def title(self) -> str:
        """What it says to a person."""
        return METRICS[self.name][0]

    @property
    def unit(self) -> str:
        """`share`, `nats`, `nats/token` or `bits`."""
        return METRICS[self.name][1]

    @property
    def better(self) -> str:
        """`up`, `down`, or `zero`: the good direction."""
        return METRICS[self.name][2]

    def show(self, variant: str, *, interval: bool = True) -> str:
        """A value as people read it."""
        return self._text(self.values.get(variant), interval, "")

    def show_change(self, adapter: str) -> str:
        """A difference to the base as people read it."""
        return self._text(self.change.get(adapter), True, "+")

    def _text(self, value: Interval | None, interval: bool, sign: str) -> str:
        if value is None:
            return "–"
        scale, digits, end = (100.0, 0, "%") if self.unit == "share" else (1.0, 4 if self.better == "zero" else 2, "")
        if self.name == "p_rejected":
            digits = 1
        shown = [f"{round(v * scale, digits) + 0.0:{sign}.{digits}f}" for v in (value.mean, value.low, value.high)]
        return f"{shown[0]}{end}" + (f" [{shown[1]}, {shown[2]}]" if interval and value.prompts > 1 else "")

    def verdict(self, adapter: str) -> str:
        """`better`, `worse`, `no clear change` or `too few`; drift has none but its size."""
        change = self.change.get(adapter)
        if change is None or self.better == "zero" or self.name == "drift/bits_per_byte":
            return ""
        said = change.verdict()
        if said not in ("higher", "lower"):
            return said
        return "better" if (said == "higher") == (self.better == "up") else "worse"


@dataclass(frozen=True, slots=True)
class ForkResult:
    """One held-out steer."""

    steer: str
    trajectory: str
    prompt: str
    """Its cluster."""
    kind: str
    reason: str | None
    before: str
    """The last words before the fork."""
    chosen: str
    rejected: tuple[str, ...]
    measures: dict[str, dict[str, float]]
    """Variant -> measure -> value."""
    tier: str | None = None
    """How recurrence was judged here; None where it was not sampled."""
    sampled: dict[str, str] = field(default_factory=dict)
    """Variant -> one sample."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of the kept text, and what was turned down where it begins."""

    text: str
    author: str
    tokens: int
    rejected: tuple[str, ...] = ()
    rejected_tokens: int = 0
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Drawn:
    """One trajectory as it is drawn."""

    id: str
    prompt: str
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class Written:
    """One held-out prompt, answered by each variant without chance (greedy)."""

    prompt: str
    texts: dict[str, str]


@dataclass(frozen=True)
class Results:
    """Everything one run found."""

    model: str
    weights: str | None
    adapters: dict[str, str]
    """Label -> path."""
    part: str
    prompts: int
    steers: int
    settings: dict[str, Any]
    metrics: tuple[Metric, ...]
    forks: tuple[ForkResult, ...]
    tiers: dict[str, int]
    collapse: dict[str, Collapse]
    signs: dict[str, list[str]]
    """Adapter -> what looks broken."""
    written: tuple[Written, ...]
    drawn: Drawn | None
    curves: dict[str, list[dict[str, Any]]]
    """Adapter -> the trainer's log."""
    answers: tuple[str, ...] = ()
    """What the base said to unrelated prompts, where `drift/kl_answers` is read."""
    skipped: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def enough(self) -> bool:
        """Whether there are test prompts enough for a claim."""
        return self.prompts >= ENOUGH

    @property
    def variants(self) -> tuple[str, ...]:
        """The base and each adapter."""
        return ("base", *self.adapters)

    def metric(self, name: str) -> Metric:
        """One figure by name."""
        return next(m for m in self.metrics if m.name == name)

    def to_json(self) -> str:
        """The whole as JSON; what was not measured is null."""
        whole = dataclasses.asdict(self)
        whole["enough"] = self.enough
        for metric, shown in zip(self.metrics, whole["metrics"], strict=True):
            shown["title"], shown["unit"] = metric.title, metric.unit
            shown["verdict"] = {a: metric.verdict(a) for a in self.adapters}
        return json.dumps(_finite(whole), ensure_ascii=False, indent=1, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return value
