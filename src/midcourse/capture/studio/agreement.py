"""How alike several people steer the same prompt: where they first stepped in, and what they put there.

Pure functions on texts and offsets. Until the first steer everybody reads the same words of the model, so first forks
can be compared; what comes later depends on what was put.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import combinations
from statistics import median

__all__ = ["First", "Pair", "compare", "mean_of", "median_of", "similarity"]

_SENTENCE_END = re.compile(r"[.!?…。！？]+[\"'”’)\]]*(?=\s|$)|\n+")


@dataclass(frozen=True, slots=True)
class First:
    """One person's first steer on a prompt; without one, they let the text stand."""

    annotator: str
    draft: str
    token: int | None = None
    before: str = ""
    """The text in front of the fork."""
    rejected: str = ""
    chosen: str = ""
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """Two people on one prompt."""

    a: str
    b: str
    distance: int | None
    """Tokens between their first forks; None where one of them did not steer."""
    same_sentence: bool | None
    similarity: float | None
    untouched: bool
    """Neither of them steered."""


def compare(firsts: Sequence[First]) -> list[Pair]:
    """Every two people."""
    return [_pair(a, b) for a, b in combinations(firsts, 2)]


def _pair(a: First, b: First) -> Pair:
    if a.token is None or b.token is None:
        return Pair(a.annotator, b.annotator, None, None, None, a.token is None and b.token is None)
    return Pair(
        a.annotator,
        b.annotator,
        abs(a.token - b.token),
        _sentences(a.before) == _sentences(b.before),
        similarity(a.chosen, b.chosen),
        False,
    )


def _sentences(before: str) -> int:
    """Sentences that are finished in front of a fork."""
    return len(_SENTENCE_END.findall(before))


def similarity(a: str, b: str) -> float:
    """Of two corrections: 1 when they are the same but for case and space, 0 when they share nothing."""
    a, b = (" ".join(text.lower().split()) for text in (a, b))
    return 1.0 if a == b else round(SequenceMatcher(None, a, b, autojunk=False).ratio(), 4)


def median_of(values: Sequence[float | None]) -> float | None:
    """Median of what is known."""
    known = [v for v in values if v is not None]
    return float(median(known)) if known else None


def mean_of(values: Sequence[float | None]) -> float | None:
    """Mean of what is known."""
    known = [float(v) for v in values if v is not None]
    return round(sum(known) / len(known), 4) if known else None
