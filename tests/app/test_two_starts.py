"""Two accounts start beside each other: what one waits for, the other does not; nothing of it is silent."""

import asyncio
import urllib.request

import pytest

from backstay.app.errors import ExchangeError, UnreachableError
from backstay.app.run import run as run_guards
from backstay.core.types import Product
from backstay.runtime.control import ControlClient, ControlError, socket_path

from tests.app.test_two_products import POSITIONS, SPOT, SWING, stage
from tests.binance.net.asyncs import run, until

NOTHING = {
    "match": {"surface": "rest"},
    "effect": {"error": {"code": -1000, "msg": "An unknown error occurred.", "status": 500}},
}
NO_KEYS = {
    "match": {"surface": "rest", "endpoint": "GET /api/v3/account"},
    "effect": {"error": {"code": -2015, "msg": "Invalid API-key.", "status": 401}},
}


def _clear(there, product):
    url = f"{there.served.control_url}/sim/v1/{product}/faults"
    urllib.request.urlopen(urllib.request.Request(url, method="DELETE"), timeout=10).close()


@pytest.mark.parametrize(("away", "there_"), [("usdm", Product.SPOT), ("spot", Product.USDM)])
@run
async def test_an_account_that_cannot_be_had_yet_holds_up_no_other(tmp_path, away, there_):
    async with stage(tmp_path) as there:
        settings = there.settings(POSITIONS, SWING)
        await there.fault(away, NOTHING)
        sessions, told, stop = [], [], asyncio.Event()

        async def page(session):
            sessions.append(session)

            async def close():
                pass

            return close

        task = asyncio.create_task(
            run_guards(settings, page=page, started=told.append, delayed=told.append, stop=stop)
        )
        await until(lambda: sessions and told, 15)
        (session,) = sessions
        await until(session.guard_of(there_).owner.ready.is_set, 15)
        assert all("checking keys" in text for text in told)
        if there_ is Product.SPOT:
            await there.buy_spot()
            await until(lambda: session.host.status()["lots"]["sell_placed"] == 2)
        else:
            await there.hand("usdm", do="order", side="BUY", type="MARKET", quantity="0.01")
            await until(lambda: session.host.status()["positions"]["protected"] == 1)
        client = await ControlClient.connect(socket_path(settings.data_dir))
        late = SPOT if away == "spot" else "usdm:BTCUSDT:BOTH"
        with pytest.raises(ControlError, match="not guarded yet, its start is under way; nothing was done"):
            await client.ask("pause", scope=late, who="me")
        with pytest.raises(ControlError, match="it was done to the others"):
            await client.ask("pause", who="me")
        assert "operator_pause" in session.guard_of(there_).owner.account.gates
        assert not session.host.status()["ready"]
        await client.close()
        await asyncio.to_thread(_clear, there, away)
        await until(lambda: session in told, 20)
        assert session.host.status()["ready"]
        stop.set()
        await task


@run
async def test_an_account_whose_keys_are_refused_ends_the_run_and_the_other_is_saved(tmp_path):
    async with stage(tmp_path) as there:
        settings = there.settings(POSITIONS, SWING)
        await there.fault("spot", NO_KEYS)
        with pytest.raises(ExchangeError, match="refused the keys") as refused:
            await asyncio.wait_for(run_guards(settings, stop=asyncio.Event()), 20)
        assert refused.value.exit_code == 5


@pytest.mark.parametrize(("away", "there_"), [("usdm", Product.SPOT), ("spot", Product.USDM)])
@run
async def test_an_account_that_stays_out_of_reach_does_not_end_the_guard_of_the_other(tmp_path, away, there_):
    async with stage(tmp_path) as there:
        short = {
            "mode": "DEMO",
            "enable_trading": True,
            "start_patience": 1,
            "data_dir": str(tmp_path / "data"),
        }
        settings = there.settings(POSITIONS, SWING, run=short)
        await there.fault(away, NOTHING)
        sessions, told, stop = [], [], asyncio.Event()
        task = asyncio.create_task(
            run_guards(settings, started=sessions.append, delayed=told.append, stop=stop)
        )
        await until(lambda: sessions, 25)
        (session,) = sessions
        guarded = session.guard_of(there_)
        assert guarded.owner.ready.is_set()
        if there_ is Product.SPOT:
            await there.buy_spot()
            await until(lambda: session.host.status()["lots"]["sell_placed"] == 2)
        else:
            await there.hand("usdm", do="order", side="BUY", type="MARKET", quantity="0.01")
            await until(lambda: session.host.status()["positions"]["protected"] == 1)
        status = session.host.status()
        assert status["health"]["grade"] == "alarm"
        assert "not guarded: " in status["health"]["why"]
        assert not status["ready"]
        assert sum("NOT GUARDED" in str(error) for error in status["errors"]) == 1, "alarmed, once"
        client = await ControlClient.connect(socket_path(settings.data_dir))
        late = SPOT if away == "spot" else "usdm:BTCUSDT:BOTH"
        with pytest.raises(ControlError, match=r"is not guarded: .* cannot be read.*; nothing was done"):
            await client.ask("pause", scope=late, who="me")
        await client.close()
        stop.set()
        with pytest.raises(UnreachableError, match="cannot be read") as missing:
            await task
        assert missing.value.exit_code == 5
