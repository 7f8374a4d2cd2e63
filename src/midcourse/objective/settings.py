"""The numbers a loss can be set by, without the run around them. A loss reads those it needs and ignores the rest."""

from dataclasses import dataclass

__all__ = ["LossSettings"]


@dataclass(frozen=True, slots=True)
class LossSettings:
    """One value for each field of `SteerConfig` that changes the arithmetic; the names are the same there."""

    beta: float = 0.4
    decay: float = 0.95
    first_token_weight: float = 1.0
    surprise: float = 0.0
    label_smoothing: float = 0.0
    displacement_guard: float = 0.0
    sft_weight: float = 0.0
    retain_weight: float = 0.0
    text_weight: float = 1.0
    simpo_gamma: float = 0.5
    segment_weight: float = 5.0
    without_chosen: str = "skip"
