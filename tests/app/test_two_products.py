"""`run` guards spot alone or beside USD-M: two owners and ledgers, one lock, one page, one control socket."""

import asyncio
import contextlib
import json
import urllib.request
from decimal import Decimal

import pytest
import yaml

from backstay.app import closing_lots, paper_exchanges, positions
from backstay.app.config import load_settings
from backstay.app.errors import RefusedError
from backstay.app.exchange import API_KEY, API_SECRET, ExchangeOptions, open_exchange
from backstay.app.ledger_paths import LEDGER, SPOT_LEDGER
from backstay.app.run import run as run_guards
from backstay.binance.net.outcomes import StreamLost
from backstay.cli.exits import Exit, exit_of
from backstay.core.records import Noted
from backstay.core.types import MS, SECOND, Product
from backstay.ledger.disk import FileDisk
from backstay.ledger.projections.errors import StoreError
from backstay.ledger.verify import verify
from backstay.runtime.control import ControlClient, ControlError, socket_path

from tests.app.spot_venues import hosts
from tests.binance.net.asyncs import run, until
from tests.binance.net.test_spot_stream import CUT, REFUSED

SWING = {"strategy": "swing", "symbols": ["BTCUSDT"], "sell_when": "fill"}
POSITIONS = {"strategy": "position_manager", "symbols": ["BTCUSDT"]}
SPOT = "spot:BTCUSDT:BOTH"


class Stage:
    """Both products on real sockets, and the account's owner."""

    def __init__(self, served, folder):
        self.served, self.folder = served, folder

    def settings(self, *managers, **more):
        document = {
            "run": {"mode": "DEMO", "enable_trading": True, "data_dir": str(self.folder / "data")},
            "logs": {"dir": str(self.folder / "logs")},
            "endpoints": hosts(self.served),
            "managers": list(managers),
            "dashboard": {"enabled": False},
            **more,
        }
        return loaded(self.folder, document)

    async def hand(self, product, **action):
        body = json.dumps({"symbol": "BTCUSDT", **action}).encode()
        url = f"{self.served.control_url}/sim/v1/{product}/human"
        return json.loads(await asyncio.to_thread(_post, url, body))["result"]

    async def fault(self, product, *rules):
        url = f"{self.served.control_url}/sim/v1/{product}/faults"
        await asyncio.to_thread(_post, url, json.dumps({"rules": list(rules)}).encode())

    async def buy_spot(self, parts="0.001,0.002"):
        await self.hand("spot", do="in_parts", parts=parts)

    async def sells(self):
        url = f"{self.served.control_url}/sim/v1/spot/truth"
        truth = json.loads(await asyncio.to_thread(_get, url))
        return [o for o in truth["orders"] if o["side"] == "SELL" and o["status"] == "NEW"]


def _post(url, body):
    with urllib.request.urlopen(urllib.request.Request(url, data=body), timeout=10) as answer:
        return answer.read()


