"""Which rows belong to one text: a strand is a trunk of kept text and the rows whose prefixes run along it.

Rows of one prompt come in any order. A row joins a strand when what it keeps agrees with what the strand keeps; where
two rows put different things in one place, each gets a strand of its own. Pure text: it knows no tokens.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from midcourse.rows.row import SteerRow

__all__ = ["Strand", "strands"]


@dataclass
class Strand:
    """One kept text while rows are being added to it."""

    text: str = ""
    """The whole answer as it finally stands."""
    fixed: int = 0
    """Characters that rows have put or stand behind; what lies after them may still be replaced by a later row."""
    ended: bool = False
    rows: list[SteerRow] = field(default_factory=list)
    """One for each fork and chosen text, rejected texts of equal rows merged."""

    def take(self, row: SteerRow) -> bool:
        """Add the row if it agrees with the text so far; whether it was added."""
        whole = row.prefix + row.chosen + row.tail
        if self.rows and not self._agrees(row, whole):
            return self._replaces(row, whole)
        twin = next((i for i, r in enumerate(self.rows) if _same_fork(r, row)), None)
        if twin is None:
            self.rows.append(row)
        else:
            self.rows[twin] = _merged(self.rows[twin], row)
        self.ended = self.ended or row.ended
        self.fixed = max(self.fixed, row.end)
        if not self.text.startswith(whole):
            self.text = whole
        return True

    def _agrees(self, row: SteerRow, whole: str) -> bool:
        if any(_overlap(r, row) and not _same_fork(r, row) for r in self.rows):
            return False
        if self.text.startswith(whole):
            return not row.ended or len(whole) == len(self.text)
        if self.ended:
            return False
        if any(_same_fork(r, row) for r in self.rows):
            return whole.startswith(self.text)
        along = self.text.startswith(row.prefix) or row.prefix.startswith(self.text)
        return along and row.start >= self.fixed

    def _replaces(self, row: SteerRow, whole: str) -> bool:
        """Whether the row corrects what the last row put, in a text that the file names: then that one ends there.

        What is turned down so is a person's text, not the model's, and is no rejected side.
        """
        last = self.rows[-1]
        stood = self.text[row.start :]
        own = [r for r in row.rejected if r and (stood.startswith(r) or r.startswith(stood))]
        alone = all(r is last or not _overlap(r, row) for r in self.rows) and last.end == self.fixed
        inside = last.start <= row.start < last.end and self.text.startswith(row.prefix)
        if not (row.trajectory and own and alone and inside and not self.ended and row.kind != "local"):
            return False
        row = replace(row, rejected=tuple(r for r in row.rejected if r not in own))
        if row.start > last.start:
            self.rows[-1] = replace(last, chosen=last.chosen[: row.start - last.start], tail="", old_tail=None)
            self.rows.append(row)
        else:
            self.rows[-1] = replace(
                last, chosen=row.chosen, ended=row.ended, rejected=last.rejected + row.rejected, tail=row.tail
            )
        self.text, self.fixed, self.ended = whole, row.end, row.ended
        return True


def strands(rows: Iterable[SteerRow]) -> list[Strand]:
    """Spread rows of one prompt over as few texts as they agree on, in the order in which they come."""
    found: list[Strand] = []
    for row in rows:
        if not any(s.take(row) for s in found):
            found.append(Strand())
            found[-1].take(row)
    return found


def _same_fork(a: SteerRow, b: SteerRow) -> bool:
    return (
        len(a.prefix) == len(b.prefix)
        and a.chosen == b.chosen
        and (a.ended, a.whole, a.kind, a.origin) == (b.ended, b.whole, b.kind, b.origin)
        and a.prefix == b.prefix
    )


def _overlap(a: SteerRow, b: SteerRow) -> bool:
    return a.start == b.start or (a.start < b.end and b.start < a.end)


def _merged(first: SteerRow, more: SteerRow) -> SteerRow:
    return replace(
        first,
        rejected=tuple(dict.fromkeys(first.rejected + more.rejected)),
        reason=first.reason or more.reason,
        author=first.author or more.author,
    )
