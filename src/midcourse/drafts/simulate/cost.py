"""What a person would have paid for the same steers: seconds by a keystroke model, and words typed.

The keystroke-level model of Card, Moran and Newell (1980, CACM 23(7)) adds up the operators of a task: K a key, M a
moment of thought. K is taken for an average typist who is no secretary, M as they give it. Reading runs at the mean
rate for English prose of Brysbaert's meta-analysis (2019, J. Mem. Lang. 109). The key sequences are those of the
studio. It counts actions that others report to it, and knows no drafts and no models.
"""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields

__all__ = ["Keystrokes", "Paid", "words_in"]


def words_in(text: str) -> int:
    """Runs of characters without space."""
    return len(re.findall(r"\S+", text))


@dataclass(frozen=True, slots=True)
class Keystrokes:
    """Seconds of each operator."""

    key: float = 0.28
    """K: average non-secretary typist, 40 words a minute."""
    thought: float = 1.35
    """M: making up one's mind."""
    words_a_minute: float = 238.0
    """Silent reading of English non-fiction."""

    def rewrite(self, original: str, final: str) -> float:
        """Seconds to read a whole answer, decide, and write the whole answer as it should be, key by key."""
        return self._read(words_in(original)) + self.thought + self.key * (len(final) + 2)

    def _read(self, words: int) -> float:
        return 60.0 * words / self.words_a_minute

    def seconds(self, paid: "Paid") -> float:
        """Seconds of everything that was done."""
        return self.key * paid.keys + self.thought * paid.decisions + self._read(paid.words_read)


@dataclass(slots=True)
class Paid:
    """What one person did for one or more texts; adds up."""

    stops: int = 0
    """Times the model was stopped."""
    decisions: int = 0
    """Moments of thought: one a correction, one to accept a text."""
    keys: int = 0
    """Keys pressed in all: to stop, to move, to type, to commit."""
    words_typed: int = 0
    picks: int = 0
    """Corrections chosen with one key among the model's alternatives."""
    words_read: int = 0
    tokens_read: int = 0
    by_kind: dict[str, int] = field(default_factory=dict)
    """Steers made, by kind."""

    def read(self, before: str, after: str, tokens: int) -> None:
        """A text grew from `before` to `after` before the person's eyes."""
        self.words_read += max(0, words_in(after) - words_in(before))
        self.tokens_read += tokens

    def steer(self, kind: str, *, back: int, typed: str = "", pick: bool = False) -> None:
        """One correction: stop, go back `back` words, put something, commit.

        Keys as in the studio: one to stop; one a word to go back, or from the end one a sentence where that is less
        (taken as at most 12); the text itself, or one digit for a pick, or one key to turn down or to end; one to
        commit, two where the tail is kept or the answer ended.
        """
        self.stops += 1
        self.decisions += 1
        commit = 2 if kind in ("local", "ended") else 1
        put = 1 if pick or kind in ("resampled", "ended") else len(typed)
        self.keys += 1 + min(back, 12) + put + (0 if pick or kind == "resampled" else commit)
        self.words_typed += 0 if pick else words_in(typed)
        self.picks += pick
        self.by_kind[kind] = self.by_kind.get(kind, 0) + 1

    def accept(self) -> None:
        """The text is good: one decision, one key."""
        self.decisions += 1
        self.keys += 1

    def __add__(self, other: "Paid") -> "Paid":
        """Both together."""
        total = Paid()
        for f in fields(self):
            if f.name != "by_kind":
                setattr(total, f.name, getattr(self, f.name) + getattr(other, f.name))
        for kinds in (self.by_kind, other.by_kind):
            for kind, n in kinds.items():
                total.by_kind[kind] = total.by_kind.get(kind, 0) + n
        return total

    def to_dict(self, keystrokes: Keystrokes | None = None) -> dict[str, object]:
        """For records: the counts with the seconds they come to."""
        return {**asdict(self), "seconds": round((keystrokes or Keystrokes()).seconds(self), 2)}

    @classmethod
    def total(cls, several: Sequence["Paid"]) -> "Paid":
        """The sum of many."""
        return sum(several, cls())
