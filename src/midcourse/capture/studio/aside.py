"""Work that nobody waits for longer than they care to: in a thread of its own, left to itself when it takes too long.

The threads in which the store is written are few, and a server that says nothing must not hold them. It knows no model.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

__all__ = ["aside"]

T = TypeVar("T")


async def aside(work: Callable[[], T], seconds: float) -> T:
    """The result of `work`, or what it raises.

    Raises:
        TimeoutError: It takes longer; what it may still find belongs to nobody.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def tell(put: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: the server is going down
            loop.call_soon_threadsafe(lambda: None if done.done() else put())

    def run() -> None:
        try:
            result = work()
        except Exception as error:
            failed = error
            tell(lambda: done.set_exception(failed))
        else:
            tell(lambda: done.set_result(result))

    threading.Thread(target=run, daemon=True, name="studio-aside").start()
    return await asyncio.wait_for(done, seconds)
