"""Words put in order, checked as they are written: stops at the first word that is not next, and writes that one.

The words to sort are read from the prompt: what stands after its last colon, parted by commas or spaces. What the
answer says besides those words is let stand, until all of them have come: then it should end.
"""

import re
from dataclasses import dataclass

from midcourse.drafts.simulate.judge import EDGE, Found

__all__ = ["WordOrder"]

_WORD = re.compile(r"\w[\w'’-]*")


@dataclass(frozen=True)
class WordOrder:
    """The words of the prompt, in alphabetical order."""

    name: str
    reason: str | None = None
    ends: bool = True
    """Whether the answer should end with the last word."""
    words: tuple[str, ...] = ()

    def about(self, prompt: str) -> "WordOrder":
        """The words of this prompt."""
        after = prompt.rpartition(":")[2]
        words = [w for w in re.split(r"[,\s]+", after.strip().rstrip(".")) if w]
        return WordOrder(self.name, self.reason, self.ends, tuple(sorted(words, key=str.lower)))

    def first(self, text: str, *, finished: bool = True, at: int = 0) -> Found | None:
        """See `Judge.first`."""
        wanted, known = list(self.words), {w.lower() for w in self.words}
        end = 0
        for match in _WORD.finditer(text):
            if not wanted:
                if self.ends and end >= at:
                    return Found(self.name, end, match.end(), None, self.reason, ends=True)
                return None
            word = match[0].lower()
            if word not in known and wanted == list(self.words):
                continue  # words of an introduction
            if word == wanted[0].lower():
                wanted.pop(0)
                end = match.end()
                continue
            if not finished and match.end() + EDGE > len(text):
                return None
            return Found(self.name, match.start(), match.end(), wanted[0], self.reason) if match.start() >= at else None
        if finished and wanted and len(wanted) < len(self.words) and end >= at:
            return Found(self.name, end, end, ", " + wanted[0], self.reason)
        return None
