"""Where a corrected text differs from its original: separate edits, in whole words.

Words are matched, not characters; edits with hardly a kept word between them are one. It knows no rows and no tokens.
"""

import re
from dataclasses import dataclass
from difflib import SequenceMatcher

__all__ = ["KEPT_WORDS", "Edit", "align", "changed", "is_word", "repairs", "words"]

_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_UNIT = re.compile(rf"\s*(?:[{_CJK}]|[^\W{_CJK}]+(?:['’\-][^\W{_CJK}]+)*|[^\w\s])|\s+\Z")
"""A word or a mark with the white space before it; in scripts without spaces, a character."""
KEPT_WORDS = 2
"""Words of the original's own ending that must stand for a change to be a local repair."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One place where words were replaced, cut or inserted, in characters of both texts."""

    start: int
    end: int
    """Of the original; `start` = `end`: only inserted."""
    put_start: int
    put_end: int
    """Of the corrected text; equal: only cut."""


def words(text: str) -> list[str]:
    """The text in pieces that give it back when joined: words and marks, each with the white space before it."""
    return _UNIT.findall(text)


def align(original: str, corrected: str, *, gap: int = 2) -> list[Edit]:
    """The edits that lead from one text to the other, left to right.

    Args:
        original: The text as it was.
        corrected: As it finally stands.
        gap: Edits with fewer kept words than this between them become one.
    """
    was, put = words(original), words(corrected)
    blocks = SequenceMatcher(None, was, put, autojunk=False).get_opcodes()
    merged: list[list[int]] = []
    for tag, a, b, c, d in blocks:
        if tag == "equal":
            continue
        if merged and sum(is_word(w) for w in was[merged[-1][1] : a]) < gap:
            merged[-1][1], merged[-1][3] = b, d
        else:
            merged.append([a, b, c, d])
    before, after = _offsets(was), _offsets(put)
    return [Edit(before[a], before[b], after[c], after[d]) for a, b, c, d in merged]


def changed(original: str, corrected: str, edits: list[Edit]) -> float:
    """Share of the characters of both texts that the edits touch, 0 to 1."""
    total = len(original) + len(corrected)
    touched = sum(e.end - e.start + e.put_end - e.put_start for e in edits)
    return touched / total if total else 0.0


def repairs(original: str, corrected: str) -> list[Edit]:
    """The edits before the original's own ending, if enough of it still stands; none where the rest was dropped.

    What was added behind the ending is no repair and is left out.
    """
    edits = align(original, corrected)
    if edits and edits[-1].start == len(original):
        edits = edits[:-1]  # the text goes on behind the ending
    ending = original[edits[-1].end :] if edits else ""
    return edits if sum(map(is_word, words(ending))) >= KEPT_WORDS else []


def is_word(unit: str) -> bool:
    """Whether there is a letter or a digit in it."""
    return any(c.isalnum() for c in unit)


def _offsets(units: list[str]) -> list[int]:
    at = [0]
    for unit in units:
        at.append(at[-1] + len(unit))
    return at
