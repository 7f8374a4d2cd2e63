"""Whole answers for comparison: the text as the model first wrote it against the text as it was left.

What the model would have written had nobody stopped it is known only where its text goes on behind the correction, as
with words replaced in a finished text. A text that was stopped in the middle is compared as far as it came.
"""

from dataclasses import replace

from midcourse.tokens import common_prefix
from midcourse.tree.options import TreeOptions
from midcourse.tree.sides import Side, compared
from midcourse.types import Rejected, Steer, Trajectory

__all__ = ["answer_sides", "original", "originals_known"]


def answer_sides(trajectory: Trajectory, options: TreeOptions) -> tuple[list[Side], list[str]]:
    """The corrected text against the original one, both from the end of the prompt on, at most one pair for a text.

    Where whole answers were compared as such, one pair for each that was turned down.

    Returns:
        The sides and, for what cannot be compared, sentences that name it.
    """
    steers = [s for s in trajectory.steers if s.counts]
    if trajectory.teaches != "pairs":
        known = [(s, r) for s in steers[:1] for r in s.rejected if r.origin == "shown"][:1]
        if steers and not known:
            return [], [f"steer {steers[0].id}: the original text is not known (nothing rejected is kept)"]
        weight = sum(s.weight for s in steers) / max(1, len(steers))
        known = [(replace(s, weight=weight), r) for s, r in known]
    else:
        known = [(s, r) for s in steers for r in s.rejected]
    start = _prompt_length(trajectory)
    kept = trajectory.path(trajectory.head)
    sides: list[Side] = []
    skipped: list[str] = []
    for steer, rejected in known:
        side = _whole(steer, rejected, kept, original(trajectory, rejected), start, options) if start else None
        if side is None:
            skipped.append(f"steer {steer.id}: the original and the corrected text do not differ")
        else:
            sides.append(side)
    return sides, skipped


def original(trajectory: Trajectory, rejected: Rejected) -> list[int]:
    """All that the model wrote before anything was put right, prompt first, as far as it is kept."""
    end = trajectory.end_of(rejected.end.node)
    return trajectory.path(end)


def originals_known(trajectory: Trajectory, options: TreeOptions) -> bool:
    """Whether the first text of a trajectory is known to its end, not only to where the model was stopped."""
    first = next((s for s in trajectory.steers if s.counts), None)
    if first is None or not first.rejected:
        return False
    if trajectory.teaches == "pairs" or first.kind in ("local", "edit"):
        return True
    return original(trajectory, first.rejected[0])[-1] in options.end_ids


def _prompt_length(trajectory: Trajectory) -> int:
    authors = trajectory.authors(trajectory.head)
    return next((i for i, who in enumerate(authors) if who != "prompt"), len(authors))


def _whole(
    steer: Steer, r: Rejected, kept: list[int], first: list[int], start: int, options: TreeOptions
) -> Side | None:
    shared = common_prefix(kept, first)
    if shared >= min(len(kept), len(first)):
        return None
    at = start if options.keep_shared and start < shared else shared
    chosen, rejected = tuple(kept[at:]), tuple(first[at:])
    changed, counted = compared(chosen[shared - at :], rejected[shared - at :])
    if not options.mask_rejected:
        counted = (True,) * len(counted)
    same = (False,) * (shared - at)
    return Side(steer, tuple(kept[:at]), chosen, rejected, same + counted, same + changed, r.origin, shared - at)
