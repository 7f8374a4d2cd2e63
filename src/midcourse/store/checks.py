"""Is what is stored what was written? Every hash is derived again, every place is walked to its root.

It returns sentences and mends nothing.
"""

from collections.abc import Iterator

import sqlalchemy as sa

from midcourse.errors import MidcourseError
from midcourse.store import dialects, reading
from midcourse.store.schema import node, trajectory, trajectory_state, use
from midcourse.types import Place, Trajectory, node_id

__all__ = ["verify"]


def verify(connection: sa.Connection) -> Iterator[str]:
    """Sentences about everything that is wrong; none when the store is sound."""
    yield from dialects.damage(connection)
    yield from _hashes(connection)
    yield from _uses(connection)
    recorded = sa.exists().where(trajectory_state.c.trajectory == trajectory.c.id)
    headless = set(connection.execute(sa.select(trajectory.c.id).where(~recorded)).scalars())
    yield from (f"trajectory {i} has no record of its head" for i in sorted(headless))
    for page in reading.pages(lambda work: work(connection)):
        for i in page:
            if i not in headless:
                yield from _readable(connection, i)


def _readable(connection: sa.Connection, id: str) -> Iterator[str]:
    try:
        found = reading.load(connection, [id])
    except (MidcourseError, ValueError, TypeError, KeyError, AttributeError) as error:
        yield f"trajectory {id} cannot be read: {error}"
        return
    for t in found:
        yield from _places(t)


def _hashes(connection: sa.Connection) -> Iterator[str]:
    above = node.alias()
    raw = sa.type_coerce(node.c.token_ids, sa.LargeBinary)
    query = (
        sa.select(
            node,
            sa.func.length(raw).label("bytes"),
            above.c.id.label("above"),
            above.c.tokenizer.label("above_tokenizer"),
            sa.func.length(sa.type_coerce(above.c.token_ids, sa.LargeBinary)).label("above_bytes"),
        )
        .outerjoin_from(node, above, node.c.parent == above.c.id)
        .order_by(node.c.seq)
    )
    for row in connection.execution_options(yield_per=2000).execute(query):
        if row.bytes % 4:
            yield f"node {row.id} holds {row.bytes} bytes, not a whole number of token ids"
        elif row.id != node_id(row.parent, row.offset, row.token_ids, row.tokenizer):
            yield f"node {row.id} does not have the hash of its content"
        if row.parent is None:
            if row.offset:
                yield f"node {row.id} is a root, but keeps {row.offset} tokens of a parent"
        elif row.above is None:
            yield f"node {row.id} hangs below {row.parent}, which is not there"
        elif not 0 <= row.offset <= row.above_bytes // 4 or row.tokenizer != row.above_tokenizer:
            yield f"node {row.id} does not fit below its parent {row.parent}"


def _uses(connection: sa.Connection) -> Iterator[str]:
    """A trajectory uses a node's parent before the node, under its own tokenizer; no node is without a use."""
    first = use.alias()
    query = (
        sa.select(use.c.trajectory, node.c.id, node.c.parent, use.c.seq, first.c.seq.label("above"))
        .select_from(
            use.join(node, use.c.node == node.c.id)
            .join(trajectory, use.c.trajectory == trajectory.c.id)
            .outerjoin(first, sa.and_(first.c.trajectory == use.c.trajectory, first.c.node == node.c.parent))
        )
        .where(
            sa.or_(
                node.c.tokenizer != trajectory.c.tokenizer,
                sa.and_(node.c.parent.is_not(None), sa.or_(first.c.seq.is_(None), first.c.seq > use.c.seq)),
            )
        )
    )
    for row in connection.execute(query):
        yield f"trajectory {row.trajectory} uses node {row.id} without its parent before it, or under another tokenizer"
    orphans = sa.select(node.c.id).outerjoin_from(node, use, use.c.node == node.c.id).where(use.c.seq.is_(None))
    for i in connection.execute(orphans).scalars():
        yield f"node {i} is used by no trajectory"


def _places(t: Trajectory) -> Iterator[str]:
    """Walk to the head and along both sides of every steer; a side must begin with the prefix it shares."""
    for n in t.nodes:
        if n.logprobs is not None and len(n.logprobs) != len(n.token_ids):
            yield f"trajectory {t.id}: node {n.id} has {len(n.token_ids)} ids but {len(n.logprobs)} logprobs"
    _, problem = _walk(t, t.head)
    if problem:
        yield f"head of {problem}"
    for s in t.steers:
        prefix, problem = _walk(t, s.fork)
        if problem:
            yield f"fork of steer {s.id}: {problem}"
            continue
        sides = [("rejected", r.end) for r in s.rejected] + ([("chosen", s.chosen)] if s.chosen else [])
        for name, end in sides:
            path, problem = _walk(t, end)
            if problem:
                yield f"{name} side of steer {s.id}: {problem}"
            elif path[: len(prefix)] != prefix:
                yield f"{name} side of steer {s.id} does not begin with the prefix of its fork"


def _walk(t: Trajectory, place: Place) -> tuple[list[int], str | None]:
    try:
        ids = t.path(place)
    except MidcourseError as error:
        return [], str(error)
    if len(ids) != place.depth:
        return [], f"trajectory {t.id}: the path to {place.node} has {len(ids)} tokens, not {place.depth}"
    return ids, None
