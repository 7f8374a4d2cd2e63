"""A stronger model in the person's place: it takes over where the student's words are unlikely under it.

It reads the student's text in its own tokens, so the two need not share a tokenizer; stops at the first token it finds
unlikely where it would have been sure of another; and writes a few words of its own. Any backend can be the teacher;
one that can read given text in one pass (`read`) is much quicker. It knows text on one side and a backend on the other.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, cast

from midcourse.backends.protocol import Backend, Read, Sampling
from midcourse.drafts.simulate.cost import words_in
from midcourse.drafts.simulate.judge import EDGE, Found
from midcourse.tokens import TextTokenizer
from midcourse.types import Message

__all__ = ["Teacher"]

_WRITES = 24
"""Most tokens of one correction."""


class _Reader(Protocol):
    def read(self, token_ids: Sequence[int], start: int) -> list[Read]: ...


@dataclass(frozen=True)
class Teacher:
    """A `Judge` that is a model."""

    backend: Backend
    tokenizer: TextTokenizer
    name: str = "teacher"
    least: float = 0.02
    """A token of the student's below this probability is a mistake …"""
    gap: float = 2.3
    """… where the teacher's likeliest token is likelier by at least so many nats (2.3: ten times)."""
    words: int = 3
    """Words the teacher writes before the student goes on."""
    stretch: int = 16
    max_tokens: int = 128
    max_steers: int = 12
    prompt: tuple[int, ...] = ()
    """The prompt in the teacher's tokens: see `about`."""

    @property
    def strict(self) -> bool:
        """A model's taste is no contradiction."""
        return False

    def about(self, prompt: str | Sequence[Message]) -> "Teacher":
        """The teacher in front of a prompt, by its own chat template; without one it reads the messages as text."""
        if not isinstance(prompt, str) and self.tokenizer.template is None:
            prompt = "\n\n".join(m.content for m in prompt) + "\n\n"
        return replace(self, prompt=tuple(self.tokenizer.prompt_ids(prompt)))

    def first(self, text: str, *, finished: bool = True, at: int = 0) -> Found | None:
        """See `Judge.first`."""
        ids = self.tokenizer.encode(text)
        for i, read in self._unlikely(ids, text, finished, at):
            start, end = len(self.tokenizer.decode(ids[:i])), len(self.tokenizer.decode(ids[: i + 1]))
            if read.best in self.tokenizer.eos:
                return Found(self.name, start, end, None, "the teacher would have stopped", ends=True)
            put, stops = self._write([*self.prompt, *ids[:i]])
            if put.strip() and not text[start:].startswith(put):
                rest = len(text[end:]) - len(text[end:].lstrip("".join(c for c in text[end:] if c.isalnum())))
                reason = f"p = {math.exp(read.logprob):.2g} under the teacher"
                return Found(self.name, start, end + rest, put, reason, ends=stops)
        return None

    def count(self, text: str) -> Counter[str]:
        """How many tokens of a text the teacher finds unlikely."""
        found = sum(1 for _ in self._unlikely(self.tokenizer.encode(text), text, True, 0))
        return Counter({self.name: found} if found else {})

    def _unlikely(self, ids: list[int], text: str, finished: bool, at: int) -> Iterator[tuple[int, Read]]:
        ids = ids[: self._room()]
        if not ids:
            return
        length = 0
        bound = len(text) if finished else len(text) - EDGE
        for i, (token, read) in enumerate(zip(ids, self._read([*self.prompt, *ids]), strict=True)):
            start, length = length, length + len(self.tokenizer.decode([token]))
            if length > bound:
                return
            if start >= at and read.logprob < math.log(self.least) and read.best_logprob - read.logprob >= self.gap:
                yield i, read

    def _room(self) -> int | None:
        """Tokens of the student's text that the teacher can read; what lies behind them it lets stand."""
        context: int | None = getattr(self.backend, "context", None)
        return None if context is None else max(0, context - len(self.prompt) - 1)

    def _read(self, ids: list[int]) -> list[Read]:
        """What the teacher says to each token after the prompt."""
        start = len(self.prompt)
        if hasattr(self.backend, "read"):
            return cast(_Reader, self.backend).read(ids, start)
        return [_asked(self.backend, ids[:i], ids[i]) for i in range(start, len(ids))]

    def _write(self, ids: list[int]) -> tuple[str, bool]:
        """A few words from here on, up to the end of a word; whether the text ends with them."""
        new: list[int] = []
        said = ""
        for token in self.backend.stream(ids, Sampling(max_new_tokens=_WRITES)):
            if token.id in self.tokenizer.eos:
                return said.rstrip("\ufffd"), True
            text = self.tokenizer.decode([*new, token.id])
            if words_in(text) > self.words:
                break
            new.append(token.id)
            said = text
        return said.rstrip("\ufffd"), False


def _asked(backend: Backend, ids: list[int], token: int) -> Read:
    """One token under a backend that only streams; one not among its alternatives counts as less likely than those."""
    stream = backend.stream(ids, Sampling(max_new_tokens=1, alternatives=20))
    first = next(iter(stream))
    said = dict(first.alternatives) | {first.id: first.logprob}
    best = max(said, key=lambda i: said[i])
    return Read(said.get(token, min(said.values()) - 1e-3 if len(said) > 1 else -math.inf), best, said[best])
