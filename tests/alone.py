"""Coroutines on an event loop of their own, also while Playwright keeps one running in the thread of the tests."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

__all__ = ["run_alone"]


def run_alone(work: Coroutine[Any, Any, Any]) -> Any:
    """What it returns or raises, run to its end in another thread."""
    with ThreadPoolExecutor(1) as other:
        return other.submit(asyncio.run, work).result()
