"""Work aside gives its result or its error in time, and nothing later."""

import asyncio
import threading

import pytest

from alone import run_alone
from midcourse.capture.studio.aside import aside


def test_what_it_finds_and_what_it_raises_arrive():
    assert run_alone(aside(lambda: threading.current_thread().name, 5)) == "studio-aside"

    def fail():
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        run_alone(aside(fail, 5))


def test_what_takes_too_long_is_left_to_itself():
    go, done = threading.Event(), threading.Event()

    def slow():
        go.wait(10)
        done.set()
        return 1

    async def run():
        with pytest.raises(TimeoutError):
            await aside(slow, 0.05)
        go.set()
        assert await asyncio.to_thread(done.wait, 5)
        await asyncio.sleep(0.05)  # what it found late disturbs nobody
        return "on"

    assert run_alone(run()) == "on"
