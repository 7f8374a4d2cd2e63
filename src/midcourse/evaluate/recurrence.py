"""Whether a model, put before a held-out fork again, makes the error again.

A sample repeats the error if (a) the checker that rejected it fires within m + 8 tokens, m being the length of the
rejected side, else (b) the replaced words, normalised, appear there. The tier is told with the result. It knows forks
and samples, and not which model wrote them.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from midcourse.evaluate.collapse import distinct
from midcourse.evaluate.forks import Fork
from midcourse.evaluate.sampling import Sample
from midcourse.tokens import TextTokenizer

__all__ = ["MORE", "Checker", "ErrorSpec", "Judged", "error_of", "judge", "pattern_checker", "valid"]

MORE = 8
"""Tokens beyond the rejected side in which the error may come."""

Checker = Callable[[str, int], bool]
"""(the answer so far with its continuation, offset where the continuation begins) -> whether the error is in it."""


def pattern_checker(pattern: str) -> Checker:
    """A checker that fires where a regular expression matches text that reaches into the continuation."""
    compiled = re.compile(pattern)
    return lambda text, start: any(m.end() > start for m in compiled.finditer(text))


def words(text: str) -> tuple[str, ...]:
    """Words of a text, normalised: NFKC, case folded, without punctuation and symbols."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    plain = "".join(" " if unicodedata.category(c)[0] in "PSZC" else c for c in re.sub(r"['’]", "", folded))
    return tuple(plain.split())


@dataclass(frozen=True, slots=True)
class ErrorSpec:
    """What counts as the same error at one fork."""

    tier: str
    """`checker` or `words`."""
    limit: int
    """Tokens of a sample that are read: m + 8."""
    stem: str
    """The beginning of a word that the fork cuts through."""
    replaced: tuple[str, ...]
    """The replaced words, as written."""
    chosen: str
    """The chosen side, as written; empty where the answer should have ended."""
    ends: bool = False
    """The error is to end the answer here."""


def error_of(fork: Fork, tokenizer: TextTokenizer, checker: Checker | None = None) -> ErrorSpec | None:
    """What repeats the error of a fork; None where the rejected side is unknown.

    The end of the replaced words is known for `local` steers. Otherwise the rejected side runs on for as long as the
    tree reads it, and only as many of its tokens as the person put, up to the end of a word, count as replaced.
    """
    if not fork.rejected:
        return None
    start = _answer_start(fork)
    before = tokenizer.decode(fork.prefix[start:])
    stem = re.search(r"\w*\Z", before)
    replaced, fires = [], False
    for side in fork.rejected:
        text = tokenizer.decode(side)
        fires = fires or (checker is not None and checker(before + text, len(before)))
        n = len(side) if fork.steer.kind in ("local", "edit") else max(1, min(len(side), len(fork.chosen)))
        head = tokenizer.decode(side[:n])
        rest = re.match(r"\w*", text[len(head) :]) if re.search(r"\w\Z", head) else None
        replaced.append(head + (rest.group() if rest else ""))
    chosen = [i for i in fork.chosen if i not in tokenizer.eos]
    return ErrorSpec(
        tier="checker" if fires else "words",
        limit=max(len(side) for side in fork.rejected) + MORE,
        stem=stem.group() if stem else "",
        replaced=tuple(replaced),
        chosen=tokenizer.decode(chosen),
        ends=all(side[0] in tokenizer.eos for side in fork.rejected),
    )


@dataclass(frozen=True, slots=True)
class Judged:
    """One sample at one fork."""

    repeats: bool
    adopts: bool


def judge(
    fork: Fork, error: ErrorSpec, sample: Sample, tokenizer: TextTokenizer, checker: Checker | None = None
) -> Judged:
    """Whether a sample makes the error again, and whether it begins with what the person put."""
    text = tokenizer.decode(sample.token_ids)
    near = tokenizer.decode(sample.token_ids[: error.limit])
    at_once = sample.ended and not sample.token_ids
    adopts = at_once if not error.chosen else begins(error.stem + text, error.stem + error.chosen)
    if error.ends:
        return Judged(at_once, adopts)
    if error.tier == "checker" and checker is not None:
        before = tokenizer.decode(fork.prefix[_answer_start(fork) :])
        return Judged(checker(before + near, len(before)), adopts)
    repeats = any(says(error.stem + near, error.stem + r, error.stem + error.chosen) for r in error.replaced)
    return Judged(repeats, adopts)


def begins(text: str, start: str) -> bool:
    """Whether a text begins with the words of another; where that has no words, with its very characters."""
    wanted = words(start)
    if not wanted:
        return text.strip().startswith(start.strip())
    return words(text)[: len(wanted)] == wanted


def says(text: str, replaced: str, chosen: str) -> bool:
    """Whether the replaced words appear in a text.

    Words that the person kept in the chosen side are no error in themselves: then the text must begin with them. Where
    both sides have the same words and differ in case or marks, the very characters count.
    """
    wanted = words(replaced)
    if not wanted or wanted == words(chosen):
        plain = replaced.strip()
        return text.strip().startswith(plain) if not wanted or plain in chosen else plain in text
    found, put = words(text), words(chosen)
    if _inside(wanted, put):
        return found[: len(wanted)] == wanted
    return _inside(wanted, found)


def valid(samples: Sequence[Sample], base_nll: Sequence[float], ceiling: float) -> list[bool]:
    """Which samples are text at all: not repeating themselves, and no odder to the base than 99% of its own."""
    return [
        distinct(s.token_ids) >= 0.5 and (np.isnan(nll) or nll <= ceiling)
        for s, nll in zip(samples, base_nll, strict=True)
    ]


def _inside(few: tuple[str, ...], many: tuple[str, ...]) -> bool:
    return any(many[i : i + len(few)] == few for i in range(len(many) - len(few) + 1))


def _answer_start(fork: Fork) -> int:
    """Depth at which the answer begins: after the last token of the prompt on the fork's path."""
    authors = fork.held.trajectory.authors(fork.steer.fork)
    return max((i + 1 for i, a in enumerate(authors) if a == "prompt"), default=0)
