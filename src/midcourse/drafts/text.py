"""Where a text stands in its tree: what is kept, what was turned down, what nobody has seen yet, and the steps back.

Every move is on record before it counts, so a move that raises has changed nothing, and none is ever lost. It knows
token ids only: no model, no characters, and not why anybody moves.
"""

from collections.abc import Sequence
from dataclasses import replace

from midcourse.backends.protocol import Token
from midcourse.drafts.growth import grow, place_at
from midcourse.drafts.history import History, Standing, Step, of_steers
from midcourse.drafts.record import Record
from midcourse.drafts.steering import Change, standing_after
from midcourse.errors import InputError
from midcourse.types import Node, Place, State, Status, Steer, Trajectory

__all__ = ["Text"]


class Text:
    """A trajectory and the path in it that is read as the text."""

    def __init__(self, record: Record | None) -> None:
        """Nothing yet: `begin` or `reopen` gives the trajectory. Without a record it lives in memory alone."""
        self._record = record
        self.history = History()
        """Steps that can be undone and done again."""
        self.turned_down: Place | None = None
        """End of the text that a rewind left behind and nothing has replaced yet."""
        self.ahead: Place | None = None
        """End of what the model wrote beyond the head and nobody has seen."""
        self._seen: int | None = None
        self._now: Trajectory | None = None

    # -- what there is ---------------------------------------------------------------------------------------------

    @property
    def begun(self) -> bool:
        """Whether there is a prompt."""
        return self._now is not None

    @property
    def trajectory(self) -> Trajectory:
        """Everything so far.

        Raises:
            InputError: There is no prompt yet.
        """
        if self._now is None:
            raise InputError("the draft has no prompt yet: call start(prompt) first")
        return self._now

    @property
    def head(self) -> Place:
        """End of what is kept and was seen."""
        return self.trajectory.head

    @property
    def received(self) -> Place:
        """Where the text ends, with what nobody has seen yet."""
        return self.ahead or self.head

    @property
    def before_rewind(self) -> Place:
        """Where it ended before anything was turned down."""
        return self.turned_down or self.received

    @property
    def prompt_length(self) -> int:
        """Tokens of the prompt."""
        return len(self.trajectory.nodes[0].token_ids)

    @property
    def depth_seen(self) -> int | None:
        """Depth to which it was seen; None: all of it."""
        return self.head.depth if self.ahead is not None else self._seen

    @property
    def standing(self) -> Standing:
        """All of that as one value."""
        return Standing(self.head, self.turned_down, self.ahead, self._seen)

    # -- beginning and end -----------------------------------------------------------------------------------------

    def begin(self, trajectory: Trajectory) -> None:
        """A prompt alone."""
        if self._record is not None:
            self._record.add(trajectory)
        self._now = trajectory

    def reopen(self, trajectory: Trajectory, ahead: Place | None) -> None:
        """One that is on record already."""
        self._now, self.history = trajectory, of_steers(trajectory)
        self.turned_down, self.ahead, self._seen = None, ahead, None

    def close(self, status: Status) -> Trajectory:
        """Accepted or discarded, as far as it was seen."""
        self._keep_head(self.head, status)
        self._now = self.trajectory.with_(status=status)
        self.ahead = self.turned_down = self._seen = None
        return self._now

    # -- moves -----------------------------------------------------------------------------------------------------

    def append(self, tokens: Sequence[Token], seen: int | None) -> None:
        """What the model wrote behind all there is; what lies beyond the first `seen` tokens is unseen (None: none)."""
        now, head = self.trajectory, self.head
        end, nodes = self.received, list[Node]()
        if tokens:
            now, end, nodes = grow(now, end, [t.id for t in tokens], "model", [t.logprob for t in tokens])
        depth = end.depth if seen is None else max(head.depth, min(end.depth, self.prompt_length + seen))
        reached = head if depth == head.depth else place_at(now, end, depth)
        if self._record is not None and (nodes or reached != head):
            self._record.append_nodes(now.id, nodes, reached)
        self._now = now if reached == head else now.with_(head=reached, status="open")
        self.ahead = end if end.depth > depth else None

    def cut_to(self, length: int) -> None:
        """The first `length` tokens as it stood before any rewind; the rest is turned down until a steer says more."""
        before, old, seen = self.standing, self.before_rewind, self.depth_seen
        place = place_at(self.trajectory, old, self.prompt_length + length)
        self._keep_head(place)
        self._stand(Standing(place, old, None, seen) if place.depth < old.depth else Standing(place))
        self.history.add(Step(before))

    def commit(self, change: Change, steer: Steer) -> None:
        """A steer, with the tree it leads to."""
        before, after = self.standing, standing_after(change, self.standing)
        if self._record is not None:
            self._record.append_steer(steer, change.nodes, after.head)
        self._now = change.trajectory.with_(steers=(*change.trajectory.steers, steer))
        self._stand(after)
        self.history.add(Step(before, steer.id))

    def let_go(self) -> None:
        """What was turned down rejects nothing."""
        self.turned_down = self._seen = None

    def jump(self, place: Place) -> None:
        """Another branch of the tree is the text."""
        if place.depth < self.prompt_length:
            raise InputError(f"depth {place.depth} lies within the prompt; the text begins at {self.prompt_length}")
        before, place = self.standing, place_at(self.trajectory, place, place.depth)
        self._keep_head(place)
        self._stand(Standing(place))
        self.history.add(Step(before))

    # -- back and forth --------------------------------------------------------------------------------------------

    def undo(self) -> bool:
        """The last step back; False if there is none."""
        if not self.history.done:
            return False
        step = self.history.done[-1]
        self._mark(step.steer, "withdrawn", step.before.head)
        self._stand(self.history.undo(self.standing).before)
        return True

    def redo(self) -> bool:
        """What was undone last once more; False if there is nothing."""
        if not self.history.undone:
            return False
        step = self.history.undone[-1]
        assert step.after is not None
        self._mark(step.steer, "active", step.after.head)
        self._stand(step.after)
        self.history.redo()
        return True

    def withdraw(self, steer: str) -> None:
        """A steer is taken back by its id; the text stays as it is."""
        if steer not in {s.id for s in self.trajectory.steers}:
            raise InputError(f"this text has no steer {steer}")
        self._mark(steer, "withdrawn", None)
        self.history.forget(steer)

    # -- inside ----------------------------------------------------------------------------------------------------

    def _stand(self, at: Standing) -> None:
        self._now = self.trajectory.with_(head=at.head, status="open")
        self.turned_down, self.ahead, self._seen = at.turned_down, at.ahead, at.seen

    def _keep_head(self, head: Place, status: Status = "open") -> None:
        if self._record is not None:
            self._record.set_head(self.trajectory.id, head, status)

    def _mark(self, steer: str | None, state: State, head: Place | None) -> None:
        """A steer is withdrawn or stands again, and with it the text ends at `head`."""
        if steer is None:
            if head is not None:
                self._keep_head(head)
            return
        if self._record is not None:
            self._record.set_state(steer, state, self.trajectory.annotator, head)
        steers = tuple(replace(s, state=state) if s.id == steer else s for s in self.trajectory.steers)
        self._now = self.trajectory.with_(steers=steers)
