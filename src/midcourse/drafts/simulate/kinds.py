"""Kinds of rule that one pattern cannot say: forbidden words, letter case, lengths, bullets, how to begin and end.

They are the rules of instruction-following tests that break at a certain word, so that a person can stop exactly
there. Each sees a text and gives the first mistake; none knows the others.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Self

from midcourse.drafts.simulate.judge import EDGE, Found

__all__ = ["KINDS", "Begins", "Bullets", "Case", "Ends", "Forbidden", "MaxWords", "SentenceWords", "Sentences"]

_WORD = re.compile(r"\w[\w'’-]*")
_STOP = re.compile(r"(?<!\d)[.!?]+[\"'”’)]*(?=\s|\Z)|\n+")
"""Where a sentence ends; the point of "1." in a list does not."""


class _Everywhere:
    """A rule that does not depend on what was asked."""

    def about(self, prompt: str) -> Self:
        """The same, whatever was asked."""
        return self


@dataclass(frozen=True)
class Forbidden(_Everywhere):
    """Words that must not be used, each with what is said instead (null: the model tries again)."""

    name: str
    words: Mapping[str, str | None]
    reason: str | None = None

    def __post_init__(self) -> None:
        """A plain list is a mapping to nothing."""
        given: object = self.words
        if isinstance(given, list):
            object.__setattr__(self, "words", dict.fromkeys(given))
        if not isinstance(given, list | dict) or not given or not all(isinstance(w, str) and w for w in given):
            raise ValueError("`forbid` takes words, or a mapping of words to what is put instead")
        if not all(put is None or isinstance(put, str) for put in self.words.values()):
            raise ValueError("what `forbid` puts instead of a word is a text or null")

    @cached_property
    def _regex(self) -> re.Pattern[str]:
        longest = sorted(self.words, key=len, reverse=True)
        return re.compile(r"\b(?:" + "|".join(map(re.escape, longest)) + r")\b", re.IGNORECASE)

    def first(self, text: str, *, finished: bool = True, at: int = 0) -> Found | None:
        """See `Judge.first`."""
        for match in self._regex.finditer(text, at):
            if not finished and match.end() + EDGE > len(text):
                return None
            put = next(v for w, v in self.words.items() if w.lower() == match[0].lower())
            if put is not None and match[0][:1].isupper():
                put = put[:1].upper() + put[1:]
            return Found(self.name, match.start(), match.end(), put, self.reason)
        return None


@dataclass(frozen=True)
class Case(_Everywhere):
    """All letters `lower` or `upper`."""

    name: str
    case: str
    reason: str | None = None

    def __post_init__(self) -> None:
        """Only two cases."""
        if self.case not in ("lower", "upper"):
            raise ValueError("`case` is lower or upper")

    def first(self, text: str, *, finished: bool = True, at: int = 0) -> Found | None:
        """See `Judge.first`."""
        for match in _WORD.finditer(text, at):
            put = match[0].lower() if self.case == "lower" else match[0].upper()
            if put != match[0]:
                if not finished and match.end() + EDGE > len(text):
                    return None
                return Found(self.name, match.start(), match.end(), put, self.reason)
        return None


@dataclass(frozen=True)
class SentenceWords(_Everywhere):
    """At most so many words in a sentence: then a full stop is put."""

    name: str
    most: int
    reason: str | None = None

    def __post_init__(self) -> None:
        """A sentence has a word."""
        if not isinstance(self.most, int) or self.most < 1:
            raise ValueError("`sentence_words` is a whole number of at least 1")

    def first(self, text: str, *, finished: bool = True, at: int = 0) -> Found | None:
        """See `Judge.first`; the mistake is the first word too many."""
        begin = 0
        for end in [*(m.end() for m in _STOP.finditer(text)), len(text)]:
            words = list(_WORD.finditer(text, begin, end))
            if len(words) > self.most and words[self.most - 1].end() >= at:
                last, extra = words[self.most - 1], words[self.most]
                if not finished and extra.end() + EDGE > len(text):
                    return None
                return Found(self.name, last.end(), extra.end(), ".", self.reason)
            begin = end
        return None


@dataclass(frozen=True)
class Sentences(_Everywhere):
    """At most so many sentences: then the answer ends."""

    name: str
    most: int
    reason: str | None = None

    def __post_init__(self) -> None:
        """An answer has a sentence."""
        if not isinstance(self.most, int) or self.most < 1:
            raise ValueError("`sentences` is a whole number of at least 1")

    def first(self, text: str, *, finished: bool = True, at: int = 0) -> Found | None:
        """See `Judge.first`."""
        stops = [m for m in _STOP.finditer(text) if _WORD.search(text, 0, m.end())]
        if len(stops) < self.most:
            return None
        end = stops[self.most - 1].end()
        more = _WORD.search(text, end)
        return Found(self.name, end, more.end(), None, self.reason, ends=True) if more and end >= at else None


@dataclass(frozen=True)
class MaxWords(_Everywhere):
    """At most so many words: the answer should have ended with the last sentence that fits."""

    name: str
    most: int
    reason: str | None = None

    def __post_init__(self) -> None:
        """An answer has a word."""
        if not isinstance(self.most, int) or self.most < 1:
            raise ValueError("`max_words` is a whole number of at least 1")

    def first(self, text: str, *, finished: bool = True, at: int = 0) -> Found | None:
        """See `Judge.first`."""
        words = list(_WORD.finditer(text))
        if len(words) <= self.most or (not finished and words[self.most].end() + EDGE > len(text)):
            return None
        last = words[self.most - 1].end()
        stops = [m.end() for m in _STOP.finditer(text) if m.end() <= words[self.most].start()]
        stops = [s for s in stops if _WORD.search(text, 0, s)]
        start, put = (stops[-1], None) if stops else (last, ".")
        return Found(self.name, start, words[self.most].end(), put, self.reason, ends=True) if start >= at else None


@dataclass(frozen=True)
class Bullets(_Everywhere):
    """Every line that says something begins with this mark."""

    name: str
    mark: str
    reason: str | None = None

    def __post_init__(self) -> None:
        """A mark can be seen."""
        if not isinstance(self.mark, str) or not self.mark.strip():
            raise ValueError("`bullets` is the mark that every line begins with, e.g. '- '")

    def first(self, text: str, *, finished: bool = True, at: int = 0) -> Found | None:
        """See `Judge.first`; another mark or a number at the start of a line is replaced, else the mark is put."""
        for line in re.finditer(r"[^\n]+", text):
            said = re.match(r"\s*(?:[-*•+]|\d+[.)])?\s*(?=\S)", line[0])
            if said is None or line[0].lstrip().startswith(self.mark.strip()) or line.start() < at:
                continue
            start, word = line.start(), line.start() + said.end()
            if not finished and word + 1 + EDGE > len(text):
                return None
            return Found(self.name, start, max(word, start + 1), self.mark, self.reason)
        return None


@dataclass(frozen=True)
class Begins(_Everywhere):
    """The answer begins with these words."""

    name: str
    words: str
    reason: str | None = None

    def __post_init__(self) -> None:
        """Something to begin with."""
        if not isinstance(self.words, str) or not self.words.strip():
            raise ValueError("`begins` is the text that the answer begins with")

    def first(self, text: str, *, finished: bool = True, at: int = 0) -> Found | None:
        """See `Judge.first`."""
        said = text.lstrip()
        if at > 0 or not said or (not finished and len(said) < EDGE) or said.startswith(self.words):
            return None
        if not finished and self.words.startswith(said):
            return None
        return Found(self.name, 0, len(text), self.words, self.reason)


@dataclass(frozen=True)
class Ends(_Everywhere):
    """The answer ends with these words."""

    name: str
    words: str
    reason: str | None = None

    def __post_init__(self) -> None:
        """Something to end with."""
        if not isinstance(self.words, str) or not self.words.strip():
            raise ValueError("`ends` is the text that the answer ends with")

    def first(self, text: str, *, finished: bool = True, at: int = 0) -> Found | None:
        """See `Judge.first`; only a finished text can lack its end."""
        if not finished or text.rstrip().endswith(self.words.rstrip()) or len(text) < at:
            return None
        return Found(self.name, len(text), len(text), f" {self.words.strip()}", self.reason, ends=True)


KINDS = {
    "forbid": Forbidden,
    "case": Case,
    "sentence_words": SentenceWords,
    "sentences": Sentences,
    "max_words": MaxWords,
    "bullets": Bullets,
    "begins": Begins,
    "ends": Ends,
}
"""Field of the YAML file -> kind of rule."""
