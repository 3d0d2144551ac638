"""A spot holding under take-profit and stop, by `run` on real sockets: what is shown, how it is closed."""

import asyncio
import contextlib
import os
import sys

import pytest

from backstay.app import closing, positions
from backstay.app.exchange import API_KEY, API_SECRET
from backstay.app.ledger_paths import SPOT_LEDGER
from backstay.core.events import OperatorAction
from backstay.core.names import scope_of_name
from backstay.core.types import Product
from backstay.ledger.disk import FileDisk
from backstay.ledger.projections.errors import StoreError
from backstay.ledger.verify import verify

from tests.app.spot_venues import HOLDING
from tests.app.test_two_products import running, stage
from tests.binance.net.asyncs import run, until


async def pair(there, size):
    """Both legs of one list of this size rest."""
    rows = await there.sells()
    kinds = sorted((o["type"], float(o["origQty"])) for o in rows)
    return (
        kinds == [("LIMIT_MAKER", size), ("STOP_LOSS", size)] and len({o["orderListId"] for o in rows}) == 1
    )


async def paired(there, size):
    async with asyncio.timeout(15):
        while not await pair(there, size):
            await asyncio.sleep(0.05)


async def shown(settings):
    """What the commands show, once the store follows the ledger."""
    async with asyncio.timeout(10):
        while True:
            with contextlib.suppress(StoreError):
                return await positions.read(settings, print)
            await asyncio.sleep(0.05)


@run
async def test_a_holding_is_a_position_with_both_of_its_orders_and_closes_when_told(tmp_path):
    async with stage(tmp_path) as there:
        settings = there.settings(HOLDING)
        async with running(settings) as (session, _, _):
            await there.buy_spot("0.01,0.02")
            await paired(there, 0.02997)
            await until(lambda: [r["status"] for r in session.host.positions()] == ["GUARDED"])
            found = await shown(settings)
            (row,) = found.positions
            assert (row["product"], row["symbol"], row["side"]) == ("spot", "BTCUSDT", "LONG")
            assert row["stop"]["price"] and row["take_profit"]["price"]
            assert found.lots == [], "what is guarded as a whole is not listed by the buy"
            scope = scope_of_name("spot", row["id"])
            done = await closing.close(
                settings, OperatorAction.CLOSE, who="me", reason="enough", scope=scope, patience_s=20
            )
            assert done["closed"] == [row["id"]]
            assert await there.sells() == []
            assert session.guard_of(Product.SPOT).owner.account.scopes[scope].position.quantity == 0
        assert verify(FileDisk(settings.data_dir), SPOT_LEDGER).ok


@contextlib.asynccontextmanager
async def process(folder):
    """The real program, in a process of its own; ends with `kill -9`."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("BINANCE_", "BACKSTAY_", "EXECUTION_"))}
    keys = {"BINANCE_DEMO_API_KEY": API_KEY, "BINANCE_DEMO_API_SECRET": API_SECRET}
    pipe = asyncio.subprocess.PIPE
    command = (sys.executable, "-m", "backstay.cli.main", "run", "--json")
    made = await asyncio.create_subprocess_exec(
        *command, cwd=folder, env={**kept, **keys}, stdout=pipe, stderr=pipe
    )
    try:
        async with asyncio.timeout(30):
            line = await made.stdout.readline()
        assert line, (await made.stderr.read()).decode()
        yield made
    finally:
        made.kill()
        await made.communicate()


@pytest.mark.slow
def test_i32_a_killed_process_adopts_its_list_and_covers_what_came_meanwhile(tmp_path):
    # Three starts of the real program take longer than a test of one loop may.
    asyncio.run(asyncio.wait_for(_check_killed(tmp_path), 150))


async def _check_killed(tmp_path):
    async with stage(tmp_path) as there:
        settings = there.settings(HOLDING)
        async with process(tmp_path):
            await there.buy_spot("0.01")
            await paired(there, 0.00999)
            before = {o["clientOrderId"] for o in await there.sells()}
        async with process(tmp_path):
            await asyncio.sleep(0.5)
            assert {o["clientOrderId"] for o in await there.sells()} == before, "adopted, not placed again"
        await there.buy_spot("0.01")
        async with process(tmp_path):
            await paired(there, 0.01998)
        assert verify(FileDisk(settings.data_dir), SPOT_LEDGER).ok
