"""How long somebody really worked: time between two signs of life counts, unless it is too long or they were away."""

import time
from collections.abc import Callable

__all__ = ["Watch"]

AWAY = 60.0
"""Seconds without a sign of life that no longer count as work."""


class Watch:
    """Counts one person's time on one draft."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: float | None = None
        self.unsaved = 0.0

    def touch(self) -> None:
        """A sign of life."""
        now = self._clock()
        if self._last is not None and now - self._last <= AWAY:
            self.unsaved += now - self._last
        self._last = now

    def away(self) -> None:
        """They left; what was counted stays."""
        self.touch()
        self._last = None

    def take(self) -> float:
        """What has not been written down yet."""
        taken, self.unsaved = self.unsaved, 0.0
        return taken