def _get(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read()


def loaded(folder, document):
    (folder / "config.yaml").write_text(yaml.safe_dump(document))
    environ = {"BINANCE_DEMO_API_KEY": API_KEY, "BINANCE_DEMO_API_SECRET": API_SECRET}
    return load_settings(folder / "config.yaml", environ=environ)


async def stored(settings, count):
    """The lots, once the store has followed the ledger so far."""
    async with asyncio.timeout(10):
        while True:
            with contextlib.suppress(StoreError):
                found = await positions.read(settings, print)
                if len(found.lots) == count and all(row["status"] == "SELL_PLACED" for row in found.lots):
                    return found.lots
            await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def stage(folder):
    options = ExchangeOptions(
        port=0, spot_port=0, control_port=0, products=("usdm", "spot"), symbols=("BTCUSDT",), seed=3
    )
    served = await open_exchange(options)
    try:
        yield Stage(served, folder)
    finally:
        await served.close()


@contextlib.asynccontextmanager
async def running(settings):
    """`backstay run` in a task; yields its session and its control client."""
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
    task = asyncio.create_task(run_guards(settings, started=ready.set_result, stop=stop))
    await asyncio.wait([task, ready], return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        await task
    client = await ControlClient.connect(socket_path(settings.data_dir))
    try:
        yield ready.result(), client, task
    finally:
        await client.close()
        stop.set()
        with contextlib.suppress(StreamLost):
            await task


@run
async def test_both_products_in_one_process(tmp_path):
    async with stage(tmp_path) as there:
        settings = there.settings(POSITIONS, SWING)
        async with running(settings) as (session, client, _):
            assert [g.config.product for g in session.guards] == [Product.USDM, Product.SPOT]
            await there.hand("usdm", do="order", side="BUY", type="MARKET", quantity="0.01")
            await there.buy_spot()
            spot = session.guard_of(Product.SPOT)
            await until(lambda: len(session.host.positions()) == 1)
            await until(lambda: session.host.status()["lots"]["sell_placed"] == 2)
            status = (await client.ask("status"))["status"]
            assert status["lots"] == {
                "waiting_for_profit": 0,
                "sell_placed": 2,
                "unsellable": 0,
                "flagged": 0,
            }
            assert status["spot"]["streams"] == {"private": "up", "orders": "up", "market": "up"}
            await until(lambda: "BTCUSDT" in spot.owner.marks)
            assert status["health"]["grade"] in {"ok", "alarm"}

            await client.ask("pause", scope=SPOT, who="me", reason="spot alone")
            assert "operator_pause spot:BTCUSDT:BOTH" in spot.owner.account.gates
            assert not session.guard_of(Product.USDM).owner.account.gates
            await client.ask("pause", who="me", reason="everything")
            assert all("operator_pause" in guard.owner.account.gates for guard in session.guards)
            await client.ask("resume", who="me")
            assert not any("operator_pause" in guard.owner.account.gates for guard in session.guards)
            await client.ask("kill", who="me")
            assert len(await there.sells()) == 2, "a kill leaves lots' SELLs alone"
        disk = FileDisk(settings.data_dir)
        assert verify(disk, LEDGER).ok
        assert verify(disk, SPOT_LEDGER).ok


@run
async def test_spot_alone_opens_no_futures_ledger_and_closes_a_lot_when_told(tmp_path):
    async with stage(tmp_path) as there:
        settings = there.settings(SWING)
        async with running(settings) as (session, client, _):
            assert session.guard_of(Product.USDM) is None
            await there.buy_spot()
            await until(lambda: session.host.status()["lots"]["sell_placed"] == 2)
            with pytest.raises(ControlError, match="works on futures") as refused:
                await client.ask("pause", scope="usdm:BTCUSDT:BOTH")
            assert refused.value.exit_code == 3
            await until(lambda: "BTCUSDT" in session.guards[0].owner.marks)
            first, second = await stored(settings, 2)
            assert first["mark_price"] is not None
            done = await closing_lots.close_lot(settings, first, limit=None, who="me", reason="enough")
            assert (done["closed"], done["by"]) == ([first["id"]], "the running process")
        assert not (settings.data_dir / LEDGER).exists()
        # No process runs now: the command owns the account meanwhile.
        limit = Decimal(second["target"]) + 1000
        done = await closing_lots.close_lot(settings, second, limit=limit, who="me", reason="dearer")
        assert (done["resting"], done["by"]) == ([second["id"]], "this command")
        assert [Decimal(o["price"]) for o in await there.sells()] == [limit]
        done = await closing_lots.close_lot(settings, second, limit=None, who="me", reason="enough")
        assert done["closed"] == [second["id"]]
        assert await there.sells() == []
        (row,) = [
            r for r in (await positions.read(settings, print, ended=True)).lots if r["id"] == second["id"]
        ]
        assert row["status"] == "CLOSED_BY_HAND"


@run
async def test_a_stream_that_stays_away_ends_the_run_with_5_and_both_accounts_are_saved(tmp_path):
    async with stage(tmp_path) as there:
        settings = there.settings(
            POSITIONS, SWING, spot={"reconnect_timeout": "500ms", "first_retry": "50ms"}
        )
        async with running(settings) as (session, _, task):
            await there.buy_spot()
            await until(lambda: session.host.status()["lots"]["sell_placed"] == 2)
            await there.fault("spot", CUT, REFUSED)
            with pytest.raises(StreamLost) as lost:
                await asyncio.wait_for(asyncio.shield(task), 10)
            assert exit_of(lost.value) is Exit.EXCHANGE
        disk = FileDisk(settings.data_dir)
        assert verify(disk, LEDGER).ok
        assert verify(disk, SPOT_LEDGER).ok


@run
async def test_paper_keeps_its_lots_over_a_restart(tmp_path):
    document = {
        "run": {"mode": "PAPER", "data_dir": str(tmp_path / "data")},
        "logs": {"dir": str(tmp_path / "logs")},
        "managers": [{**SWING, "sell_when": "target", "profit": "20%"}],
        "dashboard": {"enabled": False},
    }
    settings = loaded(tmp_path, document)
    for lots in (2, 4):
        async with running(settings) as (session, _, _):
            exchange = session.posts[0].exchange
            body = {"do": "in_parts", "symbol": "BTCUSDT", "parts": "0.001,0.002"}
            exchange.control("POST", "/sim/v1/human", body)
            await until(lambda n=lots: session.host.status()["lots"]["waiting_for_profit"] == n, 15)
            balances = session.guards[0].owner.account.balances
            assert balances["BTC"].wallet == Decimal("0.002997") * lots / 2
    found = await positions.read(settings, print)
    assert len(found.lots) == 4
    with pytest.raises(RefusedError, match="PAPER exchange ends"):
        await closing_lots.close_lot(settings, found.lots[0], limit=None, who="me", reason="")


@pytest.mark.parametrize("product", [Product.SPOT, Product.USDM])
@run
async def test_a_paper_exchange_made_within_the_second_numbers_its_trades_on(product, tmp_path, monkeypatch):
    settings = loaded(tmp_path, {"run": {"mode": "PAPER", "data_dir": str(tmp_path)}, "managers": [SWING]})
    second = 1_795_000_000 * SECOND
    first = []
    for now in (second, second + 20 * MS, second + SECOND - 1):
        monkeypatch.setattr(paper_exchanges.WallClock, "now_ns", lambda _, now=now: now)
        exchange = paper_exchanges.embedded(settings, product)
        first.append(exchange.engine._world.markets["BTCUSDT"].next_trade_id())
        exchange.close()
    assert first == sorted(set(first))
    assert first[-1] + 1_000_000_000 < 2**63


@run
async def test_times_in_microseconds_when_the_configuration_asks_for_them(tmp_path):
    async with stage(tmp_path) as there:
        settings = there.settings(SWING, spot={"microseconds": True})
        async with running(settings) as (session, _, _):
            await there.buy_spot()
            await until(lambda: session.host.status()["lots"]["sell_placed"] == 2)
            s = session.guards[0].owner.account.scopes
            (lots,) = [scope.lots for scope in s.values()]
            times = [lot.at for bucket in lots.buckets.values() for lot in bucket.values()]
            assert any(at % 1_000_000 for at in times), "finer than a millisecond"
            assert all(at % 1_000 == 0 for at in times)


@run
async def test_r29_both_accounts_are_looked_at_as_often_as_the_configuration_says(tmp_path):
    async with stage(tmp_path) as there:
        often = {
            "mode": "DEMO",
            "enable_trading": True,
            "data_dir": str(tmp_path / "data"),
            "look_every": 0.2,
        }
        assert there.settings(POSITIONS, SWING).run.look_every == 30
        async with running(there.settings(POSITIONS, SWING, run=often)) as (session, _, _):
            asked: dict[Product, int] = {}
            for guard in session.guards:

                def heard(_seq, _at, body, product=guard.config.product):
                    if isinstance(body, Noted) and str(body.detail.get("path", "")).endswith("/openOrders"):
                        asked[product] = asked.get(product, 0) + 1

                guard.listeners.append(heard)
            await until(lambda: len(asked) == 2 and min(asked.values()) >= 3, 10)
