"""Snapshots over REST, their retries, and the paging of trades."""

import contextlib
import json
from decimal import Decimal

import pytest
from aiohttp import web

from backstay.binance.net.outcomes import VenueUnavailable
from backstay.core.types import OrderType, PositionMode, Role, Side, Surface, WorkingType

from tests.binance.net.asyncs import run, until
from tests.binance.net.stage import context, stage

MS = 1_000_000


@run
async def test_every_snapshot_bears_the_venue_times_of_its_request_and_answer():
    async with stage() as exchange:
        gateway = await exchange.opened(fee_symbol="BTCUSDT")
        venue = gateway.venue
        exchange.human(do="order", symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.010")
        before = venue.venue_now_ns()
        mode = await venue.read_account_mode()
        assert mode.position_mode is PositionMode.ONE_WAY
        assert mode.can_trade
        assert mode.taker_fee
        assert mode.leverages
        assert {one.symbol for one in (await venue.read_instruments()).instruments} >= {"BTCUSDT", "ETHUSDT"}
        positions = await venue.read_positions(None)
        assert [(row.symbol, row.quantity) for row in positions.rows] == [("BTCUSDT", Decimal("0.010"))]
        balances = await venue.read_balances()
        assert any(row.asset == "USDT" and row.available is not None for row in balances.rows)
        orders = await venue.read_orders("BTCUSDT")
        assert orders.symbols == ("BTCUSDT",)
        algos = await venue.read_algos(None)
        assert algos.symbols == ()
        fills = await venue.read_fills("BTCUSDT", before - 3_600_000 * MS)
        assert sum(row.quantity for row in fills.rows) == Decimal("0.010")
        for snapshot in (positions, balances, orders, algos, fills):
            assert before <= snapshot.requested_at <= snapshot.received_at


@run
async def test_an_order_is_found_by_its_custom_id_on_its_surface_and_absence_is_an_answer():
    async with stage() as exchange:
        gateway = await exchange.opened()
        exchange.human(do="order", symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.010")
        entry = (await gateway.venue.read_positions("BTCUSDT")).rows[0].entry_price
        low = (entry * Decimal("0.9")).quantize(Decimal("0.1"))
        regular = context(price=low, quantity="0.010")
        algo = context(
            Role.SL,
            side=Side.SELL,
            kind=OrderType.STOP_MARKET,
            trigger=low,
            quantity="0.010",
            reduce_only=True,
            working_type=WorkingType.MARK_PRICE,
        )
        gateway.venue.place(regular, protective=False)
        gateway.venue.place(algo, protective=True)
        await until(lambda: len(gateway.answers) == 2)
        found = await gateway.venue.query_order("BTCUSDT", regular.ctx_id, Surface.REGULAR)
        assert found.order is not None
        assert found.order.client_id == regular.ctx_id
        found = await gateway.venue.query_order("BTCUSDT", algo.ctx_id, Surface.ALGO)
        assert found.algo is not None
        assert found.algo.client_id == algo.ctx_id
        for surface in Surface:
            absent = await gateway.venue.query_order("BTCUSDT", "bksnever", surface)
            assert (absent.order, absent.algo) == (None, None)
            assert 0 < absent.requested_at <= absent.received_at


@run
async def test_a_read_is_repeated_after_a_passing_failure_with_a_new_timestamp():
    async with stage() as exchange:
        gateway = await exchange.opened()
        exchange.faults(
            {
                "match": {"surface": "rest", "endpoint": "GET /fapi/v3/balance", "times": 2},
                "effect": {"error": {"code": -1007, "status": 408, "msg": "Timeout"}},
            }
        )
        await gateway.venue.read_balances()
        assert len(exchange.requests(endpoint="GET /fapi/v3/balance")) == 3


@run
async def test_a_read_that_is_cut_is_repeated():
    async with stage() as exchange:
        gateway = await exchange.opened()
        exchange.faults(
            {
                "match": {"surface": "rest", "endpoint": "GET /fapi/v3/balance", "nth": 1},
                "effect": {"cut": {"when": "before"}},
            }
        )
        assert (await gateway.venue.read_balances()).rows
        assert len(exchange.requests(endpoint="GET /fapi/v3/balance")) == 2


@run
async def test_a_refusal_that_will_not_pass_is_not_repeated():
    async with stage() as exchange:
        gateway = await exchange.opened()
        with pytest.raises(VenueUnavailable) as caught:
            await gateway.venue.read_orders("NOSUCH")
        assert caught.value.code == -1121
        assert len(exchange.requests(endpoint="GET /fapi/v1/openOrders")) == 1
        assert "signature" not in str(caught.value)


@contextlib.asynccontextmanager
async def trades_server(trades, asked):
    """userTrades as the venue pages it: the oldest rows of a window, or from an id on."""

    async def serve(request):
        query = {name: int(value) for name, value in request.query.items() if value.isdigit()}
        asked.append(query)
        if "fromId" in query:
            rows = [row for row in trades if row["id"] >= query["fromId"]]
        else:
            assert query["endTime"] - query["startTime"] <= 7 * 24 * 3600 * 1000
            rows = [row for row in trades if query["startTime"] <= row["time"] <= query["endTime"]]
        return web.Response(text=json.dumps(rows[: query["limit"]]), content_type="application/json")

    async def other(request):
        raise web.HTTPNotFound

    app = web.Application()
    app.add_routes([web.get("/fapi/v1/userTrades", serve), web.get("/{tail:.*}", other)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def trade(number, at_ms):
    return {
        "buyer": True, "commission": "0.1", "commissionAsset": "USDT", "id": number, "maker": False,
        "orderId": 5, "price": "100.0", "qty": "0.010", "quoteQty": "1.0", "marginAsset": "USDT",
        "realizedPnl": "0", "side": "BUY", "positionSide": "BOTH", "symbol": "BTCUSDT", "time": at_ms,
    }  # fmt: skip


@run
async def test_trades_are_paged_by_week_and_inside_a_full_page_by_id():
    async with stage(market=False) as exchange:
        day = 24 * 3600 * 1000
        now = exchange.served.pump.now() // MS
        # a hundred in an old week, 2,500 within one millisecond of the last one
        trades = [trade(number, now - 20 * day + number) for number in range(100)]
        trades += [trade(100 + number, now - day) for number in range(2500)]
        asked = []
        async with trades_server(trades, asked) as base:
            gateway = await exchange.opened()
            gateway.venue._rest._base = base
            fills = await gateway.venue.read_fills("BTCUSDT", (now - 21 * day) * MS)
    assert [row.trade_id for row in fills.rows] == list(range(2600))
    assert sum("fromId" in query for query in asked) == 2
    assert sum("startTime" in query for query in asked) == 4
