"""One export of a store: rows in a format, what went in, and what has to be said of it.

Puts the formats, the tally and the card's contents together. Where trajectories come from and where rows are written
is not known here.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from midcourse.publish.card import Contents, card
from midcourse.publish.datasets import import_rows, raw_prompt
from midcourse.publish.formats import CLOSES, Tally, Trainer, trainer_rows
from midcourse.publish.pairs import Form
from midcourse.publish.sides import steer_ids
from midcourse.tokens import TextTokenizer
from midcourse.types import Trajectory

__all__ = ["Export"]

NAMED = 5
"""Steers of one reason that are named."""


@dataclass
class Export:
    """What is asked for, and after `rows` has run, what came of it."""

    tokenizer: Callable[[Trajectory], TextTokenizer]
    trainer: Trainer | None = None
    """None writes rows as `midcourse import steers` reads them."""
    form: Form = "span"
    supervised: bool = False
    exact: bool = False
    contents: Contents = field(default_factory=Contents)
    tally: Tally = field(default_factory=Tally)
    end: str = ""
    """The end token as text, of the last trajectory."""

    def rows(self, trajectories: Iterable[Trajectory]) -> Iterator[dict[str, Any]]:
        """Rows of the trajectories that have steers, counted as they pass.

        Raises:
            TokenizerMismatch: A trajectory's ids are of another tokenizer.
        """
        for trajectory in trajectories:
            if not trajectory.steers:
                continue
            tokenizer = self.tokenizer(trajectory)
            self.end = tokenizer.decode(tokenizer.eos[:1])
            before = self.tally.rows
            yield from self._of(trajectory, tokenizer)
            if self.tally.rows > before:
                self.contents.add(trajectory)

    def _of(self, trajectory: Trajectory, tokenizer: TextTokenizer) -> Iterator[dict[str, Any]]:
        if self.trainer is not None:
            form, supervised, exact = self.form, self.supervised, self.exact
            yield from trainer_rows(
                trajectory, tokenizer, self.trainer, self.tally, form=form, supervised=supervised, exact=exact
            )
            return
        for row in import_rows(trajectory, tokenizer):
            self.tally.rows += 1
            yield row

    def rendered(self, trajectory: Trajectory) -> str:
        """A trajectory's prompt as the model saw it, as text."""
        tokenizer = self.tokenizer(trajectory)
        return raw_prompt(tokenizer.decode(steer_ids(trajectory, trajectory.steers[0], tokenizer).prompt), tokenizer)

    def notes(self) -> list[str]:
        """A sentence for each thing that was left out or differs from the store."""
        said = [f"{len(ids)} steers left out: {why} ({_named(ids)})" for why, ids in self.tally.left_out.items()]
        if n := self.tally.verdicts["moved"]:
            said.append(f"{n} rows: the split stands some words earlier, where no token runs across it")
        if n := self.tally.verdicts["other"]:
            ids = _named(self.tally.other)
            said.append(
                f"{n} rows: the same text, but other token ids than the model saw ({ids}); --exact leaves them out"
            )
        return said

    def warning(self) -> str | None:
        """What the trainer will do to sides that do not end, None where it leaves them open."""
        closes = self.trainer is not None and CLOSES.get(self.trainer, (False, False))[self.supervised]
        if not closes or not self.tally.open_ends:
            return None
        return (
            f"{self.trainer} puts the end token {self.end} behind every side. In {self.tally.open_ends} of "
            f"{self.tally.rows} rows a side does not end the answer: trained like that, the model also learns when to "
            "stop there. --to trl-ids with the trainer of docs/export.md leaves them open"
            + ("." if self.form == "full" else "; --form full closes only what was rejected and unfinished texts.")
        )

    def card(self, name: str, *, licence: str | None, consent: str | None) -> str:
        """The data set's card."""
        what = name if self.trainer is None else f"{name}, {self.form}, {'supervised' if self.supervised else 'pairs'}"
        notes = [*self.notes(), *([warning] if (warning := self.warning()) else [])]
        return card(self.contents, form=what, rows=self.tally.rows, notes=notes, licence=licence, consent=consent)


def _named(ids: list[str]) -> str:
    return ", ".join(i[:12] for i in ids[:NAMED]) + (" …" if len(ids) > NAMED else "")
