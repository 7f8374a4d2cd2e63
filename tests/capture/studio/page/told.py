"""A backend that says what a test tells it, at the pace it is told, with alternatives at every token."""

import math
import time
from collections.abc import Callable, Iterator, Sequence

from drafts.scripted import tokenizer
from midcourse.backends.protocol import Sampling, Token

__all__ = ["Told", "tokenizer"]


class Told:
    """Each stream says the next text; `<end>` closes one. Words in `doubts` are the least likely ones."""

    def __init__(self, texts: Sequence[str] | Callable[[int], str], *, pause: float = 0.004, doubts: str = "") -> None:
        self.texts = texts if callable(texts) else lambda n, t=tuple(texts): t[min(n, len(t) - 1)]
        self.pause, self.doubts, self.calls = pause, doubts, 0
        self.context = 1_000_000

    def stream(self, token_ids: Sequence[int], sampling: Sampling) -> Iterator[Token]:
        """The next text, token by token."""
        text = self.texts(self.calls)
        self.calls += 1
        if sampling.max_new_tokens <= 1:  # alternatives of one place
            text = " and"
        ids = tokenizer().encode(text.removesuffix("<end>"))
        if text.endswith("<end>"):
            ids.append(tokenizer().eos[0])
        others = [tokenizer().encode(w)[0] for w in (" the", " very", " go", " day", " cat")]
        while ids and ids[0] in sampling.banned_first:
            ids = ids[1:]
        for i in ids[: sampling.max_new_tokens]:
            piece = tokenizer().decode([i])
            p = 0.04 if self.doubts and piece.strip() and piece.strip() in self.doubts else 0.6
            rest = [(o, math.log(0.3 / 2**k)) for k, o in enumerate(dict.fromkeys(others)) if o != i]
            if self.pause:
                time.sleep(self.pause)
            yield Token(i, math.log(p), tuple(sorted([(i, math.log(p)), *rest], key=lambda a: -a[1])))

    def score(self, token_ids: Sequence[int], start: int) -> list[float]:
        """A kept tail is doubtful, all of it."""
        return [math.log(0.04)] * (len(token_ids) - start)
