"""Spot's snapshots over REST: what they cover, the paging of trades, what spot does not have."""

import contextlib
import json
from decimal import Decimal

import pytest
from aiohttp import web

from backstay.binance.net.outcomes import VenueUnavailable
from backstay.core.filters import conform
from backstay.core.slots import Slot
from backstay.core.types import OrderType, PositionMode, Product, Role, Side, Surface

from tests.binance.net.asyncs import run, until
from tests.binance.net.spot_stage import SYMBOL, spot_context, spot_stage

MS = 1_000_000
DAY = 24 * 3600 * 1000


@run
async def test_every_snapshot_is_of_spot_and_bears_the_venue_times_of_its_request_and_answer():
    async with spot_stage() as exchange:
        gateway = await exchange.opened()
        venue = gateway.venue
        exchange.buy("0.01")
        before = venue.venue_now_ns()
        mode = await venue.read_account_mode()
        assert (mode.position_mode, mode.can_trade) == (PositionMode.ONE_WAY, True)
        assert (mode.maker_fee, mode.taker_fee) == (Decimal("0.001"), Decimal("0.001"))
        balances = await venue.read_balances()
        wallet = {row.asset: row.wallet for row in balances.rows}
        assert wallet["BTC"] == Decimal("1.00999")
        orders = await venue.read_orders(SYMBOL)
        assert orders.symbols == (SYMBOL,)
        fills = await venue.read_fills(SYMBOL, before - 3600 * 10**9)
        assert sum(row.quantity for row in fills.rows) == Decimal("0.01")
        again = await venue.read_fills(SYMBOL, 0, fills.rows[-1].trade_id)
        assert ([row.trade_id for row in again.rows], again.from_id) == (
            [fills.rows[-1].trade_id],
            fills.rows[-1].trade_id,
        )
        for snapshot in (balances, orders, fills, again):
            assert before <= snapshot.requested_at <= snapshot.received_at
            assert snapshot.product is Product.SPOT


@run
async def test_positions_and_conditional_orders_are_empty_and_cost_no_request():
    async with spot_stage() as exchange:
        gateway = await exchange.opened()
        count = len(exchange.requests())
        positions = await gateway.venue.read_positions(SYMBOL)
        algos = await gateway.venue.read_algos(None)
        assert (positions.rows, positions.symbols, positions.product) == ((), (SYMBOL,), Product.SPOT)
        assert (algos.rows, algos.symbols, algos.product) == ((), (), Product.SPOT)
        assert len(exchange.requests()) == count
        with pytest.raises(VenueUnavailable, match="surface"):
            await gateway.venue.query_order(SYMBOL, "bks1", Surface.ALGO)


@run
async def test_the_rules_of_the_exchange_make_orders_that_it_takes():
    async with spot_stage() as exchange:
        gateway = await exchange.opened()
        rules = {one.symbol: one for one in (await gateway.venue.read_instruments()).instruments}[SYMBOL]
        headroom = gateway.venue.status().headroom
        assert set(headroom) == {"weight_1m", "orders_10s", "orders_1d"}
        rough = spot_context(
            Role.TP,
            side=Side.SELL,
            price=exchange.last * Decimal("1.0123456789"),
            quantity="0.0123456789",
        )
        fit = conform(rough.slot, rules, mark=exchange.last)
        assert isinstance(fit, Slot)
        ctx = spot_context(Role.TP, side=Side.SELL, price=fit.price, quantity=fit.quantity)
        gateway.venue.place(ctx, protective=True)
        await until(lambda: gateway.answer_to(ctx))
        assert gateway.answer_to(ctx)[0].message == ""


@run
async def test_the_commissions_of_one_symbol_may_stand_for_all():
    async with spot_stage() as exchange:
        gateway = await exchange.opened(fee_symbol=SYMBOL)
        fees = await gateway.venue.read_commission(SYMBOL)
        mode = await gateway.venue.read_account_mode()
        assert (mode.maker_fee, mode.taker_fee) == (fees.maker, fees.taker)


