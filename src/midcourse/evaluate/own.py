"""What each model answers to held-out prompts by itself: by chance, for signs of collapse; greedy, to read.

Both are written side by side in the same passes, which cost by the pass and hardly by the row. It knows no steer.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from midcourse.evaluate.collapse import Collapse, collapse
from midcourse.evaluate.forks import HeldOut
from midcourse.evaluate.results import Written
from midcourse.evaluate.sampling import Sample
from midcourse.evaluate.telling import prompt_text
from midcourse.evaluate.variants import Variants
from midcourse.tokens import TextTokenizer

__all__ = ["Own", "own_answers"]


@dataclass(frozen=True, slots=True)
class Own:
    """What was written."""

    collapse: dict[str, Collapse]
    """Signs of collapse by variant, from the answers drawn by chance; empty where none were."""
    written: tuple[Written, ...]
    """The greedy answers."""


def own_answers(
    variants: Variants,
    tokenizer: TextTokenizer,
    held: Sequence[HeldOut],
    *,
    sampled: int,
    shown: int,
    tokens: int,
    seed: int,
    stage: Callable[[str, int], Callable[[int], None]],
) -> Own:
    """Have every variant answer.

    Args:
        variants: The models.
        tokenizer: Theirs.
        held: The held-out texts; each different prompt is answered once.
        sampled: Most prompts that are answered at temperature 1.
        shown: Most prompts that are answered greedily.
        tokens: Most tokens of an answer.
        seed: Of the chance.
        stage: See `run.Stage`.
    """
    prompts = _prompts(held, tokenizer)
    by_chance, greedy = ([ids for ids, _ in prompts[:most]] for most in (sampled, shown))
    asked = [*by_chance, *greedy]
    if not asked:
        return Own({}, ())
    tick = stage("Own answers", len(asked) * len(variants.names) + len(by_chance))
    drawn: dict[str, list[Sample]] = {}
    for name in variants.names:
        found = variants.sample(
            name, asked, [tokens] * len(asked), seed=seed, end_ids=tokenizer.eos, progress=tick,
            greedy=[False] * len(by_chance) + [True] * len(greedy),
        )  # fmt: skip
        drawn[name] = [one for (one,) in found]
    texts = [
        {v: tokenizer.decode(s[i].token_ids) + ("" if s[i].ended else " …") for v, s in drawn.items()}
        for i in range(len(by_chance), len(asked))
    ]
    chance = {v: s[: len(by_chance)] for v, s in drawn.items()}
    told = _collapse(variants, by_chance, chance, tokenizer) if by_chance else {}
    tick(len(by_chance))
    return Own(told, tuple(Written(name, t) for (_, name), t in zip(prompts[:shown], texts, strict=True)))


def _collapse(
    variants: Variants, prompts: Sequence[Sequence[int]], drawn: dict[str, list[Sample]], tokenizer: TextTokenizer
) -> dict[str, Collapse]:
    end = tokenizer.eos[0] if tokenizer.eos else None
    scored = variants.scored(prompts, {v: [[s.scored_ids(end)] for s in samples] for v, samples in drawn.items()})
    return {v: collapse(samples, [one for (one,) in scored[v]]) for v, samples in drawn.items()}


def _prompts(held: Sequence[HeldOut], tokenizer: TextTokenizer) -> list[tuple[list[int], str]]:
    """Different prompts: their ids up to where the answer begins, and as text. A text without a prompt has none."""
    found: dict[str, tuple[list[int], str]] = {}
    for one in held:
        authors = one.trajectory.authors(one.trajectory.head)
        start = next((i for i, a in enumerate(authors) if a != "prompt"), len(authors))
        if start and one.group not in found:
            ids = one.trajectory.path(one.trajectory.head)[:start]
            found[one.group] = ids, prompt_text(one.trajectory, tokenizer)
    return list(found.values())
