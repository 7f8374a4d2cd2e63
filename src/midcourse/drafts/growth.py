"""Hanging new tokens below a place of a trajectory.

A trajectory is a frozen value, so growing gives a new one and says which nodes are new, for a store to keep. It knows
no text and no steers.
"""

from collections.abc import Sequence

from midcourse.errors import InputError
from midcourse.types import Author, Node, Place, Trajectory

__all__ = ["before_token", "grow", "place_at"]


def place_at(trajectory: Trajectory, path: Place, depth: int) -> Place:
    """The place at `depth` on the path to `path`, in the node that holds the token before it."""
    at = 0
    for node, taken in trajectory.spans(path):
        at += taken
        if depth <= at:
            return Place(node.id, depth)
    raise InputError(f"trajectory {trajectory.id}: the path to depth {path.depth} has no depth {depth}")


def before_token(trajectory: Trajectory, path: Place, depth: int) -> Place:
    """The place at `depth`, in the node that holds the token after it, so that this token is still known."""
    if depth >= path.depth:
        return place_at(trajectory, path, depth)
    return Place(place_at(trajectory, path, depth + 1).node, depth)


def grow(
    trajectory: Trajectory,
    place: Place,
    token_ids: Sequence[int],
    author: Author,
    logprobs: Sequence[float] | None = None,
) -> tuple[Trajectory, Place, list[Node]]:
    """Hang `token_ids` below `place`; returns the grown trajectory, where they end, and the nodes that are new."""
    place = place_at(trajectory, place, place.depth)
    parent = trajectory.by_id[place.node]
    offset = place.depth - trajectory.start[place.node]
    made: list[Node] = []
    node = Node.below(parent, token_ids, author, trajectory.tokenizer, offset=offset, logprobs=logprobs)
    # The same ids at the same place by another hand: a node without tokens keeps the two uses apart.
    while (known := trajectory.by_id.get(node.id)) is not None and known.author != author:
        made.append(Node.below(parent, (), author, trajectory.tokenizer, offset=offset))
        parent, offset = made[-1], 0
        node = Node.below(parent, token_ids, author, trajectory.tokenizer, logprobs=logprobs)
    new = [n for n in (*made, node) if n.id not in trajectory.by_id]
    grown = trajectory.with_(nodes=(*trajectory.nodes, *new))
    return grown, grown.end_of(node.id), new
