"""What a draft asks of whatever keeps it: five kinds of record, each whole or not at all."""

from collections.abc import Sequence
from typing import Protocol

from midcourse.types import Node, Place, State, Status, Steer, Trajectory

__all__ = ["Record"]


class Record(Protocol):
    """A store, or anything that remembers like one. A call that raises has kept nothing."""

    def add(self, trajectory: Trajectory) -> bool:
        """A new trajectory."""
        ...

    def append_nodes(self, trajectory: str, nodes: Sequence[Node], head: Place | None = None) -> None:
        """New nodes, and with them the new head of an open text."""
        ...

    def append_steer(self, steer: Steer, nodes: Sequence[Node] = (), head: Place | None = None) -> None:
        """A steer with its nodes and the head it leads to."""
        ...

    def set_head(self, trajectory: str, head: Place, status: Status) -> None:
        """Where the text ends now."""
        ...

    def set_state(self, steer: str, state: State, by: str | None = None, head: Place | None = None) -> None:
        """An undo, and the head it leads back to."""
        ...
