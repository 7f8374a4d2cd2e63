"""What an edit means for the tree: which nodes are new, where the fork is, what is rejected and what is chosen.

Pure functions on frozen values: a trajectory goes in, a `Change` comes out, and nothing is kept until somebody keeps
it. This module knows no model, no store and no time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from midcourse.drafts.cuts import LocalCut
from midcourse.drafts.growth import before_token, grow, place_at
from midcourse.drafts.history import Standing
from midcourse.tokens import common_prefix
from midcourse.types import Author, Kind, Node, Place, Rejected, Trajectory

__all__ = ["Change", "first_turned_down", "replace_rest", "replace_within", "standing_after", "turn_down"]


@dataclass(frozen=True, slots=True)
class Change:
    """One steer to be, with the tree it leads to."""

    trajectory: Trajectory
    """Grown; without the steer."""
    nodes: tuple[Node, ...]
    """What is new in it."""
    kind: Kind
    fork: Place
    rejected: tuple[Rejected, ...]
    chosen: Place | None
    head: Place
    """End of the new text."""


def replace_rest(
    trajectory: Trajectory, prompt: int, old: Place, put: Sequence[int], kind: Kind, shown: int | None
) -> Change | None:
    """From the path to `old` to one whose text is exactly `put`, from where the two part.

    Args:
        trajectory: With its prompt of `prompt` tokens.
        old: End of the text as it was.
        put: Ids of the whole new text.
        kind: What the person did.
        shown: Depth the person had seen.

    Returns:
        None where `put` only leaves out the end of the old text.
    """
    was = trajectory.path(old)[prompt:]
    fork = common_prefix(put, was)
    if fork == len(put):
        return None
    place = place_at(trajectory, old, prompt + fork)
    grown, chosen, nodes = grow(trajectory, place, put[fork:], "person")
    rejected = (Rejected(old, "shown", shown),) if fork < len(was) else ()
    return Change(grown, tuple(nodes), kind, place, rejected, chosen, chosen)


def replace_within(
    trajectory: Trajectory, prompt: int, head: Place, cut: LocalCut, words: int, shown: int | None
) -> Change | None:
    """Words of the path to `head` replaced, the tail behind them entered again by id, with who wrote it.

    Args:
        trajectory: With its prompt of `prompt` tokens.
        head: End of the text as it was.
        cut: What goes and what comes, counted in tokens of the text.
        words: Tokens of the text without its end token.
        shown: Depth the person had seen.

    Returns:
        None where no tail is left, or only the end of the text went: that is no local steer.
    """
    old = trajectory.path(head)[prompt:]
    put = [*old[: min(cut.kept, words)], *cut.token_ids]
    new = [*put, *old[cut.tail :]]
    fork = common_prefix(new, old)
    if cut.tail == len(old) or fork == len(new):
        return None
    place = place_at(trajectory, head, prompt + fork)
    grown, chosen, nodes = trajectory, place, list[Node]()
    if fork < len(put):
        grown, chosen, nodes = grow(trajectory, place, put[fork:], "person")
    grown, below, more = _enter_tail(grown, chosen, _tail(trajectory, prompt, head, new, max(fork, len(put))))
    rejected: tuple[Rejected, ...] = ()
    if fork < len(old):
        replaced = prompt + max(cut.tail, fork)
        at = before_token if replaced == place.depth else place_at
        rejected = (Rejected(at(trajectory, head, replaced), "shown", shown),)
    return Change(grown, (*nodes, *more), "local", place, rejected, chosen, below)


def _tail(trajectory: Trajectory, prompt: int, head: Place, new: list[int], start: int) -> list[tuple[Author, int]]:
    """Who wrote each token of the new text from `start` on: it is the end of the old one."""
    authors = trajectory.authors(head)
    return list(zip(authors[len(authors) - (len(new) - start) :], new[start:], strict=True))


def _enter_tail(
    trajectory: Trajectory, below: Place, tail: list[tuple[Author, int]]
) -> tuple[Trajectory, Place, list[Node]]:
    nodes: list[Node] = []
    for author, run in groupby(tail, key=lambda pair: pair[0]):
        trajectory, below, more = grow(trajectory, below, [i for _, i in run], author)
        nodes += more
    return trajectory, below, nodes


def turn_down(trajectory: Trajectory, head: Place, old: Place, ends: Sequence[int], shown: int | None) -> Change | None:
    """What stood between `head` and `old` is rejected as it is. None on words of the person's own: they reject nothing.

    Args:
        ends: Ids that end an answer.
    """
    if trajectory.authors(old)[head.depth] == "person":
        return None
    kind: Kind = "continued" if trajectory.path(old)[head.depth] in ends else "resampled"
    return Change(trajectory, (), kind, head, (Rejected(old, "shown", shown),), None, head)


def standing_after(change: Change, before: Standing) -> Standing:
    """Where the text stands after a steer: a kept tail that nobody had seen is still unseen."""
    if change.kind != "local" or before.ahead is None or change.chosen is None:
        return Standing(change.head)
    moved = before.head.depth + change.head.depth - before.ahead.depth
    seen = place_at(change.trajectory, change.head, max(change.chosen.depth, moved))
    return Standing(seen, ahead=change.head if seen.depth < change.head.depth else None)


def first_turned_down(trajectory: Trajectory, head: Place) -> tuple[int, ...]:
    """First ids of all that was rejected at this very place, by steers that stand."""
    path, first = trajectory.path(head), set[int]()
    for steer in trajectory.steers:
        at_head = steer.state != "withdrawn" and steer.fork.depth == head.depth
        if at_head and trajectory.path(steer.fork) == path:
            for r in steer.rejected:
                first.update(trajectory.path(r.end)[head.depth : head.depth + 1])
    return tuple(sorted(first))