@run
async def test_an_order_is_found_by_its_custom_id_and_absence_is_an_answer():
    async with spot_stage() as exchange:
        gateway = await exchange.opened()
        ctx = spot_context(
            Role.SL,
            kind=OrderType.STOP_MARKET,
            side=Side.SELL,
            trigger=exchange.near("0.9"),
            quantity="0.01",
        )
        gateway.venue.place(ctx, protective=True)
        await until(lambda: gateway.answer_to(ctx))
        found = await gateway.venue.query_order(SYMBOL, ctx.ctx_id, Surface.REGULAR)
        assert found.order is not None
        assert (found.order.client_id, found.order.kind) == (ctx.ctx_id, OrderType.STOP_MARKET)
        absent = await gateway.venue.query_order(SYMBOL, "bksnever", Surface.REGULAR)
        assert absent.order is None
        assert 0 < absent.requested_at <= absent.received_at


@run
async def test_r12_an_order_that_was_archived_is_absent():
    async with spot_stage() as exchange:
        gateway = await exchange.opened()
        exchange.faults(
            {
                "match": {"surface": "rest", "endpoint": "GET /api/v3/order"},
                "effect": {"error": {"code": -2026, "msg": "Order was canceled or expired ... archived."}},
            }
        )
        assert (await gateway.venue.query_order(SYMBOL, "bksold", Surface.REGULAR)).order is None


@contextlib.asynccontextmanager
async def trades_server(trades, asked):
    """myTrades as the venue pages it: the newest rows, the oldest of a window, or from an id on."""

    async def serve(request):
        query = {name: int(value) for name, value in request.query.items() if value.isdigit()}
        asked.append(query)
        limit = query["limit"]
        if "fromId" in query:
            rows = [row for row in trades if row["id"] >= query["fromId"]][:limit]
        elif "startTime" in query:
            assert query["endTime"] - query["startTime"] < DAY
            rows = [row for row in trades if query["startTime"] <= row["time"] <= query["endTime"]][:limit]
        else:
            rows = trades[-limit:]
        return web.Response(text=json.dumps(rows), content_type="application/json")

    async def other(request):
        raise web.HTTPNotFound

    app = web.Application()
    app.add_routes([web.get("/api/v3/myTrades", serve), web.get("/{tail:.*}", other)])
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
        "symbol": SYMBOL, "id": number, "orderId": 5, "orderListId": -1, "price": "100.0", "qty": "0.010",
        "quoteQty": "1.0", "commission": "0.1", "commissionAsset": "USDT", "time": at_ms, "isBuyer": True,
        "isMaker": False, "isBestMatch": True,
    }  # fmt: skip


async def paged(trades_since, days_back, from_id=0):
    """(ids that were read, what was asked) of a venue with these (id, days ago) trades."""
    async with spot_stage(market=False) as exchange:
        now = exchange.served.pump.now() // MS
        trades = [trade(number, now - int(days * DAY)) for number, days in trades_since]
        asked = []
        async with trades_server(trades, asked) as base:
            gateway = await exchange.opened()
            gateway.venue._rest._base = base
            fills = await gateway.venue.read_fills(SYMBOL, (now - days_back * DAY) * MS, from_id)
    return [row.trade_id for row in fills.rows], asked


@run
async def test_few_trades_are_one_page():
    ids, asked = await paged([(number, 5) for number in range(1, 4)], days_back=4)
    assert (ids, len(asked)) == ([], 1)
    ids, asked = await paged([(number, 3) for number in range(1, 4)], days_back=4)
    assert (ids, len(asked)) == ([1, 2, 3], 1)


@run
async def test_many_trades_of_one_moment_are_paged_by_id():
    trades = [(number, 20) for number in range(1, 101)] + [(100 + n, 1.5) for n in range(1, 2501)]
    ids, asked = await paged(trades, days_back=3)
    assert ids == list(range(101, 2601))
    # The newest page, a window without a trade, one with some, and from its first trade on by id.
    assert ["startTime" in query for query in asked] == [False, True, True, False, False, False]
    assert [query.get("fromId") for query in asked[3:]] == [101, 1101, 2101]


@run
async def test_whoever_asks_far_back_pages_from_the_first_trade_on():
    trades = [(number, 400) for number in range(1, 11)] + [(10 + n, 90) for n in range(1, 1201)]
    ids, asked = await paged(trades, days_back=365)
    assert ids == list(range(11, 1211))
    assert [q.get("fromId") for q in asked] == [None, 0, 1001]


@run
async def test_from_an_id_on_every_trade_is_read():
    ids, asked = await paged([(number, 1) for number in range(1, 1501)], days_back=0, from_id=300)
    assert ids == list(range(300, 1501))
    assert [q["fromId"] for q in asked] == [300, 1300]
