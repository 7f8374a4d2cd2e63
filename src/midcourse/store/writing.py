"""Trajectories, nodes and steers to rows: checked, then added; nothing is ever changed in place.

Each function works inside the transaction of the connection it is given. It knows no file and no commit.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from midcourse.errors import InputError, TokenizerMismatch
from midcourse.store import dialects, schema
from midcourse.store.purge import buried
from midcourse.store.reading import chunks, depths, latest
from midcourse.types import KINDS, TEACHES, Node, Place, Rejected, State, Status, Steer, Trajectory, node_id

__all__ = ["add_batch", "add_nodes", "add_rejected", "add_steer", "put_head", "put_state"]


@dataclass(slots=True)
class _Rows:
    """What is to be inserted, table by table, in an order that satisfies the foreign keys."""

    trajectory: list[dict[str, Any]] = field(default_factory=list)
    node: dict[str, dict[str, Any]] = field(default_factory=dict)
    use: list[dict[str, Any]] = field(default_factory=list)
    state: list[dict[str, Any]] = field(default_factory=list)
    steer: list[dict[str, Any]] = field(default_factory=list)
    rejected: list[dict[str, Any]] = field(default_factory=list)

    def add_nodes(self, trajectory: str, tokenizer: str, nodes: Iterable[Node]) -> None:
        for n in nodes:
            self.node.setdefault(n.id, _node_row(n, tokenizer))
            self.use.append({"trajectory": trajectory, "node": n.id, "author": n.author, "logprobs": n.logprobs})

    def add_steer(self, s: Steer) -> None:
        self.steer.append(_steer_row(s))
        self.rejected.extend(_rejected_row(s.id, s.trajectory, r) for r in s.rejected)

    def insert(self, connection: sa.Connection) -> None:
        if self.trajectory:
            connection.execute(schema.trajectory.insert(), self.trajectory)
        if self.node:
            connection.execute(dialects.insert_new(connection, schema.node), list(self.node.values()))
        if self.use:
            connection.execute(dialects.insert_new(connection, schema.use), self.use)
        for table, rows in (
            (schema.trajectory_state, self.state),
            (schema.steer, self.steer),
            (schema.rejected, self.rejected),
        ):
            if rows:
                connection.execute(table.insert(), rows)


def add_batch(connection: sa.Connection, batch: Sequence[Trajectory]) -> int:
    """Add whole trajectories; what is there already is passed over.

    A steer keeps the trajectory it was first stored with: an import whose rows were joined in another way does not
    store it twice, and a new trajectory all of whose steers are known is not stored at all. A known steer that comes
    back in its trajectory, with its fork and something else turned down there, gains that side. What was purged
    stays away.

    Returns:
        How many of them brought something new.

    Raises:
        InputError: One of them contradicts itself; nothing of the batch is kept.
        TokenizerMismatch: A known trajectory comes back under another tokenizer.
    """
    for t in batch:
        _check(t)
    dialects.take_turns(connection, [t.id for t in batch])
    known = _tokenizers(connection, {t.id for t in batch})
    given = {s.id for t in batch for s in t.steers}
    forks = _forks(connection, given)
    steers = set(forks) | buried(connection, "steer", given)
    ends = _ends(connection, forks)
    gone = buried(connection, "trajectory", {t.id for t in batch})
    used = {t: set(depths(connection, t)) for t in known}
    heads = latest(connection, schema.trajectory_state, "trajectory", list(known))
    rows, added = _Rows(), 0
    for t in batch:
        new_steers = [s for s in t.steers if s.id not in steers]
        if t.id in gone:
            continue
        if t.id in known:
            _same_tokenizer(t.id, known[t.id], t.tokenizer)
            new_nodes = [n for n in t.nodes if n.id not in used[t.id]]
            more = [
                _rejected_row(s.id, t.id, r)
                for s in t.steers
                if forks.get(s.id) == (t.id, s.fork.node, s.fork.depth)
                for r in s.rejected
                if (s.id, r.end.node, r.end.depth) not in ends
            ]
            if not new_steers and not new_nodes and not more:
                continue
            rows.rejected += more
            ends.update((r["steer"], r["end_node"], r["end_depth"]) for r in more)
        else:
            if t.steers and not new_steers:
                continue
            new_nodes = list(t.nodes)
            rows.trajectory.append(_trajectory_row(t))
            known[t.id], used[t.id] = t.tokenizer, set()
        rows.add_nodes(t.id, t.tokenizer, new_nodes)
        used[t.id].update(n.id for n in new_nodes)
        state = _state_row(t.id, t.head, t.status)
        if not _same_state(heads.get(t.id), state):
            rows.state.append(state)
            heads[t.id] = state
        for s in new_steers:
            rows.add_steer(s)
            steers.add(s.id)
            forks[s.id] = (t.id, s.fork.node, s.fork.depth)
            ends.update((s.id, r.end.node, r.end.depth) for r in s.rejected)
        added += 1
    rows.insert(connection)
    return added


def add_nodes(connection: sa.Connection, trajectory: str, nodes: Sequence[Node]) -> dict[str, tuple[int, int]]:
    """Add nodes to a known trajectory; a node it uses already is passed over, its first author stays.

    Returns:
        For every node now in use the depths (start, end) of its ids.
    """
    dialects.take_turns(connection, [trajectory])
    tokenizer = _tokenizers(connection, {trajectory}).get(trajectory)
    if tokenizer is None:
        raise InputError(f"the store has no trajectory {trajectory}: add it before its nodes")
    there = depths(connection, trajectory)
    rows = _Rows()
    new = [n for n in nodes if n.id not in there]
    _check_nodes(trajectory, tokenizer, new, there)
    rows.add_nodes(trajectory, tokenizer, new)
    rows.insert(connection)
    return there


def add_steer(connection: sa.Connection, steer: Steer, nodes: Sequence[Node]) -> None:
    """Add one steer and the nodes it needs."""
    there = add_nodes(connection, steer.trajectory, nodes)
    _check_steer(steer, steer.trajectory, there)
    if _forks(connection, {steer.id}):
        raise InputError(f"the store has a steer {steer.id} already: give a new one its own id")
    rows = _Rows()
    rows.add_steer(steer)
    rows.insert(connection)


def add_rejected(connection: sa.Connection, steer: str, rejected: Sequence[Rejected], nodes: Sequence[Node]) -> None:
    """Add rejected continuations to a known steer; an end that is there already is passed over."""
    query = sa.select(schema.steer.c.trajectory, schema.steer.c.fork_depth).where(schema.steer.c.id == steer)
    row = connection.execute(query).first()
    if row is None:
        raise InputError(f"the store has no steer {steer}")
    there = add_nodes(connection, row.trajectory, nodes)
    ends = _ends(connection, {steer})
    rows = _Rows()
    for r in rejected:
        _check_place(r.end, f"rejected side of steer {steer}", there, row.fork_depth)
        if (steer, r.end.node, r.end.depth) not in ends:
            ends.add((steer, r.end.node, r.end.depth))
            rows.rejected.append(_rejected_row(steer, row.trajectory, r))
    rows.insert(connection)


def put_head(connection: sa.Connection, trajectory: str, head: Place, status: Status) -> None:
    """Record where the trunk ends now."""
    _check_place(head, f"head of trajectory {trajectory}", add_nodes(connection, trajectory, ()))
    connection.execute(schema.trajectory_state.insert(), [_state_row(trajectory, head, status)])


def put_state(connection: sa.Connection, steer: str, state: State, by: str | None) -> str:
    """Record an undo, a withdrawal or a review; returns the steer's trajectory."""
    query = sa.select(schema.steer.c.trajectory).where(schema.steer.c.id == steer)
    trajectory = connection.execute(query).scalar()
    if trajectory is None:
        raise InputError(f"the store has no steer {steer}")
    row = {"steer": steer, "state": state, "by": by, "at": time.time()}
    connection.execute(schema.steer_state.insert(), [row])
    return str(trajectory)


