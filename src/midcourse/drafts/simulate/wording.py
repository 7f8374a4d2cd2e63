"""Where the words of a correction come from: typed as the rule says, picked from the model's own, or rephrased by it.

What a person types was never the model's to say; what it offers itself is likelier under it. Each way looks for words
of the model that a judge lets stand in the place of a mistake; where there are none, the person types. It asks a
backend and a judge; it knows no person, no cost and no training.
"""

import re
import zlib
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, replace
from typing import Protocol

from midcourse.backends.protocol import Backend, Sampling
from midcourse.drafts.cuts import character_ends
from midcourse.drafts.draft import Draft
from midcourse.drafts.fill import Sampler
from midcourse.drafts.simulate.cost import words_in
from midcourse.drafts.simulate.judge import EDGE, Found, Judge
from midcourse.errors import InputError
from midcourse.tokens import common_prefix

__all__ = ["WORDINGS", "Offers", "Picked", "Put", "Rephrased", "Wording", "wording_named"]

WORDINGS = ("typed", "picked", "rephrased")
_LONG = 12
"""Tokens that are looked at for words."""


class Offers(Backend, Sampler, Protocol):
    """A backend that also draws several continuations at once, such as `LocalBackend`."""


@dataclass(frozen=True, slots=True)
class Put:
    """Words to stand behind the first `start` characters of the text."""

    start: int
    text: str
    read: int
    """Words of offers that were read to find them."""
    typed: str = ""
    """What the person typed all the same."""


class Wording(Protocol):
    """One way to come by words."""

    @property
    def name(self) -> str: ...  # noqa: D102
    def __call__(self, draft: Draft, judge: Judge, found: Found) -> Put | None:
        """The words in place of a mistake, None where the person types what the judge says."""
        ...


def wording_named(name: str, backend: Offers) -> Wording | None:
    """`typed` (None), `picked` or `rephrased`.

    Raises:
        InputError: It is none of them.
    """
    if name not in WORDINGS:
        raise InputError(f"the words of a correction are {', '.join(WORDINGS)}; got {name!r}")
    return {"typed": None, "picked": Picked(backend), "rephrased": Rephrased(backend)}[name]


@dataclass(frozen=True)
class Picked:
    """The first that fits of the model's likeliest other ways to go on, as long as what would have been typed."""

    backend: Offers
    of: int = 5
    name: str = "picked"

    def __call__(self, draft: Draft, judge: Judge, found: Found) -> Put | None:
        """See `Wording`."""
        start, ids = _before(draft, found.start)
        least, read = max(1, words_in(found.correction or "")), 0
        for new in self._offers(draft, ids):
            text = _beginning(_said(draft, new), least)
            if text is not None:
                read += words_in(text)
                if _stands(judge, draft.text, start, text):
                    return Put(start, text, read)
        return None

    def _offers(self, draft: Draft, ids: list[int]) -> Iterator[list[int]]:
        """Continuations without chance from each of the likeliest tokens that did not stand there."""
        old = draft.token_ids
        stood = old[len(ids) : len(ids) + 1] if common_prefix(ids, old) == len(ids) else []
        sampling = Sampling(max_new_tokens=1, alternatives=self.of + 1, end_ids=())
        first = next(iter(self.backend.stream(ids, sampling)), None)
        if first is None:
            return
        barred = {*stood, *draft.tokenizer.eos}
        best = [i for i, _ in first.alternatives if i not in barred][: self.of]
        if not best:
            return
        rest = self.backend.sample_batch([[*ids, i] for i in best], 1, max_new_tokens=_LONG, temperature=0.0)
        for token, (more, *_) in zip(best, rest, strict=True):
            yield [token, *more]


@dataclass(frozen=True)
class Rephrased:
    """What the model makes of the correction when it is told of it.

    Taken where half of the words that the correction brings are in it, and at most three words beside them.
    """

    backend: Offers
    of: int = 4
    temperature: float = 0.7
    name: str = "rephrased"

    def __call__(self, draft: Draft, judge: Judge, found: Found) -> Put | None:
        """See `Wording`."""
        told = self._told(draft, found.correction or "")
        if told is None or not found.correction:
            return None
        start, ids = _before(draft, found.start)
        drawn = self.backend.sample_batch(
            [[*told, *ids[draft.prompt_length :]]],
            self.of,
            max_new_tokens=_LONG,
            temperature=self.temperature,
            seed=zlib.crc32(repr(ids).encode()),
        )
        brought = _plain(found.correction) - _plain(draft.text[found.start : found.end])
        read = 0
        for new in drawn[0]:
            text = _beginning(_said(draft, new), 1, found.correction, brought)
            if text is not None:
                read += words_in(text)
                if _stands(judge, draft.text, start, text):
                    return Put(start, text, read, typed=found.correction)
        return None

    def _told(self, draft: Draft, correction: str) -> list[int] | None:
        """The prompt with the correction in it; None where there is no chat to say it in."""
        messages = list(draft.peek.messages)
        if not messages or messages[-1].role != "user":
            return None
        hint = f'\n\nAt the place you have come to, go on with words to this effect: "{correction.strip()}"'
        messages[-1] = replace(messages[-1], content=messages[-1].content + hint)
        return draft.tokenizer.prompt_ids(messages)


def _before(draft: Draft, cut: int) -> tuple[int, list[int]]:
    """Where to go on from so that the words before the cut are whole, in characters, and all ids up to there.

    Space before a word belongs to its token, so it is not kept.
    """
    start = len(draft.text[:cut].rstrip())
    words = draft.answer_ids[:-1] if draft.ended else draft.answer_ids
    byte = character_ends(draft.tokenizer.to_bytes(words))[start]
    spliced = draft.tokenizer.splice(words, byte, "")
    return start, [*draft.token_ids[: draft.prompt_length + spliced.kept], *spliced.token_ids]


def _said(draft: Draft, ids: Sequence[int]) -> str:
    """Text of a continuation; behind its end, as much space as shows that its last word is whole."""
    eos = draft.tokenizer.eos
    text = draft.tokenizer.decode([i for i in ids if i not in eos])
    return text + " " * EDGE if any(i in eos for i in ids) else text


def _beginning(text: str, least: int, about: str = "", wanted: Set[str] = frozenset()) -> str | None:
    """The shortest beginning of at least so many whole words that says what is wanted.

    Args:
        text: A continuation.
        least: Words at least.
        about: A correction; at most three words more than it has.
        wanted: Words of it, of which half must be there; without any, its very characters.
    """
    for n, match in enumerate(re.finditer(r"\s*\S+", text), 1):
        if match.end() == len(text) or (about and n > words_in(about) + 3):
            return None  # the last word may go on
        said = text[: match.end()]
        enough = 2 * len(wanted & _plain(said)) >= len(wanted) if wanted else about.strip() in said
        if n >= least and enough:
            return said
    return None


def _plain(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.casefold()))


def _stands(judge: Judge, old: str, start: int, text: str) -> bool:
    """Whether the words are others than those that stood there, and the judge finds no mistake up to their end."""
    found = judge.first(old[:start] + text + " " * EDGE, finished=False)
    return not old[start:].startswith(text) and (found is None or found.start >= start + len(text))
