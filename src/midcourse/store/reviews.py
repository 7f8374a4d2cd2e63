"""The inbox: steers that were recognised, not made here, and wait until somebody says that they are steers.

A review holds what it would become as plain JSON. Its decision is a record of its own; the newest counts. It knows no
tokenizer: whoever accepts brings the trajectory that the proposal became.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import sqlalchemy as sa

from midcourse.errors import InputError
from midcourse.store import dialects, writing
from midcourse.store.db import Store
from midcourse.store.exchanges import strings
from midcourse.store.purge import person
from midcourse.store.reading import chunks, latest, resolve_id
from midcourse.store.schema import review, review_state
from midcourse.types import Trajectory

__all__ = ["Inbox", "Review", "ReviewState", "accepted_of", "decide", "delete", "find", "put", "undecided"]

ReviewState = Literal["open", "accepted", "rejected"]


@dataclass(frozen=True, slots=True)
class Review:
    """One recognised steer."""

    id: str
    """Of its content: the same steer seen twice is one review."""
    client: str
    """Who asked, as `KeptExchange.client`."""
    model: str | None
    """As the client named it."""
    at: float
    """Unix time at which it was seen."""
    kind: str
    """`cut`, `changed`, `extended` or `history_edit`."""
    certain: bool
    why: str
    """What speaks for and against it, for people."""
    proposal: Mapping[str, Any]
    """What it would become: `prompt` (text or messages), `text` (the answer as it finally stands) and `rows`, each with
    `prefix`, `rejected` (texts), `chosen`, `tail`, `kind`; see `midcourse.capture.proxy.proposal`."""
    state: ReviewState = "open"
    by: str | None = None
    decided: float | None = None
    trajectory: str | None = field(default=None)
    """Id of what it became."""


def put(connection: sa.Connection, seen: Review) -> bool:
    """Keep a review, once; whether it is new."""
    if connection.execute(sa.select(review.c.seq).where(review.c.id == seen.id)).first() is not None:
        return False
    row = {"id": seen.id, "client": seen.client, "model": seen.model, "at": seen.at, "kind": seen.kind}
    connection.execute(
        review.insert(), [{**row, "certain": seen.certain, "why": seen.why, "value": dict(seen.proposal)}]
    )
    return True


def decide(connection: sa.Connection, id: str, state: ReviewState, by: str | None, became: str | None) -> None:
    """Record a decision, and the trajectory it led to."""
    row = {"review": id, "state": state, "by": by, "at": time.time(), "trajectory": became}
    connection.execute(review_state.insert(), [row])


def undecided(connection: sa.Connection, until: float) -> list[str]:
    """Ids of open reviews that came before a time."""
    query = sa.select(review.c.id).where(~_decided(), review.c.at < until)
    return list(connection.execute(query.order_by(review.c.seq)).scalars())


def accepted_of(connection: sa.Connection, name: str) -> list[Review]:
    """Accepted reviews of one text, by the `name` in their proposals, in the order in which they came."""
    said = sa.type_coerce(review.c.value, sa.Text).contains(f'"name": {json.dumps(name)}', autoescape=True)
    found = _read(connection, sa.select(review).where(said, _decided()).order_by(review.c.seq))
    return [r for r in found if r.state == "accepted" and r.proposal.get("name") == name]


class Inbox:
    """The reviews of one store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def list(self, state: ReviewState | None = "open", limit: int | None = None) -> list[Review]:
        """Reviews in the order in which they came; None: whatever their state."""
        query = sa.select(review).order_by(review.c.seq)
        if state is not None:
            query = query.where(~_decided() if state == "open" else _decided())
        found = self._store.read(lambda connection: _read(connection, query))
        return [r for r in found if state is None or r.state == state][:limit]

    def count(self) -> int:
        """How many are open."""
        query = sa.select(sa.func.count()).select_from(review).where(~_decided())
        with self._store.snapshot() as connection:
            return int(connection.execute(query).scalar_one())

    def get(self, id: str) -> Review:
        """One by its id or a beginning that no other has.

        Raises:
            InputError: There is none, or there are several.
        """
        with self._store.snapshot() as connection:
            full = resolve_id(connection, review, id)
            row = connection.execute(sa.select(review).where(review.c.id == full)).one()
            return _review(row, latest(connection, review_state, "review", [full]).get(full))

    def accept(self, id: str, trajectory: Trajectory, by: str | None = None) -> Review:
        """Store what the proposal became, and the decision with it: both or neither.

        Raises:
            InputError: There is no such review, it is decided already, or the trajectory contradicts itself.
        """
        return self._decide(id, "accepted", by, trajectory)

    def reject(self, id: str, by: str | None = None) -> Review:
        """It was no steer; it stays on record, trains nothing and does not come back.

        Raises:
            InputError: There is no such review, or it is decided already.
        """
        return self._decide(id, "rejected", by, None)

    def _decide(self, id: str, state: ReviewState, by: str | None, became: Trajectory | None) -> Review:
        seen = self.get(id)

        def work(connection: sa.Connection) -> None:
            dialects.take_turns(connection, [seen.id])
            known = latest(connection, review_state, "review", [seen.id]).get(seen.id)
            if known is not None:
                raise InputError(f"review {seen.id[:12]} is {known.state} already")
            if became is not None:
                writing.add_batch(connection, [became])
            decide(connection, seen.id, state, by, became.id if became else None)

        self._store.write(work)
        return self.get(seen.id)


def find(
    connection: sa.Connection,
    *,
    client: str | None = None,
    since: float | None = None,
    until: float | None = None,
    text: str | None = None,
    trajectories: Sequence[str] = (),
) -> list[str]:
    """Ids of reviews for which all conditions hold, and of those that became one of `trajectories`."""
    query = sa.select(review).order_by(review.c.seq)
    if client is not None:
        query = query.where(person(review.c.client, client))
    if since is not None:
        query = query.where(review.c.at >= since)
    if until is not None:
        query = query.where(review.c.at < until)
    given = any(c is not None for c in (client, since, until, text))
    rows = connection.execute(query) if given else ()
    found = {r.id for r in rows if text is None or any(text in s for s in strings(r.value))}
    for part in chunks(list(trajectories)):
        became = sa.select(review_state.c.review).where(review_state.c.trajectory.in_(part))
        found.update(connection.execute(became).scalars())
    return sorted(found)


def delete(connection: sa.Connection, ids: Sequence[str]) -> int:
    """Delete reviews with their decisions; returns how many."""
    gone = 0
    for part in chunks(list(ids)):
        connection.execute(review_state.delete().where(review_state.c.review.in_(part)))
        gone += connection.execute(review.delete().where(review.c.id.in_(part))).rowcount
    return gone


def _decided() -> sa.ColumnElement[bool]:
    return sa.exists().where(review_state.c.review == review.c.id)


def _read(connection: sa.Connection, query: sa.Select[Any]) -> list[Review]:
    rows = list(connection.execute(query))
    states = latest(connection, review_state, "review", [r.id for r in rows])
    return [_review(r, states.get(r.id)) for r in rows]


def _review(row: Any, state: Any) -> Review:
    fixed = (row.id, row.client, row.model, row.at, row.kind, row.certain, row.why, row.value)
    return Review(*fixed) if state is None else Review(*fixed, state.state, state.by, state.at, state.trajectory)
