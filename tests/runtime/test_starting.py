"""A start ends with the ledger."""

import asyncio

import pytest

from backstay.runtime.starting import unless_failed


def test_a_start_ends_at_once_when_the_ledger_is_gone():
    async def play():
        failed, ended = asyncio.get_running_loop().create_future(), []

        async def reads():
            try:
                await asyncio.Event().wait()
            finally:
                ended.append("let go of")

        asyncio.get_running_loop().call_soon(failed.set_result, OSError("no disk"))
        with pytest.raises(OSError, match="no disk"):
            await unless_failed(reads(), failed)
        return ended

    assert asyncio.run(play()) == ["let go of"]


def test_what_the_start_itself_meets_is_raised_as_it_is():
    async def play():
        failed = asyncio.get_running_loop().create_future()

        async def refused():
            raise PermissionError("keys")

        with pytest.raises(PermissionError, match="keys"):
            await unless_failed(refused(), failed)
        await unless_failed(asyncio.sleep(0), failed)

    asyncio.run(play())


def test_a_start_that_is_cancelled_leaves_nothing_behind():
    async def play():
        failed, ended = asyncio.get_running_loop().create_future(), []

        async def reads():
            try:
                await asyncio.Event().wait()
            finally:
                ended.append("let go of")

        start = asyncio.ensure_future(unless_failed(reads(), failed))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        start.cancel()
        with pytest.raises(asyncio.CancelledError):
            await start
        return ended

    assert asyncio.run(play()) == ["let go of"]
