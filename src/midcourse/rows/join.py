"""Rows to trajectories: rows of one prompt whose kept texts agree become one text, and that one trajectory.

This module reads no file and makes no tokens: which rows run along one text is decided in characters, the rest by
`weave`.
"""

from collections.abc import Iterable
from dataclasses import replace

from midcourse.rows.row import SteerRow, digest
from midcourse.rows.strand import Strand, strands
from midcourse.rows.weave import Passage, Skipped, plain, weave
from midcourse.tokens import TextTokenizer
from midcourse.types import Message, Trajectory

__all__ = ["Skipped", "join"]


def join(
    rows: Iterable[SteerRow], tokenizer: TextTokenizer, *, source: str, chat: bool = False
) -> tuple[list[Trajectory], list[Skipped]]:
    """Make trajectories of rows.

    Args:
        rows: Any order. Rows of one prompt (and one `trajectory`, where given) whose kept texts agree become one
            trajectory with one trunk.
        tokenizer: Of the model that will be trained.
        source: Where the rows came from; with the rows it makes the ids, so that the same rows get the same ids.
        chat: Wrap a text prompt as the user's message.

    Returns:
        Trajectories in the order of their first rows, and the rows that cannot be learnt from.
    """
    together: dict[str, list[SteerRow]] = {}
    for row in rows:
        if chat and isinstance(row.prompt, str):
            row = replace(row, prompt=(Message("user", row.prompt),))
        together.setdefault(digest(row.trajectory, plain(row.prompt)), []).append(row)
    trajectories: list[Trajectory] = []
    skipped: list[Skipped] = []
    for same in together.values():
        split = next((r.split for r in same if r.split), None)
        for row in same:
            if row.split not in (None, split):
                skipped.append(Skipped(row.line, f"split {row.split} differs from {split}, its prompt's first row's"))
        for strand in strands(r for r in same if r.split in (None, split)):
            trajectory, why = weave(_passage(strand, split), tokenizer, source)
            skipped += why
            if trajectory is not None:
                trajectories.append(trajectory)
    return trajectories, skipped


def _passage(strand: Strand, split: str | None) -> Passage:
    first = strand.rows[0]
    return Passage(
        prompt=first.prompt,
        text=strand.text,
        rows=tuple(strand.rows),
        ended=strand.ended,
        teaches="pairs" if all(r.whole for r in strand.rows) else "steers",
        group=next((r.group for r in strand.rows if r.group), None),
        split=split,
    )
