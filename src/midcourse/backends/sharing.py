"""Several streams on one model: turns for what is computed, and one pass for all that only want their next token.

A model in this process computes one thing at a time, first come, first served. Whoever has a turn takes along every
other stream that is ready, so that the weights are read once for all; a stream is at most a few tokens ahead of who
reads it. What needs more than a token waits for one pass and holds up the others for one. It knows no model.
"""

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from midcourse.backends.protocol import Backend, Sampling, Token

__all__ = ["Shared", "Turns"]

_CHUNK = 256
"""Tokens of a text that are read in one turn."""
_AHEAD = 2
"""Tokens a stream is taken ahead of its reader: with one, readers who ask a moment later would miss each pass."""
_ROWS = 16
"""Streams in one pass at most."""


@dataclass(slots=True, eq=False)
class _Stream:
    """A stream whose tokens come from anybody's turn."""

    backend: Any
    going: Any
    ready: deque[Token] = field(default_factory=deque)


class Turns:
    """A lock whose waiters are served in the order in which they came."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._queue: deque[threading.Event] = deque()
        self._taken = False
        self._along = 0
        self.streams: list[_Stream] = []
        """Those that may be taken along."""

    @property
    def waiting(self) -> int:
        """How many wait now for a turn of their own, rather than to be taken along."""
        return max(0, len(self._queue) - self._along)

    @contextmanager
    def turn(self, along: bool = False) -> Iterator[None]:
        """Wait for a turn and hold it; `along` says that somebody else's turn is likely to do."""
        with self._guard:
            mine = None
            if self._taken:
                mine = threading.Event()
                self._queue.append(mine)
                self._along += along
            self._taken = True
        if mine is not None:
            mine.wait()
            with self._guard:
                self._along -= along
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
        if hasattr(self.backend, "can_join"):
            yield from self._together(token_ids, sampling)
            return
        source = self.backend.stream(token_ids, sampling)
        while True:
            with self.turns.turn():
                token = next(source, None)
            if token is None:
                return
            yield token

    def _together(self, token_ids: Sequence[int], sampling: Sampling) -> Iterator[Token]:
        backend: Any = self.backend
        mine = _Stream(backend, backend.begin(token_ids, sampling))
        self.turns.streams.append(mine)
        try:
            while True:
                if not mine.ready:
                    with self.turns.turn(along=backend.can_join(mine.going)):
                        if not mine.ready and not mine.going.over:  # else somebody took it along meanwhile
                            self._advance(mine)
                    if not mine.ready:
                        return
                yield mine.ready.popleft()
        finally:
            self.turns.streams.remove(mine)

    def _advance(self, mine: _Stream) -> None:
        """One token for this stream and, if it needs no more than that, for all that can join."""
        streams = [mine]
        if mine.backend.can_join(mine.going):
            streams += [
                s
                for s in list(self.turns.streams)
                if s is not mine
                and s.backend is mine.backend
                and len(s.ready) < _AHEAD
                and not s.going.over
                and s.backend.can_join(s.going)
            ][: _ROWS - 1]
        tokens = mine.backend.step([s.going for s in streams])
        for stream, token in zip(streams, tokens, strict=True):
            stream.ready.append(token)

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

    def score(self, token_ids: Sequence[int], start: int) -> list[float] | None:
        """Log-probabilities of `token_ids` from index `start` on, read in pieces; None where the backend tells none."""
        backend: Any = self.backend
        if not hasattr(backend, "score"):
            self.warm(token_ids)
            return None
        self.warm(token_ids[:start])
        found: list[float] = []
        for at in range(start, len(token_ids), _CHUNK):
            with self.turns.turn():
                found += backend.score(token_ids[: at + _CHUNK], at)
        return found
