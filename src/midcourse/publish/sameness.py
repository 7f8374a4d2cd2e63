"""Whether two forms of a model write the same: logits along greedy answers, and the answers themselves.

One form is read first and may be gone when the other is looked at, so that the two need not fit into memory together.
Both are computed in float32, so that what differs is the weights. What the forms are is not known here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from midcourse.backends.local import LocalBackend
from midcourse.backends.protocol import Sampling
from midcourse.errors import ModelError
from midcourse.tokens import TextTokenizer
from midcourse.types import Message

__all__ = ["PROMPTS", "TOLERANCE", "Reading", "Sameness", "compare", "prompt_ids", "read"]

PROMPTS = (
    "How do I sleep better?",
    "Write two sentences about a bridge.",
    "What is the capital of France, and what is it known for?",
    "Give me three tips for learning a language.",
)
"""Asked unless others are given; a model without a chat template continues them."""
ANSWER = 48
"""Tokens of an answer."""
TOLERANCE = {"float32": 1e-3, "float16": 0.1, "bfloat16": 0.75}
"""Largest difference of a logit that rounding weights to a type may make."""


@dataclass(frozen=True)
class Reading:
    """What one form answered to one prompt, and how sure it was."""

    prompt: tuple[int, ...]
    answer: tuple[int, ...]
    logits: torch.Tensor
    """[len(answer), V], float32: what predicts each token of the answer."""


@dataclass(frozen=True, slots=True)
class Sameness:
    """How far another form is from a reading."""

    dtype: str
    prompts: int
    tokens: int
    largest: float
    """Largest difference of a logit."""
    kl: float
    """Mean KL divergence per token (nats)."""
    steering: float
    """The same between the adapter and its base: what must not be lost."""
    same_text: int
    """Prompts with the same greedy answer, token by token."""
    widest_tie: float
    """Where answers part: how much likelier (nats) the first form held its own token than the other's, at most."""

    @property
    def tolerance(self) -> float:
        """What is allowed."""
        return TOLERANCE[self.dtype]

    @property
    def same(self) -> bool:
        """Whether logits lie within the tolerance and answers part at ties only."""
        return self.largest <= self.tolerance and self.widest_tie <= self.tolerance

    def lines(self) -> list[str]:
        """What was compared and found, in sentences."""
        said = [
            f"Logits of {self.prompts} prompts with {self.tokens} answered tokens differ from the adapter's by at most "
            f"{self.largest:.3g} (allowed for weights in {self.dtype}: {self.tolerance:g}); mean KL {self.kl:.2g} nats "
            f"per token, where the adapter itself moves its base by {self.steering:.2g}.",
            f"The same greedy text on {self.same_text} of {self.prompts} prompts."
            + (f" The others part where two tokens were {self.widest_tie:.2g} nats apart." if self.widest_tie else ""),
        ]
        if self.steering > 0 and self.kl > self.steering / 4:
            said.append(
                f"Rounding to {self.dtype} changes the model by {self.kl / self.steering:.0%} of what steering did; "
                "--dtype float16 rounds less."
            )
        return said


def prompt_ids(tokenizer: TextTokenizer, prompts: Sequence[str] = PROMPTS) -> list[list[int]]:
    """Ids of the prompts as this model is asked."""
    return [tokenizer.prompt_ids([Message("user", p)] if tokenizer.template else p) for p in prompts]


def read(
    backend: LocalBackend, prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]] = ()
) -> list[Reading]:
    """Let a form answer greedily, or read given answers."""
    out = []
    for n, prompt in enumerate(prompts):
        said = list(answers[n]) if answers else [t.id for t in backend.stream(prompt, Sampling(max_new_tokens=ANSWER))]
        out.append(Reading(tuple(prompt), tuple(said), backend.logits([*prompt, *said], len(prompt)).cpu()))
    return out


def compare(first: Sequence[Reading], base: Sequence[Reading], other: LocalBackend, dtype: str) -> Sameness:
    """Hold another form against a reading.

    Args:
        first: The adapter, answering.
        base: The base, reading the adapter's answers.
        other: The form to check.
        dtype: In which its weights are stored.

    Raises:
        ModelError: It gives no numbers, or is a model with another vocabulary.
    """
    again = read(other, [r.prompt for r in first], [r.answer for r in first])
    own = read(other, [r.prompt for r in first])
    if any(a.logits.shape != b.logits.shape for a, b in zip(first, again, strict=True)):
        raise ModelError("the two forms have different vocabularies")
    if not all(bool(r.logits.isfinite().all()) for r in again):
        raise ModelError(f"the weights give no numbers once they are in {dtype}; try --dtype bfloat16 or float32")
    largest = max(float((a.logits - b.logits).abs().max()) for a, b in zip(first, again, strict=True))
    return Sameness(
        dtype=dtype,
        prompts=len(first),
        tokens=sum(len(r.answer) for r in first),
        largest=largest,
        kl=_kl(first, again),
        steering=_kl(first, base),
        same_text=sum(a.answer == b.answer for a, b in zip(first, own, strict=True)),
        widest_tie=max(_tie(a, b) for a, b in zip(first, own, strict=True)),
    )


def _kl(first: Sequence[Reading], other: Sequence[Reading]) -> float:
    """Mean KL(first ‖ other) over all answered tokens."""
    total, count = 0.0, 0
    for a, b in zip(first, other, strict=True):
        p, q = torch.log_softmax(a.logits, -1), torch.log_softmax(b.logits, -1)
        total += float((p.exp() * (p - q)).sum())
        count += len(a.answer)
    return max(0.0, total / max(1, count))


def _tie(a: Reading, b: Reading) -> float:
    """Where two answers part: how much likelier `a` held its own token."""
    for step, (mine, theirs) in enumerate(zip(a.answer, b.answer, strict=False)):
        if mine != theirs:
            return float(a.logits[step, mine] - a.logits[step, theirs])
    return 0.0
