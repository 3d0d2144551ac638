"""Running a coroutine as a test, and waiting for a condition without a fixed sleep."""

import asyncio
import functools
import inspect


def run(test):
    """Run an async test on its own loop, with a time limit."""

    @functools.wraps(test)
    def runner(**arguments):
        asyncio.run(asyncio.wait_for(test(**arguments), 20))

    runner.__signature__ = inspect.signature(test)
    return runner


async def until(condition, seconds=20.0):
    """Yield to the loop until `condition()` holds."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.002)


class NoJitter:
    """Entropy without chance."""

    def jitter(self):
        return 0.0
