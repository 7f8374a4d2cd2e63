"""How fast and how much: token buckets, by whoever asks."""

import time
from collections.abc import Callable

__all__ = ["Bucket", "Buckets"]


class Bucket:
    """`burst` at once, `rate` a second in the long run."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._level, self._at = burst, clock()

    def take(self) -> bool:
        """Whether one more is allowed now."""
        now = self._clock()
        self._level = min(self._burst, self._level + (now - self._at) * self._rate)
        self._at = now
        if self._level < 1:
            return False
        self._level -= 1
        return True


class Buckets:
    """One bucket for each key, the least recently used ones forgotten."""

    def __init__(self, rate: float, burst: float, most: int = 10_000) -> None:
        self._rate, self._burst, self._most = rate, burst, most
        self._by: dict[str, Bucket] = {}

    def take(self, key: str) -> bool:
        """Whether `key` may do one more."""
        bucket = self._by.pop(key, None) or Bucket(self._rate, self._burst)
        self._by[key] = bucket
        while len(self._by) > self._most:
            self._by.pop(next(iter(self._by)))
        return bucket.take()
