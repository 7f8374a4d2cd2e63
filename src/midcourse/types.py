"""Frozen values that every stage passes on: messages, nodes of token ids, steers, trajectories.

A trajectory is a tree of token ids grown while a text was written. Each node holds only the ids it adds below a
*place* of its parent, so a fork is an offset and a node is never split. A steer points at places. What training
reads as chosen and rejected is derived later, when the tree is built; here is only what happened.

This module knows no tokenizer, no file and no torch.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np

from midcourse.errors import InputError

__all__ = [
    "KINDS",
    "TEACHES",
    "Author",
    "Kind",
    "Message",
    "ModelRef",
    "Node",
    "Origin",
    "Place",
    "Rejected",
    "State",
    "Status",
    "Steer",
    "Teaches",
    "Trajectory",
    "node_id",
]

Author = Literal["prompt", "model", "person"]
Kind = Literal["typed", "picked", "resampled", "local", "ended", "continued", "stepwise", "edit"]
Origin = Literal["shown", "candidate", "sampled"]
State = Literal["active", "withdrawn", "pending", "approved", "refused"]
Status = Literal["open", "accepted", "discarded", "imported"]
Teaches = Literal["steers", "pairs", "instructions", "text"]
"""What a trajectory is an example of: `steers`; `pairs` (whole answers, one preferred to others: the fork stands right
after the prompt); `instructions` and `text`, whose own text is learnt: each trunk token that a person wrote has
next-token weight (of an instruction the completion, of raw text every token)."""
KINDS: tuple[str, ...] = get_args(Kind)
TEACHES: tuple[str, ...] = get_args(Teaches)


def node_id(parent: str | None, offset: int, token_ids: Sequence[int], tokenizer: str) -> str:
    """Content hash of a node: what it hangs below, where, which ids it adds, under which tokenizer."""
    digest = hashlib.sha256()
    digest.update(f"{parent or ''}\n{offset}\n{tokenizer}\n".encode())
    digest.update(np.asarray(token_ids, dtype="<u4").tobytes())
    return digest.hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Message:
    """One chat message."""

    role: str
    """`system`, `user`, `assistant` or `tool`."""
    content: str
    """The text."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Further fields a chat template may read, e.g. `tool_calls`."""

    def to_dict(self) -> dict[str, Any]:
        """The message as chat templates and JSON want it."""
        return {"role": self.role, "content": self.content, **self.extra}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> "Message":
        """Read a message; `role` and `content` are required strings."""
        role, content = value.get("role"), value.get("content")
        if not isinstance(role, str) or not isinstance(content, str):
            raise InputError(f"a message needs the strings `role` and `content`, got {dict(value)!r:.200}")
        return cls(role, content, {k: v for k, v in value.items() if k not in ("role", "content")})


