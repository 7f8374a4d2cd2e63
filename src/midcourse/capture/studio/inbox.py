"""What was recognised in other programs' traffic and waits for somebody: as the page lists it, and what they say to it.

A steer of the inbox is accepted as it was put, with better words, or not at all. It knows no route and no traffic.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from midcourse.capture.proxy.proposal import Proposal, accept
from midcourse.capture.studio.reading import prompt_line
from midcourse.capture.studio.rest import InboxLine, Passage
from midcourse.errors import InputError
from midcourse.rows.row import SteerRow
from midcourse.store import reviews
from midcourse.store.db import Store
from midcourse.store.reviews import Inbox, Review
from midcourse.tokens import TextTokenizer
from midcourse.types import ModelRef

__all__ = ["edited", "keep", "lines"]

_CONTEXT = 400
"""Characters shown on either side of a correction."""


def lines(store: Store, most: int = 200) -> list[InboxLine]:
    """What waits, in the order in which it came."""
    return [_line(r) for r in Inbox(store).list(limit=most)]


def keep(
    store: Store,
    id: str,
    tokenizer: TextTokenizer,
    *,
    chosen: Sequence[str] | None = None,
    by: str | None = None,
    model: ModelRef | None = None,
) -> None:
    """Make steers of what waits under `id`, with other words where `chosen` gives them.

    Other words are a review of their own, and the one as it was is rejected: or else the next steer of the same text
    would bring its words back.

    Raises:
        InputError: There is none, it is decided, or nothing can be learnt from it.
    """
    seen = Inbox(store).get(id)
    was = Proposal.from_dict(seen.proposal)
    now = was if chosen is None else edited(was, chosen)
    if now is was or seen.state != "open":
        accept(store, seen, tokenizer, by=by, model=model)
        return
    better = replace(seen, id=now.id, proposal=now.to_dict())
    with store.transaction() as connection:
        new = reviews.put(connection, better)
    try:
        accept(store, better, tokenizer, by=by, model=model)
    except InputError:
        with store.transaction() as connection:
            reviews.delete(connection, [better.id] if new else [])
        raise
    Inbox(store).reject(seen.id, by)


def edited(proposal: Proposal, chosen: Sequence[str]) -> Proposal:
    """The same with other words put, one text for each row; what follows them stays.

    Raises:
        InputError: There are more or fewer texts than rows, or later words stand where one was put.
    """
    if len(chosen) != len(proposal.rows):
        raise InputError(f"{len(chosen)} texts were given for {len(proposal.rows)} corrections")
    for n, put in enumerate(chosen):
        if put != proposal.rows[n].chosen:
            proposal = _put(proposal, n, put)
    return proposal


def _put(proposal: Proposal, n: int, put: str) -> Proposal:
    row, text = proposal.rows[n], proposal.text
    before = row.prefix + row.chosen
    if not text.startswith(before):
        raise InputError("later words stand where this was put: edit those")
    end, more = len(before), len(put) - len(row.chosen)

    def moved(at: int) -> int:
        return at + more if at >= end else at

    def other(r: SteerRow) -> SteerRow:
        if r is row:
            return replace(row, chosen=put)
        if r.prefix.startswith(before):
            return replace(r, prefix=row.prefix + put + r.prefix[end:])
        if r.end <= row.start and r.end + len(r.tail) >= end:  # it lies in the tail that an earlier one kept
            return replace(r, tail=r.tail[: row.start - r.end] + put + r.tail[end - r.end :])
        return r

    return replace(
        proposal,
        rows=tuple(map(other, proposal.rows)),
        text=row.prefix + put + text[end:],
        person=tuple((moved(a), moved(b)) for a, b in proposal.person),
        steps=(),  # the ids that a server told are of the words as they were
    )


def _line(review: Review) -> InboxLine:
    try:
        proposal = Proposal.from_dict(review.proposal)
    except InputError as error:
        return InboxLine(**_facts(review), prompt=str(error), passages=())
    said = proposal.prompt if isinstance(proposal.prompt, str) else proposal.prompt[-1].content
    shown = tuple(_passage(r, proposal.text) for r in proposal.rows)
    return InboxLine(**_facts(review), prompt=prompt_line(said), passages=shown)


def _facts(review: Review) -> dict[str, Any]:
    names = ("id", "client", "model", "at", "kind", "certain", "why")
    return {name: getattr(review, name) for name in names}


def _passage(row: SteerRow, text: str) -> Passage:
    after = text[row.end :] if text.startswith(row.prefix + row.chosen) else row.tail
    return Passage(
        before=row.prefix[-_CONTEXT:],
        rejected=tuple(r[:_CONTEXT] for r in row.rejected),
        chosen=row.chosen,
        after=after[:_CONTEXT],
        ended=row.ended,
    )
