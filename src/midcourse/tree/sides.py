"""What a steer says, in tokens: the chosen and the rejected side, read when the tree is built.

A steer records what happened; this module decides what is learnt from it: towards which text the person went, how
far each side reaches, and which rejected tokens count. It knows trajectories and no tensors.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from midcourse.tokens import common_prefix
from midcourse.tree.matching import lcs
from midcourse.tree.options import TreeOptions
from midcourse.types import Author, Place, Rejected, Steer, Trajectory

__all__ = ["Side", "compared", "read_sides", "rejected_ids"]


_DEFAULT = TreeOptions()


@dataclass(frozen=True, slots=True)
class Side:
    """One chosen continuation against one rejected one, from the place where they part."""

    steer: Steer
    prefix: tuple[int, ...]
    """Ids both sides share, from the root."""
    chosen: tuple[int, ...]
    rejected: tuple[int, ...]
    """Empty when nothing rejected is known."""
    counted: tuple[bool, ...]
    """For each rejected token whether it is pushed down."""
    changed: tuple[bool, ...]
    """For each chosen token whether it differs from the rejected side."""
    origin: str | None
    shared: int = 0
    """How many tokens both sides begin with; only whole answers keep them."""


def read_sides(
    trajectory: Trajectory, steer: Steer, window: int, options: TreeOptions = _DEFAULT
) -> tuple[list[Side], list[str]]:
    """Both sides of a steer: one `Side` per rejected continuation, one with an empty rejected side if there is none.

    Args:
        trajectory: Where the steer happened.
        steer: Which one.
        window: W, the most chosen tokens that are learnt from.
        options: How long a rejected side may be, whether what both sides have counts, and whether a steer of which
            nothing chosen is known gives sides with an empty chosen side.

    Returns:
        The sides and, for what cannot be learnt from, sentences that name it.
    """
    fork = steer.fork.depth
    if fork < 1:
        return [], [f"steer {steer.id}: the fork has no token before it"]
    place = _kept(trajectory, steer)
    kept = trajectory.path(place)[fork:] if place else []
    authors = trajectory.authors(place)[fork:] if place else []
    prefix = tuple(trajectory.path(steer.fork))
    turned_down = [(r, rejected_ids(trajectory, r, fork)) for r in steer.rejected]
    turned_down = [(r, ids) for r, ids in turned_down if ids]
    reach = _chosen_reach(trajectory, steer, kept, authors, max((len(ids) for _, ids in turned_down), default=0))
    if reach == 0 and options.without_chosen and turned_down:
        return [_stopped(steer, r, prefix, ids, options.rejected_window or 8) for r, ids in turned_down], []
    if reach == 0:
        return [], [f"steer {steer.id}: no chosen side is known (nothing was put in its place)"]
    if not turned_down:
        chosen = tuple(kept[: min(reach, window)])
        return [Side(steer, prefix, chosen, (), (), (True,) * len(chosen), None)], []
    sides: list[Side] = []
    skipped: list[str] = []
    for r, ids in turned_down:
        side = _side(steer, r, prefix, kept, reach, ids, window, options)
        if side is None:
            skipped.append(f"steer {steer.id}: chosen and rejected do not differ within what the person put")
        else:
            sides.append(side)
    return sides, skipped


def _side(
    steer: Steer,
    r: Rejected,
    prefix: tuple[int, ...],
    kept: list[int],
    reach: int,
    ids: list[int],
    window: int,
    options: TreeOptions,
) -> Side | None:
    shared = common_prefix(kept, ids)
    if shared == len(ids) or shared >= len(kept):
        return None
    # A chosen text that the rejected one merely continues is told apart by the token that follows it.
    chosen = tuple(kept[shared : max(reach, shared + 1)][:window])
    rejected = tuple(ids[shared:][: options.rejected_window or max(8, 2 * len(chosen))])
    changed, differs = compared(chosen, rejected)
    seen = _seen(r, len(prefix) + shared, len(rejected))
    counted = tuple((d or not options.mask_rejected) and s for d, s in zip(differs, seen, strict=True))
    return Side(steer, prefix + tuple(ids[:shared]), chosen, rejected, counted, changed, r.origin)


def compared(chosen: Sequence[int], rejected: Sequence[int]) -> tuple[tuple[bool, ...], tuple[bool, ...]]:
    """For each chosen and each rejected token whether it differs from the other side; the first ones always do."""
    same_chosen = lcs(chosen[1:], rejected)[0]
    same_rejected = lcs(rejected[1:], chosen)[0]
    return (True, *(not m for m in same_chosen)), (True, *(not m for m in same_rejected))


def _stopped(steer: Steer, r: Rejected, prefix: tuple[int, ...], ids: list[int], most: int) -> Side:
    """A stop without a correction: what was shown from the fork on, a few tokens."""
    shown = max(1, (r.shown or len(prefix) + most) - len(prefix))
    rejected = tuple(ids[: min(most, shown)])
    return Side(steer, prefix, (), rejected, (True,) * len(rejected), (), r.origin)


def _seen(r: Rejected, fork: int, count: int) -> list[bool]:
    """Whether the person had seen each token; the first one counts in any case."""
    return [j == 0 or r.shown is None or fork + j < r.shown for j in range(count)]


def _kept(trajectory: Trajectory, steer: Steer) -> Place | None:
    """The latest path that goes on from the fork: the trunk, or what stood when its part was abandoned."""
    prefix = trajectory.path(steer.fork)
    later = trajectory.steers[trajectory.steers.index(steer) :]
    for place in (trajectory.head, *(s.chosen for s in reversed(later) if s.chosen is not None and s.counts)):
        if place.depth > len(prefix) and trajectory.path(place)[: len(prefix)] == prefix:
            return place
    return None


def _chosen_reach(trajectory: Trajectory, steer: Steer, kept: list[int], authors: list[Author], rejected: int) -> int:
    """How many kept tokens from the fork on are the chosen side."""
    put = trajectory.path(steer.chosen)[steer.fork.depth :] if steer.chosen is not None else []
    standing = common_prefix(kept, put)
    if standing:
        inserted = steer.kind == "local" and all(r.end.depth <= steer.fork.depth for r in steer.rejected)
        whole = standing == len(put) and len(kept) > standing
        return standing + 1 if inserted and whole and steer.rejected else standing
    person = [a == "person" for a in authors]
    if person and person[0]:  # what was put here was itself replaced: the later correction is the chosen side
        return person.index(False) if False in person else len(person)
    by_model = person.index(True) if True in person else len(person)
    return min(by_model, max(rejected, 1)) if not put or steer.rejected else 0


def rejected_ids(trajectory: Trajectory, rejected: Rejected, fork: int) -> list[int]:
    """What the model wrote from the fork on, up to the first token a person wrote."""
    end = rejected.end
    if end.depth <= fork:  # only inserted: the token that stood here first
        whole = trajectory.end_of(end.node)
        end = Place(end.node, min(fork + 1, whole.depth))
    ids, authors = trajectory.path(end)[fork:], trajectory.authors(end)[fork:]
    by_model = next((i for i, a in enumerate(authors) if a != "model"), len(ids))
    return ids[:by_model]
