"""The tables: nodes by content, their use in a trajectory, and records that are only ever added.

What changes over time (the head of a trajectory, the state of a steer) is a record of its own, and the newest one
counts. Row order within a table is the order of writing (`seq`). What may refer to a row has an index, where a database
looks for every row it deletes; see `BY_NODE`. It knows no connection and no query.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa

__all__ = [
    "BY_NODE",
    "SINCE",
    "VERSION",
    "consent",
    "exchange",
    "handed_out",
    "meta",
    "metadata",
    "node",
    "rejected",
    "review",
    "review_state",
    "steer",
    "steer_state",
    "tombstone",
    "trajectory",
    "trajectory_state",
    "use",
]

VERSION = 5
"""Number of this layout; a step in `migrations.STEPS` leads from each older one."""
SINCE = "0.1.0"
"""The first release that reads this layout, named to someone whose Midcourse is too old for a store."""

metadata = sa.MetaData()
_Seq = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


class Ids(sa.types.TypeDecorator[tuple[int, ...]]):
    """Token ids as little-endian u4."""

    impl = sa.LargeBinary
    cache_ok = True

    def process_bind_param(self, value: Sequence[int] | None, dialect: sa.Dialect) -> bytes | None:
        """Ids to bytes."""
        return None if value is None else np.asarray(value, dtype="<u4").tobytes()

    def process_result_value(self, value: bytes | None, dialect: sa.Dialect) -> tuple[int, ...] | None:
        """Bytes to ids; a tail of fewer than four bytes (a damaged row) is dropped, and the hash tells."""
        return None if value is None else tuple(np.frombuffer(value[: len(value) // 4 * 4], dtype="<u4").tolist())


class Floats(sa.types.TypeDecorator[tuple[float, ...]]):
    """Log-probabilities as little-endian f8, so that they come back exactly."""

    impl = sa.LargeBinary
    cache_ok = True

    def process_bind_param(self, value: Sequence[float] | None, dialect: sa.Dialect) -> bytes | None:
        """Numbers to bytes."""
        return None if value is None else np.asarray(value, dtype="<f8").tobytes()

    def process_result_value(self, value: bytes | None, dialect: sa.Dialect) -> tuple[float, ...] | None:
        """Bytes to numbers."""
        return None if value is None else tuple(np.frombuffer(value[: len(value) // 8 * 8], dtype="<f8").tolist())


class Json(sa.types.TypeDecorator[Any]):
    """JSON as ASCII text: the same on every database, NUL, NaN and lone surrogates included."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> str | None:
        """Value to text; None is NULL."""
        return None if value is None else json.dumps(value)

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> Any:
        """Text to value."""
        return None if value is None else json.loads(value)


