"""The recent exchanges of everybody who asks, by person and chat: what the next request is compared with.

Bounded in number and in characters; what fell out or was written by an earlier process comes back from the store. It
knows no protocol and recognises nothing.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from midcourse.capture.proxy.exact import Step
from midcourse.capture.proxy.exchange import Asked, Exchange, Turn
from midcourse.capture.proxy.written import Written, prompt_of

__all__ = ["Conversations", "Remembered", "steps_to"]

EACH = 60
"""Exchanges that are compared with, in one chat."""
ALL = 40_000_000
"""Characters that are held in all."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """One exchange, and how its text began."""

    exchange: Exchange
    written: Written
    follows: str | None = None
    """The exchange whose text this one goes on with."""
    step: Step | None = None
    """The same by ids, where the server told them."""
    lacks: str = ""
    """What the model saw or wrote that the text does not show; no steer is made of such a text."""
    offered: bool = False
    """Whether tools were on offer, here or where the text began."""

    @property
    def size(self) -> int:
        """Characters."""
        asked = self.exchange.asked
        ids = 0 if self.step is None else 10 * len(self.step.ids)
        return 200 + ids + len(self.exchange.text) + len(asked.prefill) + sum(len(t.content) for t in asked.turns)

    def to_dict(self) -> dict[str, Any]:
        """As it is kept; a prompt that the request says already is not kept twice."""
        written = self.written.to_dict()
        if self.written.prompt == prompt_of(self.exchange.asked):
            del written["prompt"]
        step = None if self.step is None else self.step.to_dict()
        more = {"written": written, "follows": self.follows, "step": step, "lacks": self.lacks, "offered": self.offered}
        return {**asdict(self.exchange), **more}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> "Remembered":
        """Back again."""
        said = value["asked"]
        asked = Asked(said["route"], tuple(Turn(**t) for t in said["turns"]), said["prefill"])
        exchange = Exchange(value["id"], asked, value["text"], value["end"], value["at"])
        step = None if value["step"] is None else Step.from_dict(value["step"])
        offered = value.get("offered", False)  # exchanges of earlier versions do not say
        written = Written.from_dict({"prompt": prompt_of(asked), **value["written"]})
        return cls(exchange, written, value["follows"], step, value["lacks"], offered)


def steps_to(last: Remembered, before: Mapping[str, Remembered]) -> tuple[Step, ...]:
    """The steps of a text from its beginning to an exchange; none where one of them has no ids."""
    steps, at = list[Step](), last
    while at.step is not None:
        steps.append(at.step)
        if at.follows is None:
            return tuple(reversed(steps))
        if at.follows not in before:
            return ()
        at = before[at.follows]
    return ()


Where = tuple[str, str | None]
"""Who, and in which chat."""


class Conversations:
    """What is remembered of all of them."""

    def __init__(
        self,
        recall: Callable[[str, str | None, int], list[Remembered]],
        newest: Callable[[str, str | None], str | None],
    ) -> None:
        """Begin with nothing.

        Args:
            recall: The newest exchanges of somebody in a chat, at most so many, oldest first, from a store.
            newest: Id of the last of them: another proxy may have heard what we did not.
        """
        self._recall, self._newest = recall, newest
        self._held: OrderedDict[Where, list[Remembered]] = OrderedDict()
        self.size = 0

    def of(self, who: str, chat: str | None) -> list[Remembered]:
        """The recent exchanges, the newest last."""
        where = (who, chat)
        held = self._held.get(where)
        if held is not None and self._newest(who, chat) != (held[-1].exchange.id if held else None):
            self.size -= sum(r.size for r in self._held.pop(where))
        if where not in self._held:
            self._held[where] = self._recall(who, chat, EACH)
            self.size += sum(r.size for r in self._held[where])
        self._held.move_to_end(where)
        return self._held[where]

    def add(self, who: str, chat: str | None, new: Remembered) -> None:
        """One more, at the end; the oldest chats are let go when it is too much."""
        held = self._held.get((who, chat))
        if held is None:  # it is in the store by now, and comes back from there when it is asked for
            return
        held.append(new)
        self.size += new.size
        while len(held) > EACH:
            self.size -= held.pop(0).size
        while self.size > ALL and len(self._held) > 1:
            _, gone = self._held.popitem(last=False)
            self.size -= sum(r.size for r in gone)

    def forget(self) -> None:
        """Let go of everything: something was purged."""
        self._held.clear()
        self.size = 0
