"""What ends with a session: every account is stopped, and what fails on the way is told."""

import asyncio

import pytest

from backstay.app.session import _stop_all

from tests.binance.net.asyncs import run


class Owner:
    def __init__(self):
        self.failed = asyncio.get_running_loop().create_future()


class Stopping:
    """A guard that finds its ledger broken while it stops, or found it before."""

    def __init__(self, before=None, meanwhile=None):
        self.owner, self._meanwhile, self.stopped = Owner(), meanwhile, False
        if before is not None:
            self.owner.failed.set_result(before)

    async def stop(self, reason):
        self.stopped = True
        if self._meanwhile is not None:
            self.owner.failed.set_result(self._meanwhile)


@run
async def test_a_ledger_that_fails_while_its_guard_stops_is_told_and_the_other_is_stopped_too():
    first, second = Stopping(meanwhile=OSError("no room")), Stopping()
    with pytest.raises(OSError, match="no room"):
        await _stop_all([first, second], "stopped by its operator")
    assert second.stopped


@run
async def test_what_ended_the_run_is_not_told_twice():
    failed = Stopping(before=OSError("no room"))
    await _stop_all([failed], "failed")
    assert failed.stopped
