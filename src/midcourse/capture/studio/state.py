"""What all routes of one server share. It decides nothing."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from midcourse.capture.studio.access import Access
from midcourse.capture.studio.office import Office
from midcourse.capture.studio.rooms import Rooms
from midcourse.capture.studio.socket import Socket, Visitor
from midcourse.capture.studio.writer import Writer

__all__ = ["Studio"]


@dataclass
class Studio:
    """What the routes share."""

    office: Office
    writer: Writer
    rooms: Rooms
    access: Access
    sockets: set[Socket] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)
    seen: dict[str, float] = field(default_factory=dict)
    """When each person last opened a tab."""
    waiting: int = 0
    """Steers in the inbox when it was looked at last."""
    ready: bool = False
    dev: bool = False
    """Read the page's files anew for each request."""

    def can(self, visitor: Visitor) -> tuple[str, ...]:
        """What this server lets this person do."""
        return ("alternatives", "queue", "review", "train") if visitor.role == "admin" else ("alternatives",)

    def tell_all(self, event: Any, *, admins: bool = False) -> None:
        """Send an event that belongs to no draft to every tab."""
        text = event.model_dump_json(by_alias=True)
        for socket in list(self.sockets):
            if not admins or socket.visitor.role == "admin":
                socket.send(text)
