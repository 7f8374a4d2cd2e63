"""From the characters a person sees to the tokens a model wrote, for text that is being cut and mended.

The text on the page shows bytes that are no character as U+FFFD, so a character offset is not a byte offset; here the
two are kept apart. It knows a tokenizer and plain ids, no tree and no steers.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from midcourse.tokens import TextTokenizer

__all__ = ["LocalCut", "character_ends", "cut_out", "tokens_within"]

_LOOK_AHEAD = 8
"""How many tokens of a kept tail must come out unchanged before it counts as joined cleanly."""
_TRIES = 16


def character_ends(raw: bytes) -> list[int]:
    """Byte offset at which each character of the shown text ends; entry 0 is 0, so entry c belongs to a cut at c."""
    ends, at = [0], 0
    while at < len(raw):
        try:
            good, bad = raw[at:].decode("utf-8"), 0
        except UnicodeDecodeError as error:
            good, bad = raw[at : at + error.start].decode("utf-8"), error.end - error.start
        for character in good:
            at += len(character.encode())
            ends.append(at)
        if bad:
            at += bad
            ends.append(at)
    return ends


def tokens_within(tokenizer: TextTokenizer, token_ids: Sequence[int], cut: int) -> int:
    """How many leading tokens lie wholly within the first `cut` bytes and end between two characters."""
    ends = [0, *tokenizer.byte_ends(token_ids)]
    whole = set(character_ends(tokenizer.to_bytes(token_ids)))
    kept = max(i for i, end in enumerate(ends) if end <= cut)
    while kept and ends[kept] not in whole:
        kept -= 1
    return kept


@dataclass(frozen=True, slots=True)
class LocalCut:
    """Words replaced in the middle: keep `kept` tokens, then `token_ids`, then the old tokens from `tail` on."""

    kept: int
    token_ids: tuple[int, ...]
    tail: int


def cut_out(tokenizer: TextTokenizer, token_ids: Sequence[int], cut: int, end: int, text: str) -> LocalCut:
    """Replace the bytes from `cut` to `end` by `text` and keep the tail's own tokens.

    A token that `end` goes through belongs to the correction. So does what follows it until the tail reads as running
    text would: otherwise the model would be shown a sequence of tokens that it never meets.
    """
    ends = [0, *tokenizer.byte_ends(token_ids)]
    whole = tokenizer.to_bytes(token_ids)
    characters = set(character_ends(whole))
    first = bisect_left(ends, end)
    fallback: LocalCut | None = None
    for tail in range(first, min(first + _TRIES, len(token_ids)) + 1):
        if ends[tail] not in characters:
            continue
        put = text + whole[end : ends[tail]].decode("utf-8", errors="replace")
        apart = tokenizer.splice(token_ids, cut, put)
        fallback = fallback or LocalCut(apart.kept, apart.token_ids, tail)
        ahead = list(token_ids[tail : tail + _LOOK_AHEAD])
        while ahead and ends[tail + len(ahead)] not in characters:
            ahead.pop()
        following = whole[ends[tail] : ends[tail + len(ahead)]].decode("utf-8", errors="replace")
        joined = tokenizer.splice(token_ids, cut, put + following)
        # The last token before the edge of what was looked at may still merge with what comes behind it.
        sure = max(1, len(ahead) - 1) if tail + len(ahead) < len(token_ids) else len(ahead)
        if not ahead or (joined.kept == apart.kept and _runs_into(joined.token_ids, apart.token_ids, ahead[:sure])):
            return LocalCut(apart.kept, apart.token_ids, tail)
    assert fallback is not None
    return fallback


def _runs_into(joined: Sequence[int], put: Sequence[int], ahead: Sequence[int]) -> bool:
    return list(joined[: len(put) + len(ahead)]) == [*put, *ahead]
