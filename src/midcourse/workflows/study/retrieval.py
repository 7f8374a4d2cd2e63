"""Steers shown in the prompt in place of training: those made on the prompts most like the one that is asked.

The baseline without a gradient (cf. CIPHER, Gao et al. 2024, arXiv:2404.15269, which shows what was inferred from edits
made in like contexts). Likeness is RapidFuzz's ratio of the words in order of the alphabet. Text in, text out; the ids
that stand in a prompt's place are `evaluate.prompted`'s.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from rapidfuzz import fuzz, process

from midcourse.evaluate.drift import neutral_prompts, neutral_texts
from midcourse.evaluate.prompted import Prompted
from midcourse.rows.row import Prompt
from midcourse.tokens import TextTokenizer
from midcourse.types import Message, Steer, Trajectory

__all__ = ["Example", "examples", "nearest", "prompted", "told"]

BEFORE = 6
"""Words before a correction that are shown with it."""


@dataclass(frozen=True, slots=True)
class Example:
    """One steer as it is told."""

    prompt: str
    rejected: str
    chosen: str
    """Both with the words before them."""


def examples(texts: Iterable[Trajectory], tokenizer: TextTokenizer) -> list[Example]:
    """The steers of some texts that count and have two sides, in order."""
    return [
        one
        for text in texts
        for steer in text.steers
        if steer.counts and steer.rejected and steer.chosen and (one := _example(text, steer, tokenizer))
    ]


def _example(text: Trajectory, steer: Steer, tokenizer: TextTokenizer) -> Example | None:
    assert steer.chosen is not None
    fork, start = steer.fork.depth, len(text.nodes[0].token_ids)
    before = " ".join(tokenizer.decode(text.path(steer.fork)[start:]).split(" ")[-BEFORE:])
    put, was = (
        tokenizer.decode([i for i in text.path(end)[fork:] if i not in tokenizer.eos])
        for end in (steer.chosen, steer.rejected[0].end)
    )
    words = len(put.split()) + 1
    ends = [n for n, c in enumerate(was) if c.isspace() and was[:n].strip()]
    was = was[: ends[words - 1]] if len(ends) >= words else was
    rejected, chosen = (" ".join((before + side).split()) for side in (was, put))
    return Example(_asked(text), rejected, chosen) if chosen and rejected != chosen else None


def _asked(text: Trajectory) -> str:
    return next((m.content for m in reversed(text.messages) if m.role == "user"), "")


def nearest(known: Sequence[Example], prompt: str, most: int) -> list[Example]:
    """The steers of the prompts most like this one, no correction twice; of one likeness, in order."""
    found: dict[tuple[str, str], Example] = {}
    asked = list(dict.fromkeys(e.prompt for e in known))
    for like, _, _ in process.extract(prompt, asked, scorer=fuzz.token_sort_ratio, limit=None):
        for example in known:
            if example.prompt == like:
                found.setdefault((example.rejected, example.chosen), example)
        if len(found) >= most:
            break
    return list(found.values())[:most]


def told(prompt: Prompt, shown: Sequence[Example]) -> Prompt:
    """A prompt with some steers before what is asked; without any, the prompt itself."""
    if not shown:
        return prompt
    lines = "\n".join(f'- not "{e.rejected}" but "{e.chosen}"' for e in shown)
    text = (
        f"A person corrected earlier answers like this:\n{lines}\nWrite so that nobody has to correct such things.\n\n"
    )
    if isinstance(prompt, str):
        return text + prompt
    last = max(n for n, m in enumerate(prompt) if m.role == "user")
    return tuple(replace(m, content=text + m.content) if n == last else m for n, m in enumerate(prompt))


def prompted(
    texts: Iterable[Trajectory], held_out: Iterable[Trajectory], tokenizer: TextTokenizer, most: int
) -> Prompted:
    """What stands in place of the prompts of held-out texts and of those that have nothing to do with the steers.

    Args:
        texts: With the steers that are shown.
        held_out: Texts whose prompts are asked.
        tokenizer: The model's.
        most: Steers in one prompt.
    """
    known = examples(texts, tokenizer)
    asked: dict[tuple[int, ...], Prompt] = {}
    for text in held_out:
        ids = text.nodes[0].token_ids
        asked[ids] = text.messages or tokenizer.decode(ids)
    for ids_, words in zip(neutral_prompts(tokenizer), neutral_texts(), strict=True):
        chat: Prompt = (Message("user", words),)
        asked[tuple(ids_)] = tokenizer.decode(ids_) if tokenizer.template is None else chat
    shown = {}
    for key, prompt in asked.items():
        words = prompt if isinstance(prompt, str) else next(m.content for m in reversed(prompt) if m.role == "user")
        shown[key] = tuple(tokenizer.prompt_ids(told(prompt, nearest(known, words, most))))
    return Prompted(shown)