# -- what must hold before anything is written ---------------------------------------------------------------------


def _check(t: Trajectory) -> None:
    there: dict[str, tuple[int, int]] = {}
    if not t.id or not t.nodes:
        raise InputError(f"trajectory {t.id!r} has no nodes: a trajectory begins with its prompt's ids")
    if t.teaches not in TEACHES:
        raise InputError(f"trajectory {t.id} teaches {t.teaches!r}; expected one of {', '.join(TEACHES)}")
    _check_nodes(t.id, t.tokenizer, t.nodes, there)
    _check_place(t.head, f"head of trajectory {t.id}", there)
    seen: set[str] = set()
    for s in t.steers:
        _check_steer(s, t.id, there)
        if s.id in seen:
            raise InputError(f"trajectory {t.id} has two steers with the id {s.id}")
        seen.add(s.id)


def _check_nodes(trajectory: str, tokenizer: str, nodes: Iterable[Node], there: dict[str, tuple[int, int]]) -> None:
    """Check nodes against what is there, and enter them."""
    for n in nodes:
        name = f"node {n.id} of trajectory {trajectory}"
        if n.id in there:
            raise InputError(f"{name} comes twice")
        start, end = (0, 0) if n.parent is None else there.get(n.parent, (0, -1))
        if not 0 <= n.offset <= end - start:
            raise InputError(
                f"{name} hangs below token {n.offset} of {n.parent}, which is no earlier node with so many"
            )
        if n.logprobs is not None and len(n.logprobs) != len(n.token_ids):
            raise InputError(f"{name} has {len(n.token_ids)} ids but {len(n.logprobs)} logprobs")
        try:
            right = node_id(n.parent, n.offset, n.token_ids, tokenizer)
        except OverflowError as error:
            raise InputError(f"{name} holds a token id outside 0 to 2^32 - 1") from error
        if n.id != right:
            raise TokenizerMismatch(
                f"{name} does not carry the hash of its ids under tokenizer {tokenizer}: make nodes with Node.below "
                "and the trajectory's own tokenizer"
            )
        there[n.id] = (start + n.offset, start + n.offset + len(n.token_ids))


