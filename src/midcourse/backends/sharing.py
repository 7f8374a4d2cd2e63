"""Several streams take turns on one model: first come, first served, one token each.

A model in this process computes one thing at a time. Each stream queues anew for every token, so drafts advance side by
side whatever their length, and a look at alternatives waits for one token of each at most. It knows no model.
"""

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from midcourse.backends.protocol import Backend, Sampling, Token

__all__ = ["Shared", "Turns"]

_CHUNK = 256
"""Tokens of a text that are read in one turn."""


class Turns:
    """A lock whose waiters are served in the order in which they came."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._queue: deque[threading.Event] = deque()
        self._taken = False

    @property
    def waiting(self) -> int:
        """How many wait now."""
        return len(self._queue)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a turn and hold it."""
        with self._guard:
            mine = None
            if self._taken:
                mine = threading.Event()
                self._queue.append(mine)
            self._taken = True
        if mine is not None:
            mine.wait()
        try:
            yield
        finally:
            with self._guard:
                if self._queue:
                    self._queue.popleft().set()
                else:
                    self._taken = False


class Shared:
    """A backend whose streams may run in threads of their own."""

    def __init__(self, backend: Backend, turns: Turns | None = None) -> None:
        """Share `backend`; several backends on one machine may share the same `turns`."""
        self.backend, self.turns = backend, turns or Turns()

    def stream(self, token_ids: Sequence[int], sampling: Sampling) -> Iterator[Token]:
        """See `Backend.stream`."""
        self.warm(token_ids, leave=_CHUNK)
        source = self.backend.stream(token_ids, sampling)
        while True:
            with self.turns.turn():
                token = next(source, None)
            if token is None:
                return
            yield token

    def warm(self, token_ids: Sequence[int], leave: int = 0) -> None:
        """Read ahead in pieces, a turn each, where the backend can; `leave` so many tokens for the stream itself."""
        backend: Any = self.backend
        if not hasattr(backend, "warm") or not hasattr(backend, "held"):
            return
        with self.turns.turn():
            at, end = backend.held(token_ids), len(token_ids) - leave
        while at < end:
            at = min(end, at + _CHUNK)
            with self.turns.turn():
                backend.warm(token_ids[:at])
