"""Who looks at a draft: events are numbered, remembered for a while, and sent to every tab.

A tab that was away gets exactly what it missed, while that is remembered. It knows no draft, no command and no socket:
a tab is anything that takes text.
"""

import time
import uuid
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from midcourse.capture.studio import events

__all__ = ["Audience", "Tab"]

_LOG_EVENTS, _LOG_SIZE = 20_000, 8_000_000


class Tab(Protocol):
    """Whoever looks at a draft."""

    def send(self, text: str) -> None:
        """Take one event; never blocks."""
        ...


class Audience:
    """The tabs on one draft, and what was said to them."""

    def __init__(self) -> None:
        self.epoch = uuid.uuid4().hex[:12]
        """Of this numbering: another server begins another one."""
        self.seq = 0
        """Number of the last event."""
        self.tabs: set[Tab] = set()
        self._log: deque[tuple[int, str]] = deque()
        self._size = 0
        self._left = time.monotonic()

    @property
    def alone_for(self) -> float:
        """Seconds since the last tab left; 0 while somebody looks."""
        return 0.0 if self.tabs else time.monotonic() - self._left

    def join(self, tab: Tab, epoch: str | None, seq: int | None, whole: Callable[[], str]) -> None:
        """Let a tab look on: what it missed since `seq`, or where that is not remembered the `whole`."""
        first = self._log[0][0] if self._log else self.seq + 1
        if epoch == self.epoch and seq is not None and first <= seq + 1 and seq <= self.seq:
            for n, text in self._log:
                if n > seq:
                    tab.send(text)
        else:
            tab.send(whole())
        self.tabs.add(tab)
        self.emit(events.Presence, tabs=len(self.tabs))

    def leave(self, tab: Tab) -> None:
        """It looks no longer."""
        if tab in self.tabs:
            self.tabs.discard(tab)
            self._left = time.monotonic()
            self.emit(events.Presence, tabs=len(self.tabs))

    def emit(self, kind: Callable[..., Any], **fields: Any) -> None:
        """Number an event, remember it and send it to every tab."""
        self.seq += 1
        text = kind(seq=self.seq, **fields).model_dump_json(by_alias=True)
        self._log.append((self.seq, text))
        self._size += len(text)
        while len(self._log) > _LOG_EVENTS or self._size > _LOG_SIZE:
            self._size -= len(self._log.popleft()[1])
        for tab in list(self.tabs):
            tab.send(text)