def _check_steer(s: Steer, trajectory: str, there: dict[str, tuple[int, int]]) -> None:
    if s.trajectory != trajectory or not s.id:
        raise InputError(f"steer {s.id!r} names trajectory {s.trajectory}, but stands in {trajectory}")
    if s.kind not in KINDS:
        raise InputError(f"steer {s.id} has the unknown kind {s.kind!r}; the kinds are {', '.join(KINDS)}")
    _check_place(s.fork, f"fork of steer {s.id}", there)
    if s.chosen is not None:
        _check_place(s.chosen, f"chosen side of steer {s.id}", there, s.fork.depth)
    for r in s.rejected:
        _check_place(r.end, f"rejected side of steer {s.id}", there, s.fork.depth)


def _check_place(place: Place, name: str, there: dict[str, tuple[int, int]], least: int = 0) -> None:
    if place.node not in there:
        raise InputError(f"{name}: its trajectory has no node {place.node}")
    if not least <= place.depth <= there[place.node][1]:
        end = there[place.node][1]
        raise InputError(f"{name}: depth {place.depth} is not between {least} and {end}, the end of its node")


def _same_tokenizer(trajectory: str, stored: str, given: str) -> None:
    if stored != given:
        raise TokenizerMismatch(
            f"trajectory {trajectory} is stored under tokenizer {stored}, and comes back under {given}: "
            "import with the model it was first imported with, or into another store"
        )


# -- what is there -------------------------------------------------------------------------------------------------


def _tokenizers(connection: sa.Connection, ids: set[str]) -> dict[str, str]:
    t = schema.trajectory.c
    found: dict[str, str] = {}
    for part in chunks(sorted(ids)):
        found.update(
            {r.id: r.tokenizer for r in connection.execute(sa.select(t.id, t.tokenizer).where(t.id.in_(part)))}
        )
    return found


def _forks(connection: sa.Connection, ids: Iterable[str]) -> dict[str, tuple[str, str, int]]:
    """For every known steer its trajectory and its fork."""
    c = schema.steer.c
    found: dict[str, tuple[str, str, int]] = {}
    for part in chunks(sorted(ids)):
        query = sa.select(c.id, c.trajectory, c.fork_node, c.fork_depth).where(c.id.in_(part))
        found.update({r.id: (r.trajectory, r.fork_node, r.fork_depth) for r in connection.execute(query)})
    return found


def _ends(connection: sa.Connection, steers: Iterable[str]) -> set[tuple[str, str, int]]:
    """Where the rejected sides of steers end: (steer, node, depth)."""
    c = schema.rejected.c
    return {
        (r.steer, r.end_node, r.end_depth)
        for part in chunks(sorted(steers))
        for r in connection.execute(sa.select(c.steer, c.end_node, c.end_depth).where(c.steer.in_(part)))
    }


def _same_state(row: Any, state: dict[str, Any]) -> bool:
    """Whether a stored record (a row, or one about to be written) says what `state` says."""
    if row is None:
        return False
    stored = row if isinstance(row, dict) else row._mapping
    return all(stored[k] == state[k] for k in ("head_node", "head_depth", "status"))


# -- values to rows ------------------------------------------------------------------------------------------------


def _node_row(n: Node, tokenizer: str) -> dict[str, Any]:
    return {"id": n.id, "parent": n.parent, "offset": n.offset, "token_ids": n.token_ids, "tokenizer": tokenizer}


def _trajectory_row(t: Trajectory) -> dict[str, Any]:
    return {
        "id": t.id,
        "messages": [m.to_dict() for m in t.messages],
        "model_name": t.model.name if t.model else None,
        "model_weights": t.model.weights if t.model else None,
        "tokenizer": t.tokenizer,
        "template": t.template,
        "sampler": dict(t.sampler),
        "annotator": t.annotator,
        "source": t.source,
        "source_text": None if t.source_text is None else dict(t.source_text),
        "group": t.group,
        "split": t.split,
        "created": t.created,
        "teaches": t.teaches,
    }


def _state_row(trajectory: str, head: Place, status: Status) -> dict[str, Any]:
    return {
        "trajectory": trajectory,
        "head_node": head.node,
        "head_depth": head.depth,
        "status": status,
        "at": time.time(),
    }


def _steer_row(s: Steer) -> dict[str, Any]:
    return {
        "id": s.id,
        "trajectory": s.trajectory,
        "kind": s.kind,
        "fork_node": s.fork.node,
        "fork_depth": s.fork.depth,
        "chosen_node": s.chosen.node if s.chosen else None,
        "chosen_depth": s.chosen.depth if s.chosen else None,
        "reason": s.reason,
        "annotator": s.annotator,
        "weight": s.weight,
        "shown": s.shown,
        "received": s.received,
        "started": s.started,
        "created": s.created,
        "state": s.state,
    }


def _rejected_row(steer: str, trajectory: str, r: Rejected) -> dict[str, Any]:
    return {
        "steer": steer,
        "trajectory": trajectory,
        "end_node": r.end.node,
        "end_depth": r.end.depth,
        "origin": r.origin,
        "shown": r.shown,
    }
