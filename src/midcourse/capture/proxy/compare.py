"""What a person made of a text: left it, cut its end, put something else there, repaired it in the middle, wrote on.

Differences are widened to whole words. Both texts are compared as they are: it knows no requests and no clients.
"""

from dataclasses import dataclass
from typing import Literal

from midcourse.capture.importers.align import KEPT_WORDS, Edit, align, is_word, words
from midcourse.capture.proxy.plain import loose, shared_start

__all__ = ["Difference", "Manner", "compare", "hunks"]

Manner = Literal["same", "cut", "changed", "repaired", "extended"]
LITTLE = 16
"""Characters: where no more was kept (and no more than a share of `SHARE`), the text was rewritten."""
SHARE = 0.2


@dataclass(frozen=True, slots=True)
class Difference:
    """How one text became another."""

    manner: Manner
    edits: tuple[Edit, ...] = ()
    """In characters of both texts; an edit that drops the rest runs to the end of both."""
    doubt: str = ""
    """Why it may be no correction, or none of a place; empty: none."""


def compare(was: str, now: str, base: int = 0, *, stopped: bool = False) -> Difference:
    """Compare a text with what stands there now.

    Args:
        was: The text, what the model was given to continue first.
        now: As a later request says it.
        base: Characters of `was` that the model was given.
        stopped: Whether the model was stopped, so that its last word may be half a word.
    """
    left, right = was.rstrip(), now.rstrip()
    shared = shared_start(left, right)
    if shared == len(left) == len(right):
        return Difference("same")
    if shared == len(right):
        return _cut(was, left, shared, base, stopped)
    if shared == len(left):
        start = len(was) if now.startswith(was) else len(left)
        return Difference("extended", (Edit(start, len(was), start, len(now)),))
    if "".join(left.split()) == "".join(right.split()):
        return Difference("same", doubt="only white space differs")
    doubt = "only marks differ that clients change" if loose(left) == loose(right) else ""
    repaired = _repaired(left, right, len(now))
    if repaired:
        return Difference("repaired", repaired, doubt)
    fork = _word_start(left, right, shared)
    fork = max(fork, base) if shared >= base else fork
    edit = Edit(fork, len(was), fork, len(now))
    if not is_word(left[fork:]):  # the sentence was carried on
        return Difference("extended", (edit,), doubt)
    return Difference("changed", (edit,), doubt or _rewritten(left, fork))


def hunks(was: str, now: str) -> list[Edit]:
    """The edits that lead from one text to the other, where most of a long text is the same at both ends."""
    a, b = words(was), words(now)
    most = min(len(a), len(b))
    head = next((i for i in range(most) if a[i] != b[i]), most)
    tail = next((i for i in range(most - head) if a[-1 - i] != b[-1 - i]), most - head)
    start = sum(map(len, a[:head]))
    found = align("".join(a[head : len(a) - tail]), "".join(b[head : len(b) - tail]))
    return [Edit(e.start + start, e.end + start, e.put_start + start, e.put_end + start) for e in found]


def _cut(was: str, left: str, shared: int, base: int, stopped: bool) -> Difference:
    gone = left[shared:]
    inside = not gone[:1].isspace() and left[:shared][-1:].isalnum()
    if len(gone.split()) == 1 and is_word(gone) and (inside or stopped):
        return Difference("same", doubt="only its last word was cut")
    if not is_word(gone):
        return Difference("same", doubt="only closing marks were cut")
    return Difference("cut", (Edit(shared, len(was), shared, shared),), "nothing was kept" if shared <= base else "")


def _repaired(left: str, right: str, end: int) -> tuple[Edit, ...]:
    """The edits where the text's own ending still stands, and what was written on behind it; else none."""
    found = hunks(left, right)
    more = found[-1] if found and not is_word(left[found[-1].start :]) else None
    kept = found[:-1] if more else found
    if not kept or sum(map(is_word, words(left[kept[-1].end :]))) < KEPT_WORDS:
        return ()
    if more is None:
        return tuple(kept)
    closing = left[more.start :]
    aside = len(closing) if right.startswith(closing, more.put_start) else 0
    return (*kept, Edit(more.start + aside, len(left), more.put_start + aside, end))


def _word_start(left: str, right: str, shared: int) -> int:
    """Where the first word begins in which the texts differ, with the white space before it."""
    at = 0
    for a, b in zip(words(left), words(right), strict=False):
        if a != b:
            break
        at += len(a)
    return min(at, shared)


def _rewritten(left: str, fork: int) -> str:
    return "hardly anything was kept" if fork < LITTLE and fork < SHARE * len(left) else ""
