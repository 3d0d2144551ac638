"""Running a coroutine as a test, on its own loop and with a time limit."""

import asyncio
import functools
import inspect


def run(test):
    @functools.wraps(test)
    def runner(**arguments):
        asyncio.run(asyncio.wait_for(test(**arguments), 40))

    runner.__signature__ = inspect.signature(test)
    return runner


async def until(condition, seconds=5.0):
    """Yield to the loop until `condition()` holds."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.002)
