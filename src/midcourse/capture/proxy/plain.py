"""A text without what clients and editing fields add or take away, and where each of its characters stood.

Carriage returns go, letters are composed (NFC), and blocks of thinking can be left out, since many clients do not send
them back. It knows no requests.
"""

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Plain", "has_thoughts", "loose", "plain", "shared_end", "shared_start"]

_THOUGHTS = re.compile(
    r"<(think|thinking|thought|reasoning)>.*?</\1>\s*|<details\b[^>]*\btype=[\"'][^\"']+[\"'][^>]*>.*?</details>\s*",
    re.DOTALL | re.IGNORECASE,
)
_CHANGED_BY_CLIENTS = str.maketrans({"“": '"', "”": '"', "„": '"', "’": "'", "‘": "'", "…": "...", "*": "", "_": ""})


@dataclass(frozen=True, slots=True)
class Plain:
    """A text to compare, and the one it was made of."""

    text: str
    raw: str
    places: tuple[int, ...] | None = None
    """For each character of `text`, and for its end, where it stands in `raw`; None: both are the same."""

    def raw_at(self, place: int) -> int:
        """Where a character of `text` stands in `raw`."""
        return place if self.places is None else self.places[place]

    def at(self, raw: int) -> int:
        """The first character of `text` that stands at or behind a place of `raw`."""
        return min(raw, len(self.text)) if self.places is None else min(bisect_left(self.places, raw), len(self.text))


def plain(raw: str, *, thoughts: bool = True) -> Plain:
    """The text as it is compared.

    Args:
        raw: As it was sent.
        thoughts: Keep blocks of thinking.
    """
    gone = [] if thoughts else [m.span() for m in _THOUGHTS.finditer(raw)]
    if not gone and "\r" not in raw and unicodedata.is_normalized("NFC", raw):
        return Plain(raw, raw)
    text: list[str] = []
    places: list[int] = []
    for start, letter in _letters(raw):
        if letter == "\r" or any(a <= start < b for a, b in gone):
            continue
        composed = unicodedata.normalize("NFC", letter)
        text.append(composed)
        places += [start] * len(composed)
    return Plain("".join(text), raw, (*places, len(raw)))


def has_thoughts(text: str) -> bool:
    """Whether a finished block of thinking stands in it."""
    return bool(_THOUGHTS.search(text))


def loose(text: str) -> str:
    """What is left when white space, emphasis and the form of quotation marks do not count."""
    return "".join(text.translate(_CHANGED_BY_CLIENTS).split())


def shared_start(a: str, b: str) -> int:
    """How many characters two texts begin with in common; long ones in a few comparisons of slices."""
    high = min(len(a), len(b))
    if a[:high] == b[:high]:
        return high
    low = 0
    while high - low > 1:
        middle = (low + high) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle
    return low


def shared_end(a: str, b: str) -> int:
    """How many characters two texts end with in common."""
    return shared_start(a[::-1], b[::-1])


def _letters(text: str) -> Iterator[tuple[int, str]]:
    """Each letter with the marks that are composed into it, and where it begins."""
    start = 0
    for at in range(1, len(text) + 1):
        if at == len(text) or not (unicodedata.combining(text[at]) or "\u1160" <= text[at] <= "\u11ff"):
            yield start, text[start:at]
            start = at
