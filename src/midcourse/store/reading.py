"""Rows to trajectories, and what a store holds in numbers.

Each function reads through the connection it is given, a bounded number of trajectories at a time. It writes nothing.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import sqlalchemy as sa

from midcourse.errors import InputError
from midcourse.store.schema import node, rejected, steer, steer_state, trajectory, trajectory_state, use
from midcourse.types import Message, ModelRef, Node, Place, Rejected, Steer, Trajectory

__all__ = ["chunks", "count", "depths", "latest", "load", "pages", "resolve_id", "select_ids"]

BATCH = 64
"""Trajectories read at once."""
PAGE = 10_000
"""Ids of trajectories held at once while all are read."""


def chunks(ids: Sequence[str], size: int = 500) -> Iterator[Sequence[str]]:
    """Parts small enough for one IN (…)."""
    for i in range(0, len(ids), size):
        yield ids[i : i + size]


def resolve_id(connection: sa.Connection, table: sa.Table, prefix: str) -> str:
    """The id that is, or alone begins with, `prefix`.

    Raises:
        InputError: None or several do.
    """
    column = table.c.id
    exact = connection.execute(sa.select(column).where(column == prefix)).scalar()
    if exact is not None:
        return str(exact)
    # LIKE ignores case in SQLite, hence the second look
    near = sa.select(column).where(column.startswith(prefix, autoescape=True)).order_by(table.c.seq)
    found = [i for i in connection.execute(near).scalars() if i.startswith(prefix)] if prefix else []
    if not found:
        lists = "proxy inbox list" if table.name == "review" else "steers list"
        raise InputError(f"the store has no {table.name} {prefix!r}: `midcourse {lists}` shows what there is")
    if len(found) > 1:
        raise InputError(f"{len(found)} {table.name} ids begin with {prefix!r}: give more of it, e.g. {found[0]}")
    return str(found[0])


def _newest(connection: sa.Connection) -> int:
    """Number of the trajectory that was stored last; 0 where there is none."""
    return int(connection.execute(sa.select(sa.func.max(trajectory.c.seq))).scalar() or 0)


def pages(
    ask: Callable[[Callable[[sa.Connection], Any]], Any], *, source: str | None = None, split: str | None = None
) -> Iterator[list[str]]:
    """Ids of trajectories in the order in which they were stored, PAGE at a time; none that comes meanwhile.

    Args:
        ask: Has something read through a connection; it need not be the same one each time.
        source: Only those of this source.
        split: Only those of this split.
    """
    seq, after, until = trajectory.c.seq, 0, ask(_newest)
    while True:
        query = _stored(source, split).where(seq > after, seq <= until).limit(PAGE)
        found = ask(partial(_rows, query=query))
        if not found:
            return
        after = found[-1].seq
        yield [row.id for row in found]


def _rows(connection: sa.Connection, query: sa.Select[tuple[int, str]]) -> Sequence[sa.Row[tuple[int, str]]]:
    return connection.execute(query).all()


def _stored(source: str | None, split: str | None) -> sa.Select[tuple[int, str]]:
    t = trajectory.c
    query = sa.select(t.seq, t.id).order_by(t.seq)
    if source is not None:
        query = query.where(t.source == source)
    return query if split is None else query.where(t.split == split)


def select_ids(
    connection: sa.Connection, *, source: str | None, split: str | None, ids: Sequence[str] | None
) -> list[str]:
    """Ids of trajectories in the order in which they were stored."""
    t, query = trajectory.c, _stored(source, split)
    if ids is None:
        return [row.id for row in connection.execute(query)]
    rows = [row for part in chunks(ids) for row in connection.execute(query.where(t.id.in_(part)))]
    return [row.id for row in sorted(set(rows))]


def depths(connection: sa.Connection, of: str) -> dict[str, tuple[int, int]]:
    """Where each node of a trajectory starts and ends, in tokens from the root, without reading the ids."""
    n, u = node.c, use.c
    size = sa.func.length(sa.type_coerce(n.token_ids, sa.LargeBinary))
    query = sa.select(n.id, n.parent, n.offset, size.label("bytes")).join_from(use, node, u.node == n.id)
    found: dict[str, tuple[int, int]] = {}
    for row in connection.execute(query.where(u.trajectory == of).order_by(u.seq)):
        start = row.offset + (found[row.parent][0] if row.parent is not None else 0)
        found[row.id] = (start, start + row.bytes // 4)
    return found


def latest(connection: sa.Connection, table: sa.Table, key: str, ids: Sequence[str]) -> dict[str, Any]:
    """The newest record of `table` for each id that has one."""
    found: dict[str, Any] = {}
    for part in chunks(ids):
        newest = sa.select(sa.func.max(table.c.seq)).where(table.c[key].in_(part)).group_by(table.c[key])
        for row in connection.execute(sa.select(table).where(table.c.seq.in_(newest))):
            found[row._mapping[key]] = row
    return found


def load(connection: sa.Connection, ids: Sequence[str]) -> list[Trajectory]:
    """Whole trajectories, in the order of `ids`; unknown ids are left out."""
    nodes = _nodes(connection, ids)
    steers = _steers(connection, ids)
    states = latest(connection, trajectory_state, "trajectory", ids)
    rows = {r.id: r for r in connection.execute(sa.select(trajectory).where(trajectory.c.id.in_(ids)))}
    return [_trajectory(rows[i], nodes[i], states[i], steers[i]) for i in ids if i in rows]


def _nodes(connection: sa.Connection, ids: Sequence[str]) -> dict[str, list[Node]]:
    query = (
        sa.select(
            use.c.trajectory, node.c.id, node.c.parent, node.c.offset, node.c.token_ids, use.c.author, use.c.logprobs
        )
        .join_from(use, node, use.c.node == node.c.id)
        .where(use.c.trajectory.in_(ids))
        .order_by(use.c.seq)
    )
    found: dict[str, list[Node]] = defaultdict(list)
    for row in connection.execute(query):
        found[row[0]].append(Node(*row[1:]))
    return found


def _steers(connection: sa.Connection, ids: Sequence[str]) -> dict[str, list[Steer]]:
    rows = list(connection.execute(sa.select(steer).where(steer.c.trajectory.in_(ids)).order_by(steer.c.seq)))
    sides: dict[str, list[Rejected]] = defaultdict(list)
    query = sa.select(rejected).where(rejected.c.trajectory.in_(ids)).order_by(rejected.c.seq)
    for r in connection.execute(query):
        sides[r.steer].append(Rejected(Place(r.end_node, r.end_depth), r.origin, r.shown))
    states = latest(connection, steer_state, "steer", [r.id for r in rows])
    found: dict[str, list[Steer]] = defaultdict(list)
    for r in rows:
        state = states[r.id].state if r.id in states else r.state
        found[r.trajectory].append(_steer(r, tuple(sides[r.id]), state))
    return found


def _steer(r: Any, sides: tuple[Rejected, ...], state: Any) -> Steer:
    return Steer(
        id=r.id,
        trajectory=r.trajectory,
        kind=r.kind,
        fork=Place(r.fork_node, r.fork_depth),
        rejected=sides,
        chosen=None if r.chosen_node is None else Place(r.chosen_node, r.chosen_depth),
        reason=r.reason,
        annotator=r.annotator,
        weight=r.weight,
        shown=r.shown,
        received=r.received,
        started=r.started,
        created=r.created,
        state=state,
    )


def _trajectory(r: Any, nodes: list[Node], state: Any, steers: list[Steer]) -> Trajectory:
    return Trajectory(
        id=r.id,
        nodes=tuple(nodes),
        head=Place(state.head_node, state.head_depth),
        tokenizer=r.tokenizer,
        steers=tuple(steers),
        messages=tuple(Message.from_dict(m) for m in r.messages),
        model=None if r.model_name is None else ModelRef(r.model_name, r.model_weights),
        template=r.template,
        sampler=r.sampler,
        annotator=r.annotator,
        source=r.source,
        source_text=r.source_text,
        group=r._mapping["group"],
        split=r.split,
        status=state.status,
        created=r.created,
        teaches=r.teaches,
    )


def count(connection: sa.Connection) -> dict[str, Any]:
    """What there is, in numbers; all that is said of steers counts only those that train (see `Steer.counts`).

    Returns:
        trajectories, nodes, tokens (each stored once), steers, rejected (continuations), with_rejected,
        without_rejected, and by kind, source, split, annotator the steers; by state all of them; tokenizers and
        models with their trajectories. Without a value the key is "-".
    """
    newest = sa.select(sa.func.max(steer_state.c.seq)).group_by(steer_state.c.steer)
    now = sa.select(steer_state.c.steer, steer_state.c.state).where(steer_state.c.seq.in_(newest)).subquery()
    sides = sa.select(rejected.c.steer, sa.func.count().label("n")).group_by(rejected.c.steer).subquery()
    state = sa.func.coalesce(now.c.state, steer.c.state)
    who = sa.func.coalesce(steer.c.annotator, trajectory.c.annotator, type_=steer.c.annotator.type)
    keys = {"kind": steer.c.kind, "source": trajectory.c.source, "split": trajectory.c.split, "annotator": who}
    number = sa.func.coalesce(sides.c.n, 0)
    joined = (
        steer.join(trajectory, steer.c.trajectory == trajectory.c.id)
        .outerjoin(now, now.c.steer == steer.c.id)
        .outerjoin(sides, sides.c.steer == steer.c.id)
    )
    counts = state.in_(["active", "approved"])

    def by(column: Any, *where: Any) -> dict[str, int]:
        query = sa.select(column, sa.func.count()).select_from(joined).where(*where).group_by(column)
        rows = connection.execute(query.order_by(sa.func.count().desc(), column))
        return {"-" if row[0] is None else str(row[0]): int(row[1]) for row in rows}

    def one(value: Any, table: Any, *where: Any) -> int:
        return int(connection.execute(sa.select(value).select_from(table).where(*where)).scalar() or 0)

    def of(column: Any) -> dict[str, int]:
        query = sa.select(column, sa.func.count()).group_by(column).order_by(column)
        return {"-" if row[0] is None else str(row[0]): int(row[1]) for row in connection.execute(query)}

    size = sa.func.length(sa.type_coerce(node.c.token_ids, sa.LargeBinary))
    steers, bare = one(sa.func.count(), joined, counts), one(sa.func.count(), joined, counts, number == 0)
    return {
        "trajectories": one(sa.func.count(), trajectory),
        "nodes": one(sa.func.count(), node),
        "tokens": one(sa.func.sum(size), node) // 4,
        "steers": steers,
        "rejected": one(sa.func.sum(number), joined, counts),
        "with_rejected": steers - bare,
        "without_rejected": bare,
        **{name: by(column, counts) for name, column in keys.items()},
        "state": by(state),
        "tokenizers": of(trajectory.c.tokenizer),
        "models": of(trajectory.c.model_name),
    }
