"""One running stream: a thread draws tokens, the event loop takes them in batches as they arrive.

A batch is whatever came while the last one was being kept and sent, so a slow disk or line makes batches longer, never
the model slower. A server that says nothing is left to itself when the person has stopped it: nobody waits for it. It
knows no draft and no socket.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Sequence

from midcourse.backends.protocol import Backend, Sampling, Token

__all__ = ["SILENCE", "Pump"]

SILENCE = 10.0
"""Seconds without a token after which an empty batch says so."""
_LEFT_AFTER = 1.0
"""Seconds that the token being computed is waited for after a stop."""


class Pump:
    """Starts at once."""

    def __init__(self, backend: Backend, token_ids: Sequence[int], sampling: Sampling) -> None:
        self._source = (backend, token_ids, sampling)
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._arrived: list[Token] = []
        self._over = False
        self._stop = threading.Event()
        self.limit = sampling.max_new_tokens
        self.count = 0
        """Tokens that have arrived."""
        self.error: Exception | None = None
        """What ended the stream, if it was not the model."""
        self.began = time.monotonic()
        self.first: float | None = None
        """Seconds to the first token."""
        threading.Thread(target=self._run, daemon=True, name="studio-stream").start()

    @property
    def stopped(self) -> bool:
        """Whether it was told to stop."""
        return self._stop.is_set()

    @property
    def rate(self) -> float | None:
        """Tokens per second behind the first."""
        if self.first is None or self.count < 2:
            return None
        return (self.count - 1) / max(1e-6, time.monotonic() - self.began - self.first)

    def stop(self) -> None:
        """No more tokens than the one being computed, and none of those that take long to come."""
        if not self._stop.is_set():
            self._stop.set()
            self._loop.call_later(_LEFT_AFTER, self._take, None)

    async def batches(self) -> AsyncIterator[list[Token]]:
        """What arrives, until it is over; an empty batch after a while in which nothing did."""
        while True:
            try:
                await asyncio.wait_for(self._wake.wait(), SILENCE)
            except TimeoutError:
                yield []
                continue
            self._wake.clear()
            batch, self._arrived = self._arrived, []
            if batch:
                yield batch
            if self._over and not self._arrived:
                return

    def _run(self) -> None:
        backend, token_ids, sampling = self._source
        try:
            source = backend.stream(token_ids, sampling)
            for token in source:
                self.count += 1
                if self.first is None:
                    self.first = time.monotonic() - self.began
                self._tell(token)
                if self._stop.is_set():
                    close = getattr(source, "close", None)
                    if close is not None:
                        close()
                    break
        except Exception as error:
            self.error = error
        finally:
            self._tell(None)

    def _tell(self, token: Token | None) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: the server is going down
            self._loop.call_soon_threadsafe(self._take, token)

    def _take(self, token: Token | None) -> None:
        if token is None:
            self._over = True
        elif not self._over:  # else it is too late: whoever stopped it has gone on
            self._arrived.append(token)
        self._wake.set()
