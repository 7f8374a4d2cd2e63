"""What of a trajectory is run and learnt from."""

from dataclasses import dataclass

__all__ = ["TreeOptions"]


@dataclass(frozen=True, slots=True)
class TreeOptions:
    """How a trajectory is read as a tree."""

    window: int = 64
    """Most chosen tokens of a steer that are learnt from (W)."""
    rejected_window: int | None = None
    """Most rejected tokens of a steer; None is max(8, 2n) for n chosen tokens."""
    mask_rejected: bool = True
    """Whether rejected tokens that also stand in the chosen side are left out (by a longest common subsequence)."""
    without_rejected: str = "nll"
    """Steers of which no rejected side is known: `nll` (the chosen text is learnt) or `skip`."""
    without_chosen: bool = False
    """Whether steers of which no chosen side is known become pairs without one."""
    whole_answers: bool = False
    """One pair for each text, the original against the corrected one, instead of one for each steer. Whole answers
    that were compared as such (`teaches` pairs) are always read whole."""
    keep_shared: bool = False
    """Whether whole answers keep what both begin with, as losses over means or whole sums want it."""
    end_ids: tuple[int, ...] = ()
    """Ids that end a text: an original that ends with one is known to be whole."""
    per_trajectory: bool = False
    """Whether the weights of a trajectory's steers add up to 1."""
    retain_margin: int = 4
    """Tokens before each fork that are not retained, since people stop late."""
    retain: str = "positions"
    """What must stay as it was: `positions` (the model's words that the person let stand), `text` (every token of raw
    text and instructions, which then carry no next-token weight) or `none`."""
    text: str = "none"
    """Which trunk tokens carry plain next-token weight: `none`, `spans` (what the person put), `full` (all after the
    prompt: the corrected text). A trajectory that teaches `instructions` or `text` has at least `spans`."""
    resumed_tokens: int = 0
    """How many of the model's tokens after each correction carry next-token weight as well."""
    max_depth: int | None = None
    """The model's context in tokens; what lies deeper is left out and named."""
