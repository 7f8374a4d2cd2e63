"""One answer while it is written: whole characters, stop texts, where it ends.

Text is held back as long as it may be the beginning of a stop text or of a character; tokens are told as they are
drawn. It knows no request and no server.
"""

import codecs
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from midcourse.backends.protocol import Backend, Sampling, Token
from midcourse.tokens import TextTokenizer

__all__ = ["Ask", "Piece", "write"]

Finish = Literal["", "stop", "length"]


@dataclass(frozen=True, slots=True)
class Ask:
    """How to go on from a prompt."""

    sampling: Sampling
    stop: tuple[str, ...] = ()
    """Texts before which the answer ends."""
    banned: tuple[int, ...] = ()
    """Ids that are never drawn."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What came with one token."""

    text: str
    tokens: tuple[Token, ...]
    finish: Finish = ""
    ends: bool = False
    """The last of `tokens` is an end token, which has no text."""


def write(backend: Backend, tokenizer: TextTokenizer, token_ids: Sequence[int], ask: Ask) -> Iterator[Piece]:
    """Pieces of an answer; the last one says why it ended."""
    ends = tokenizer.eos if ask.sampling.end_ids is None else ask.sampling.end_ids
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    held = ""
    for n, token in enumerate(_drawn(backend, token_ids, ask), 1):
        if token.id in ends:
            yield Piece(held + decoder.decode(b"", True), (token,), "stop", ends=True)
            return
        held += decoder.decode(tokenizer.token_bytes(token.id))
        at = min((i for i in (held.find(stop) for stop in ask.stop) if i >= 0), default=-1)
        if at >= 0:
            yield Piece(held[:at], (token,), "stop")
            return
        if n == ask.sampling.max_new_tokens:
            yield Piece(held + decoder.decode(b"", True), (token,), "length")
            return
        keep = _beginning(held, ask.stop)
        yield Piece(held[: len(held) - keep], (token,))
        held = held[len(held) - keep :]
    yield Piece(held + decoder.decode(b"", True), (), "length")  # the backend's own limit, or nothing was asked for


def _drawn(backend: Backend, token_ids: Sequence[int], ask: Ask) -> Iterator[Token]:
    """A backend rules tokens out for the first place only: with a ban each token is an answer of its own."""
    if not ask.banned:
        yield from backend.stream(token_ids, ask.sampling)
        return
    ids = list(token_ids)
    for step in range(ask.sampling.max_new_tokens):
        one = replace(
            ask.sampling, max_new_tokens=1, banned_first=ask.banned, seed=(ask.sampling.seed + step) % (1 << 63)
        )
        for token in backend.stream(ids, one):
            yield token
            ids.append(token.id)


def _beginning(text: str, stops: Sequence[str]) -> int:
    """How many of the last characters may be the beginning of a stop text."""
    longest = 0
    for stop in stops:
        for size in range(min(len(stop) - 1, len(text)), longest, -1):
            if text.endswith(stop[:size]):
                longest = size
                break
    return longest
