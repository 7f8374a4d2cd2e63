"""Undo and redo: where a text stood before and after each step of a person.

Steps are places in a tree that only grows, so going back and forth costs nothing and loses nothing. It knows no model
and no store.
"""

from dataclasses import dataclass, replace

from midcourse.types import Place, Steer, Trajectory

__all__ = ["History", "Standing", "Step", "ahead_of", "of_steers"]


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a text stands."""

    head: Place
    """End of what is kept, all of it seen."""
    turned_down: Place | None = None
    """End of the text that a rewind left behind and nothing has replaced yet."""
    ahead: Place | None = None
    """End of what the model wrote beyond the head and nobody has seen."""
    seen: int | None = None
    """Depth to which `turned_down` was seen; None: all of it."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the person: where the text stood before, and the steer that was made, if one was."""

    before: Standing
    steer: str | None = None
    after: Standing | None = None
    """Known once it is undone."""


class History:
    """Steps that can be undone, and undone ones that can be done again."""

    def __init__(self, done: list[Step] | None = None) -> None:
        self.done = done or []
        self.undone: list[Step] = []

    def __len__(self) -> int:
        return len(self.done)

    def add(self, step: Step) -> None:
        """A new step; what was undone before cannot be done again after it."""
        self.done.append(step)
        self.undone.clear()

    def merge(self, since: int, steer: str) -> None:
        """All steps after the first `since` are one for the person: the one that made `steer`."""
        self.done[since:] = [replace(self.done[since], steer=steer)]

    def undo(self, after: Standing) -> Step:
        """Take the last step off; `after` is where the text stands."""
        step = self.done.pop()
        self.undone.append(replace(step, after=after))
        return step

    def redo(self) -> Step:
        """Put the last undone step back."""
        step = self.undone.pop()
        self.done.append(step)
        return step

    def forget(self, steer: str) -> None:
        """A steer was withdrawn by itself: undoing its step only moves the text."""
        self.done = [replace(s, steer=None) if s.steer == steer else s for s in self.done]
        self.undone = [replace(s, steer=None) if s.steer == steer else s for s in self.undone]


def of_steers(trajectory: Trajectory) -> History:
    """What can be undone of a text read back from a store: its steers, each to the text it turned down."""
    counted = [s for s in trajectory.steers if s.state in ("active", "approved", "pending")]
    return History([Step(Standing(_text_before(trajectory, s)), s.id) for s in counted])


def _text_before(trajectory: Trajectory, steer: Steer) -> Place:
    """Of a `local` steer only the replaced words are on record: the old text went on at least to their node's end."""
    if not steer.rejected:
        return steer.fork
    end = steer.rejected[0].end
    return trajectory.end_of(end.node) if steer.kind == "local" else end


def ahead_of(trajectory: Trajectory) -> Place | None:
    """What the model wrote beyond the head and nobody turned down: received once, perhaps not seen, still there."""
    turned_down = {
        tuple(trajectory.path(r.end)) for s in trajectory.steers if s.state != "withdrawn" for r in s.rejected
    }
    at: Place | None = trajectory.head
    reached = None
    while at is not None:
        at = _written_on(trajectory, at, turned_down)
        reached = at or reached
    return reached


def _written_on(trajectory: Trajectory, at: Place, turned_down: set[tuple[int, ...]]) -> Place | None:
    """The end of the newest span of the model's that begins at a place or goes on from it."""
    for node in reversed(trajectory.nodes):
        inside = node.id == at.node and trajectory.end_of(node.id).depth > at.depth
        below = node.parent == at.node and trajectory.start[node.id] == at.depth and node.token_ids
        if node.author == "model" and (inside or below):
            end = trajectory.end_of(node.id)
            path = tuple(trajectory.path(end))
            if not any(old[: end.depth] == path[: len(old)] and len(old) > at.depth for old in turned_down):
                return end
    return None
