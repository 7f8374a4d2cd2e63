"""What results are made of, whoever was measured: checked trajectories, figures with their intervals, forks in words.

It measures nothing and asks no model.
"""

from collections.abc import Iterable, Mapping, Sequence

from midcourse.errors import TokenizerMismatch
from midcourse.evaluate.forks import Fork
from midcourse.evaluate.intervals import interval, paired
from midcourse.evaluate.results import ForkResult, Metric
from midcourse.tokens import TextTokenizer
from midcourse.types import Trajectory

__all__ = ["checked", "fork_result", "metric", "prompt_text"]

_BEFORE = 160
"""Characters of the text before a fork that are shown."""


def checked(trajectories: Iterable[Trajectory], tokenizer: TextTokenizer) -> Iterable[Trajectory]:
    """The trajectories, if they were made with this tokenizer.

    Raises:
        TokenizerMismatch: One was not.
    """
    for trajectory in trajectories:
        if trajectory.tokenizer != tokenizer.hash:
            raise TokenizerMismatch(
                f"trajectory {trajectory.id} was tokenized by {trajectory.tokenizer}, the model's tokenizer is "
                f"{tokenizer.hash}. Evaluate the model that the steers were made with, or import the texts again"
            )
        yield trajectory


def metric(name: str, values: Mapping[str, Sequence[float]], prompts: Sequence[str]) -> Metric:
    """One figure: each variant's mean, its paired difference to the first, and the third's to the second.

    Args:
        name: Of `results.METRICS`.
        values: By variant, the base first; NaN is left out.
        prompts: The prompt each value belongs to.
    """
    base, *others = values
    return Metric(
        name,
        {v: interval(values[v], prompts) for v in values},
        {a: paired(values[a], values[base], prompts) for a in others},
        paired(values[others[1]], values[others[0]], prompts) if len(others) == 2 else None,
    )


def fork_result(
    fork: Fork,
    measures: dict[str, dict[str, float]],
    tokenizer: TextTokenizer,
    *,
    tier: str | None = None,
    sampled: Mapping[str, str] = {},
) -> ForkResult:
    """A fork in words, with what was measured there."""
    trajectory = fork.held.trajectory
    authors = trajectory.authors(trajectory.head) if trajectory.messages else ()
    asked = next((i for i, a in enumerate(authors) if a != "prompt"), 0)  # a template's signs are nobody's words
    before = tokenizer.decode(fork.prefix[asked:])
    return ForkResult(
        steer=fork.steer.id,
        trajectory=trajectory.id,
        prompt=fork.held.group,
        kind=fork.steer.kind,
        reason=fork.steer.reason,
        before=("…" if len(before) > _BEFORE else "") + before[-_BEFORE:],
        chosen=tokenizer.decode(fork.chosen),
        rejected=tuple(tokenizer.decode(r) for r in fork.rejected),
        measures=measures,
        tier=tier,
        sampled=dict(sampled),
    )


def prompt_text(trajectory: Trajectory, tokenizer: TextTokenizer) -> str:
    """What was asked: the user's last message, or the prompt's own ids as text."""
    users = [m.content for m in trajectory.messages if m.role == "user"]
    if users:
        return users[-1]
    path, authors = trajectory.path(trajectory.head), trajectory.authors(trajectory.head)
    return tokenizer.decode([i for i, a in zip(path, authors, strict=True) if a == "prompt"])