@dataclass(frozen=True, slots=True)
class Node:
    """A span of token ids as one trajectory uses it."""

    id: str
    """`node_id` of the fields below; equal content is stored once."""
    parent: str | None
    """Id of the node above, None for a root."""
    offset: int
    """How many of the parent's own tokens are kept above this node (0 for a root)."""
    token_ids: tuple[int, ...]
    """The ids this node adds."""
    author: Author
    """Who wrote them in this trajectory."""
    logprobs: tuple[float, ...] | None = None
    """What the sampler reported for each id, if it did."""

    @classmethod
    def below(
        cls,
        parent: "Node | None",
        token_ids: Sequence[int],
        author: Author,
        tokenizer: str,
        *,
        offset: int | None = None,
        logprobs: Sequence[float] | None = None,
    ) -> "Node":
        """Make a node below `parent`, after its first `offset` tokens (default: all of them)."""
        kept = 0 if parent is None else len(parent.token_ids) if offset is None else offset
        above = None if parent is None else parent.id
        ids = tuple(map(int, token_ids))
        return cls(
            node_id(above, kept, ids, tokenizer),
            above,
            kept,
            ids,
            author,
            None if logprobs is None else tuple(logprobs),
        )


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the tree: the path from the root through `node`, cut to `depth` tokens."""

    node: str
    depth: int
    """Tokens from the root."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """One continuation that was turned down at a steer."""

    end: Place
    """Where it ends. For `local`, the end of the replaced words (the fork itself when words were only inserted)."""
    origin: Origin = "shown"
    """`shown` to the person while the model wrote, a `candidate` beside others, or `sampled` afterwards by `fill`."""
    shown: int | None = None
    """Depth up to which the person had seen it; tokens beyond count as unseen. None: all of it."""


@dataclass(frozen=True, slots=True)
class Steer:
    """One correction: at this place, not that, but this."""

    id: str
    """uuid when captured, hash of source and row when imported."""
    trajectory: str
    kind: Kind
    fork: Place
    """The prefix: the `fork.depth` tokens that both sides share."""
    rejected: tuple[Rejected, ...] = ()
    """What the model was saying; empty when that is not known."""
    chosen: Place | None = None
    """End of what the person put. None when nothing was put (`resampled`: the resample that was kept)."""
    reason: str | None = None
    annotator: str | None = None
    weight: float = 1.0
    shown: int | None = None
    """Depth the person had seen when they stopped the model."""
    received: int | None = None
    """Depth that had arrived by then."""
    started: float | None = None
    """Unix time at which the model was stopped."""
    created: float | None = None
    """Unix time at which the correction was committed."""
    state: State = "active"

    @property
    def counts(self) -> bool:
        """Whether it trains and is counted: neither withdrawn, nor refused, nor waiting for review."""
        return self.state in ("active", "approved")


@dataclass(frozen=True, slots=True)
class ModelRef:
    """Which model wrote: identified by its weights, named for people."""

    name: str
    weights: str | None = None
    """Hash of the weights; of a base with an adapter on the adapter's, which fit no other base. None where the server
    does not tell."""


@dataclass(frozen=True)
class Trajectory:
    """One prompt with its whole tree of nodes and its steers."""

    id: str
    nodes: tuple[Node, ...]
    """Parents before children."""
    head: Place
    """End of the kept path: the trunk."""
    tokenizer: str
    """Hash of the tokenizer that made the ids."""
    steers: tuple[Steer, ...] = ()
    """In the order in which they were made."""
    messages: tuple[Message, ...] = ()
    """The prompt as messages; empty for a raw-text prompt."""
    model: ModelRef | None = None
    """Which model wrote; of an import the one named with it, whose tokenizer made the ids and which it is meant for."""
    template: str | None = None
    """Hash of the chat template that rendered the prompt."""
    sampler: Mapping[str, Any] = field(default_factory=dict)
    annotator: str | None = None
    source: str = "unknown"
    """Where it came from: `studio`, `simulated`, a file name …"""
    source_text: Mapping[str, Any] | None = None
    """The row as it was read, so that the steers can be derived again for another tokenizer."""
    group: str | None = None
    """What must not be torn apart by a split: the prompt or problem. Default: a hash of the prompt's ids."""
    split: str | None = None
    """`train`, `dev` or `test` where the source fixes it."""
    status: Status = "open"
    created: float | None = None
    teaches: Teaches = "steers"
    """What it is an example of. Kept with the data since it cannot be told from the tree: a text without steers may be
    one to learn or one that was merely left as the model wrote it."""

    @property
    def learns_text(self) -> bool:
        """Whether the trunk tokens that a person wrote have next-token weight, whatever the run's settings."""
        return self.teaches in ("instructions", "text")

    @cached_property
    def by_id(self) -> dict[str, Node]:
        """Nodes by id."""
        return {node.id: node for node in self.nodes}

    @cached_property
    def start(self) -> dict[str, int]:
        """Depth at which each node's first token stands."""
        depth: dict[str, int] = {}
        for node in self.nodes:
            if node.parent is None:
                depth[node.id] = 0
            elif node.parent in depth:
                depth[node.id] = depth[node.parent] + node.offset
            else:
                raise InputError(f"trajectory {self.id}: node {node.id} stands before its parent {node.parent}")
        return depth

    def spans(self, place: Place) -> list[tuple[Node, int]]:
        """The path to `place` as (node, how many of its tokens), root first."""
        path: list[tuple[Node, int]] = []
        node: Node | None = self.by_id.get(place.node)
        if node is None:
            raise InputError(f"trajectory {self.id} has no node {place.node}")
        end = place.depth
        while node is not None:
            taken = end - self.start[node.id]
            if taken > len(node.token_ids):
                raise InputError(f"trajectory {self.id}: depth {end} lies beyond the end of node {node.id}")
            if taken > 0:
                path.append((node, taken))
            end = min(end, self.start[node.id])
            node = self.by_id[node.parent] if node.parent is not None else None
        return path[::-1]

    def path(self, place: Place) -> list[int]:
        """Token ids from the root to `place`: exactly what the model saw."""
        return [i for node, taken in self.spans(place) for i in node.token_ids[:taken]]

    def authors(self, place: Place) -> list[Author]:
        """Who wrote each token from the root to `place`."""
        return [node.author for node, taken in self.spans(place) for _ in range(taken)]

    def end_of(self, node: str) -> Place:
        """The place after the last token of a node."""
        return Place(node, self.start[node] + len(self.by_id[node].token_ids))

    def with_(self, **changes: Any) -> "Trajectory":
        """A copy with some fields changed."""
        return replace(self, **changes)
