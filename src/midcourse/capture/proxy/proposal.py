"""A recognised steer as plain JSON that waits in the inbox, and the trajectory that it becomes when it is accepted.

A proposal holds text only, and whatever ids the server told, so that it can be read by people and woven for whichever
model is trained. It knows no request and no answer.
"""

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from midcourse.capture.proxy.exact import Step, replay
from midcourse.errors import InputError
from midcourse.rows.row import Prompt, SteerRow, digest
from midcourse.rows.weave import Passage, plain, weave
from midcourse.store import Store, reviews
from midcourse.store.reviews import Inbox, Review
from midcourse.tokens import TextTokenizer
from midcourse.types import Message, ModelRef, Trajectory

__all__ = ["SOURCE", "Proposal", "accept", "together", "trajectory_of"]

SOURCE = "proxy"
_KEPT = ("prefix", "chosen", "rejected", "tail", "old_tail", "ended", "kind")


@dataclass(frozen=True, slots=True)
class Proposal:
    """What one request showed: a text and the steers in it."""

    name: str
    """The exchange in which the text began: steers of one text share it."""
    prompt: Prompt
    text: str
    """The answer as it finally stands."""
    rows: tuple[SteerRow, ...]
    person: tuple[tuple[int, int], ...] = ()
    """Characters of the text that the model did not write, beside what the rows put."""
    sampler: Mapping[str, Any] | None = None
    steps: tuple[Step, ...] = ()
    """The same by ids, from the beginning of the text on; empty where the server did not tell them."""

    @property
    def id(self) -> str:
        """Of what was corrected, not of what was written next: asked for twice, it is one steer."""
        return digest("review", self.name, *([plain(r.prompt), r.prefix, r.rejected, r.chosen] for r in self.rows))

    def to_dict(self) -> dict[str, Any]:
        """As the inbox keeps it."""
        return {
            "name": self.name,
            "prompt": plain(self.prompt),
            "text": self.text,
            "rows": [_row_dict(r) for r in self.rows],
            "person": [list(s) for s in self.person],
            "sampler": dict(self.sampler or {}),
            "steps": [s.to_dict() for s in self.steps],
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> "Proposal":
        """Back again.

        Raises:
            InputError: It is none.
        """
        try:
            prompt: Prompt = value["prompt"]
            if not isinstance(prompt, str):
                prompt = tuple(Message.from_dict(m) for m in value["prompt"])
            rows = tuple(_row(r, prompt, value["name"]) for r in value["rows"])
            person = tuple((a, b) for a, b in value["person"])
            steps = tuple(Step.from_dict(s) for s in value["steps"])
            return cls(value["name"], prompt, value["text"], rows, person, value["sampler"], steps)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"this proposal is damaged: {error!r}") from error


def trajectory_of(
    proposals: Sequence[Proposal],
    tokenizer: TextTokenizer,
    *,
    client: str | None = None,
    model: ModelRef | None = None,
    at: float | None = None,
) -> Trajectory:
    """One trajectory of the steers of one text.

    Args:
        proposals: In the order in which they were made; the last one's text is how it stands.
        tokenizer: Of the model that will be trained.
        client: Who made them.
        model: Whose tokenizer it is.
        at: When the last was made.

    Raises:
        InputError: None of them can be learnt from; the message says why.
    """
    last = proposals[-1]
    sampler = dict(last.sampler or {})
    if last.steps:
        with suppress(InputError):  # where the ids cannot be followed, the text still can
            facts: dict[str, Any] = {"name": last.name, "source": SOURCE, "model": model, "annotator": client}
            told = replay(last.steps, last.prompt, tokenizer, clock=lambda: at or time.time(), **facts)
            if told.steers:
                return told.with_(sampler=sampler, status="accepted")
    # An earlier steer stays where a later one left its words alone.
    rows = [r for p in proposals for r in p.rows if last.text.startswith(r.prefix + r.chosen)]
    rows = list({(r.prefix, r.chosen, r.kind): r for r in rows}.values())
    passage = Passage(
        prompt=last.prompt,
        text=last.text,
        rows=tuple(replace(r, author=client) for r in rows),
        written=tuple((a, b, "person") for a, b in last.person),
        name=last.name,
        ended=any(r.ended for r in rows),
    )
    made, skipped = weave(passage, tokenizer, SOURCE)
    if made is None or not made.steers:
        raise InputError(f"nothing can be learnt from it: {skipped[0].reason if skipped else 'it has no steers'}")
    steers = tuple(replace(s, created=at) for s in made.steers)
    return made.with_(steers=steers, model=model, sampler=sampler, annotator=client, created=at, status="accepted")


def accept(
    store: Store,
    review: Review | str,
    tokenizer: TextTokenizer,
    *,
    by: str | None = None,
    model: ModelRef | None = None,
) -> Review:
    """Make a steer of what lies in the inbox, together with those of the same text that were accepted before.

    Args:
        store: Open.
        review: Or its id, or how it begins.
        tokenizer: Of the model that will be trained.
        by: Who says so.
        model: Whose tokenizer it is; on record as what it is meant for.

    Raises:
        InputError: There is none, it is decided, or it cannot be learnt from with this tokenizer.
    """
    inbox = Inbox(store)
    seen = inbox.get(review) if isinstance(review, str) else review
    with store.snapshot() as connection:
        steers = together(connection, Proposal.from_dict(seen.proposal), seen.at)
    made = trajectory_of(steers, tokenizer, client=seen.client, model=model, at=seen.at)
    return inbox.accept(seen.id, made.with_(steers=tuple(replace(s, state="approved") for s in made.steers)), by)


def together(connection: sa.Connection, own: Proposal, at: float) -> list[Proposal]:
    """A proposal behind those of the same text that were made before it and accepted."""
    earlier = [r for r in reviews.accepted_of(connection, own.name) if r.at <= at]
    return [*(Proposal.from_dict(r.proposal) for r in earlier), own]


def _row_dict(row: SteerRow) -> dict[str, Any]:
    said = {name: getattr(row, name) for name in _KEPT}
    return {**said, "rejected": list(row.rejected)}


def _row(value: Mapping[str, Any], prompt: Prompt, name: str) -> SteerRow:
    said = {key: value[key] for key in _KEPT if key in value}
    return SteerRow(prompt=prompt, trajectory=name, **{**said, "rejected": tuple(said.get("rejected", ()))})