class Words(sa.types.TypeDecorator[str]):
    r"""Free text. Backslash, NUL and lone surrogates, which databases refuse, are written as \uXXXX."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:
        """Escape."""
        return None if value is None else re.sub(r"[\\\x00\ud800-\udfff]", lambda m: f"\\u{ord(m[0]):04x}", value)

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> str | None:
        """Unescape."""
        return None if value is None else re.sub(r"\\u([0-9a-f]{4})", lambda m: chr(int(m[1], 16)), value)


def _seq() -> sa.Column[int]:
    return sa.Column("seq", _Seq, primary_key=True, autoincrement=True)


def _place(name: str, *, null: bool = False) -> tuple[sa.Column[str], sa.Column[int]]:
    return sa.Column(f"{name}_node", sa.String, nullable=null), sa.Column(f"{name}_depth", sa.Integer, nullable=null)


def _in_use(name: str) -> sa.ForeignKeyConstraint:
    """A place lies in a node that the trajectory uses."""
    return sa.ForeignKeyConstraint(["trajectory", f"{name}_node"], ["use.trajectory", "use.node"])


meta = sa.Table(
    "meta",
    metadata,
    sa.Column("key", sa.String, primary_key=True),
    sa.Column("value", sa.String, nullable=False),
    comment="format, schema and since (first release that reads it)",
)

node = sa.Table(
    "node",
    metadata,
    _seq(),
    sa.Column("id", sa.String(32), nullable=False, unique=True),
    sa.Column("parent", sa.ForeignKey("node.id")),
    sa.Column("offset", sa.Integer, nullable=False),
    sa.Column("token_ids", Ids, nullable=False),
    sa.Column("tokenizer", sa.String, nullable=False),
    comment="a span of ids below the first `offset` ids of its parent; id = hash of the other columns",
)

trajectory = sa.Table(
    "trajectory",
    metadata,
    _seq(),
    sa.Column("id", sa.String, nullable=False, unique=True),
    sa.Column("messages", Json, nullable=False),
    sa.Column("model_name", Words),
    sa.Column("model_weights", sa.String),
    sa.Column("tokenizer", sa.String, nullable=False),
    sa.Column("template", sa.String),
    sa.Column("sampler", Json, nullable=False),
    sa.Column("annotator", Words),
    sa.Column("source", Words, nullable=False),
    sa.Column("source_text", Json),
    sa.Column("group", Words),
    sa.Column("split", Words),
    sa.Column("created", sa.Double),
    sa.Column("teaches", sa.String, nullable=False, server_default="steers"),
)

use = sa.Table(
    "use",
    metadata,
    _seq(),
    sa.Column("trajectory", sa.ForeignKey("trajectory.id"), nullable=False),
    sa.Column("node", sa.ForeignKey("node.id"), nullable=False),
    sa.Column("author", sa.String, nullable=False),
    sa.Column("logprobs", Floats),
    sa.UniqueConstraint("trajectory", "node"),
    comment="who wrote a node in a trajectory, and what the sampler reported",
)

BY_NODE = (
    sa.Index("ix_node_parent", node.c.parent).ddl_if(dialect="postgresql"),
    sa.Index("ix_use_node", use.c.node).ddl_if(dialect="postgresql"),
)
"""What refers to a node. Ids are hashes, so each entry lies on a page of its own, which an import into a file would
have to write each time; there a purge makes the two for itself (`purge.findable`)."""

trajectory_state = sa.Table(
    "trajectory_state",
    metadata,
    _seq(),
    sa.Column("trajectory", sa.ForeignKey("trajectory.id"), nullable=False, index=True),
    *_place("head"),
    sa.Column("status", sa.String, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
    _in_use("head"),
    comment="the newest record of a trajectory holds its head and status",
)

steer = sa.Table(
    "steer",
    metadata,
    _seq(),
    sa.Column("id", sa.String, nullable=False, unique=True),
    sa.Column("trajectory", sa.ForeignKey("trajectory.id"), nullable=False, index=True),
    sa.Column("kind", sa.String, nullable=False),
    *_place("fork"),
    *_place("chosen", null=True),
    sa.Column("reason", Words),
    sa.Column("annotator", Words),
    sa.Column("weight", sa.Double, nullable=False),
    sa.Column("shown", sa.Integer),
    sa.Column("received", sa.Integer),
    sa.Column("started", sa.Double),
    sa.Column("created", sa.Double),
    sa.Column("state", sa.String, nullable=False, comment="as first written; see steer_state"),
    _in_use("fork"),
    _in_use("chosen"),
)

rejected = sa.Table(
    "rejected",
    metadata,
    _seq(),
    sa.Column("steer", sa.ForeignKey("steer.id"), nullable=False, index=True),
    sa.Column("trajectory", sa.String, nullable=False, index=True),
    *_place("end"),
    sa.Column("origin", sa.String, nullable=False),
    sa.Column("shown", sa.Integer),
    _in_use("end"),
)

steer_state = sa.Table(
    "steer_state",
    metadata,
    _seq(),
    sa.Column("steer", sa.ForeignKey("steer.id"), nullable=False, index=True),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("by", Words),
    sa.Column("at", sa.Double, nullable=False),
    comment="undo, withdrawal and review; the newest record of a steer counts",
)

tombstone = sa.Table(
    "tombstone",
    metadata,
    _seq(),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("id", sa.String, nullable=False, index=True),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("why", Words),
    comment="trajectories and steers that were purged: they do not come back",
)

handed_out = sa.Table(
    "handed_out",
    metadata,
    _seq(),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("where", Words, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("trajectories", Json, nullable=False),
    comment="exports and adapters that were made of the store, and of what",
)

consent = sa.Table(
    "consent",
    metadata,
    _seq(),
    sa.Column("kind", sa.String, nullable=False, comment="client or model"),
    sa.Column("name", Words, nullable=False, comment="a client's HMAC, or a model as it is asked for"),
    sa.Column("allowed", sa.Boolean, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
    comment="whose generations the proxy may keep; the newest record of a name counts, without one the answer is no",
)

exchange = sa.Table(
    "exchange",
    metadata,
    _seq(),
    sa.Column("id", sa.String, nullable=False, unique=True),
    sa.Column("client", sa.String, nullable=False, index=True),
    sa.Column("chat", sa.String),
    sa.Column("model", Words),
    sa.Column("at", sa.Double, nullable=False, index=True),
    sa.Column("value", Json, nullable=False),
    comment="what a client asked through the proxy and what the model wrote; deleted when its time is over",
)

review = sa.Table(
    "review",
    metadata,
    _seq(),
    sa.Column("id", sa.String, nullable=False, unique=True),
    sa.Column("client", sa.String, nullable=False, index=True),
    sa.Column("model", Words),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("certain", sa.Boolean, nullable=False),
    sa.Column("why", Words, nullable=False),
    sa.Column("value", Json, nullable=False),
    comment="the inbox: steers that were recognised and wait for somebody to say that they are",
)

review_state = sa.Table(
    "review_state",
    metadata,
    _seq(),
    sa.Column("review", sa.ForeignKey("review.id"), nullable=False, index=True),
    sa.Column("state", sa.String, nullable=False, comment="accepted or rejected"),
    sa.Column("by", Words),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("trajectory", sa.String, comment="what it became"),
    comment="decisions; the newest of a review counts, without one it is open",
)
