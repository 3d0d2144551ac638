"""Spot's user data on real sockets: subscriptions, gaps, polling while the stream is away, giving up."""

import asyncio
from decimal import Decimal

import msgspec
import pytest

from backstay.binance.net import market_stream
from backstay.binance.net.outcomes import StreamLost, VenueUnavailable
from backstay.binance.wire.decode_market import AggTrade, BookTicker, Depth, Kline, MarkPrice
from backstay.core.events import (
    AccountReport,
    BalancesSnapshot,
    FillsSnapshot,
    OrderReport,
    StreamChanged,
)
from backstay.core.types import OrderStatus, Product
from backstay.simulator.server.settings import ServerSettings

from tests.binance.net.asyncs import run, until
from tests.binance.net.spot_stage import FAST, SYMBOL, spot_stage

changed = msgspec.structs.replace
REFUSED = {"match": {"surface": "ws_api"}, "effect": {"refuse_connection": {"status": 503}}}
CUT = {"match": {"surface": "ws_api", "at_ms": 0}, "effect": {"cut": {"surface": "ws_api"}}}


def away(exchange):
    """Cut every connection of the WebSocket API and refuse new ones."""
    exchange.faults(CUT, REFUSED)


@pytest.mark.parametrize("ed25519", [False, True])
@run
async def test_a_fill_by_hand_arrives_in_the_order_of_the_wire(ed25519):
    async with spot_stage() as exchange:
        gateway = await exchange.opened(ed25519=ed25519)
        exchange.buy()
        await until(lambda: gateway.of(AccountReport) and gateway.of(OrderReport)[-1].status == "FILLED")
        kinds = [type(event) for event in gateway.events]
        assert kinds[0] is StreamChanged
        assert kinds[-1] is AccountReport
        assert {event.product for event in gateway.events if hasattr(event, "product")} == {Product.SPOT}
        wallet = {row.asset: row for row in gateway.of(AccountReport)[-1].balances}
        assert wallet["BTC"].wallet == wallet["BTC"].available == Decimal("1.00999")
        assert gateway.stream_states == ["connected"]
        methods = [row["endpoint"] for row in exchange.requests(surface="ws_api")]
        signed = "userDataStream.subscribe" + ("" if ed25519 else ".signature")
        assert signed in methods
        assert not [row for row in exchange.requests() if "userDataStream" in row["endpoint"][:30]][2:]


@run
async def test_a_cut_is_a_gap_and_the_stream_comes_back():
    async with spot_stage() as exchange:
        gateway = await exchange.opened()
        exchange.faults(CUT)
        await until(lambda: gateway.stream_states == ["connected", "disconnected", "connected"])
        exchange.buy()
        await until(lambda: gateway.of(AccountReport))
        assert gateway.of(OrderReport)[-1].status is OrderStatus.FILLED


@pytest.mark.parametrize("ed25519", [False, True])
@run
async def test_an_ended_subscription_is_told_and_replaced(ed25519):
    async with spot_stage() as exchange:
        gateway = await exchange.opened(ed25519=ed25519)
        exchange.faults({"match": {"at_ms": 0}, "effect": "subscription_end"})
        await until(lambda: len(gateway.stream_states) >= 4)
        assert gateway.stream_states[:4] == ["connected", "expired", "disconnected", "connected"]
        exchange.buy()
        await until(lambda: gateway.of(AccountReport))


@run
async def test_an_announced_shutdown_costs_no_event_and_no_trust():
    async with spot_stage() as exchange:
        gateway = await exchange.opened()
        exchange.faults({"match": {"at_ms": 0}, "effect": {"server_shutdown": {"ms": 300}}})
        await until(lambda: "overlap" in gateway.stream_states)
        exchange.buy()
        await until(lambda: gateway.of(AccountReport))
        assert gateway.stream_states == ["connected", "overlap"]
        assert not gateway.venue.status().away_since


@run
async def test_the_order_connection_hears_of_an_announced_shutdown_too():
    async with spot_stage() as exchange:
        gateway = await exchange.opened()
        exchange.faults({"match": {"at_ms": 0}, "effect": {"server_shutdown": {"ms": 30_000}}})
        await until(lambda: "order connection: up (overlap)" in gateway.log)
        assert gateway.venue.status().orders_up


@run
async def test_a_connection_is_replaced_before_the_venue_closes_it():
    async with spot_stage() as exchange:
        gateway = await exchange.opened(timings=changed(FAST, connection_life=0.3, overlap=0.05))
        await until(lambda: gateway.stream_states.count("overlap") >= 2)
        assert set(gateway.stream_states) == {"connected", "overlap"}


@run
async def test_the_owner_can_have_the_stream_reopened():
    async with spot_stage() as exchange:
        gateway = await exchange.opened()
        await gateway.venue.reconnect_private()
        assert gateway.stream_states == ["connected", "disconnected", "connected"]
        exchange.buy()
        await until(lambda: gateway.of(AccountReport))


@run
async def test_silence_is_probed_and_a_deaf_connection_is_replaced():
    async with spot_stage() as exchange:
        gateway = await exchange.opened(timings=changed(FAST, probe=0.06, probe_answer=0.1))
        await until(lambda: exchange.requests(endpoint="session.subscriptions"))
        assert gateway.stream_states == ["connected"]
        exchange.faults({"match": {"at_ms": 0}, "effect": {"half_open": {"surface": "ws_api"}}})
        await until(lambda: "disconnected" in gateway.stream_states)
        exchange.clear_faults()
        await until(lambda: gateway.stream_states[-1] == "connected")


@run
async def test_a_deposit_is_read_because_its_event_states_only_the_change():
    async with spot_stage() as exchange:
        gateway = await exchange.opened(timings=changed(FAST, read_lag=0.1))
        exchange.human(do="deposit", asset="BTC", amount="2")
        await until(lambda: gateway.of(BalancesSnapshot))
        wallet = {row.asset: row.wallet for row in gateway.of(BalancesSnapshot)[-1].rows}
        assert wallet["BTC"] == 3
        exchange.human(do="lock", asset="BTC", amount="0.5")
        await until(lambda: len(gateway.of(BalancesSnapshot)) == 2)


@run
async def test_opening_is_tried_several_times_with_growing_pauses():
    async with spot_stage() as exchange:
        exchange.faults(REFUSED)
        gateway = exchange.gateway(timings=changed(FAST, first_attempts=3, first_delay=0.01))
        with pytest.raises(VenueUnavailable):
            await gateway.venue.open()
        left = [line.rpartition("; ")[2] for line in gateway.log if line.endswith("left")]
        assert left == ["2 attempts left", "1 attempt left"]
        exchange.clear_faults()
        await gateway.venue.open()
        assert gateway.stream_states == ["connected"]


@pytest.mark.parametrize("ed25519", [False, True])
@run
async def test_refused_keys_halt_and_are_told(ed25519):
    async with spot_stage() as exchange:
        exchange.faults({"match": {}, "effect": "keys_revoked"})
        gateway = exchange.gateway(ed25519=ed25519)
        with pytest.raises(VenueUnavailable) as caught:
            await gateway.venue.open()
        assert caught.value.fatal
        assert ("venue_halt", True) in gateway.gates


# --- while the stream is away ---------------------------------------------------------------------------


@run
async def test_while_the_stream_is_away_orders_trades_balances_and_prices_are_read_and_told_as_events():
    async with spot_stage() as exchange:
        gateway = await exchange.opened()
        gateway.venue.watch_marks([SYMBOL])
        price = str(exchange.near("0.9"))
        kept = exchange.human(
            do="order", symbol=SYMBOL, side="BUY", type="LIMIT", price=price, quantity="0.01"
        )["result"]
        gone = exchange.human(
            do="order", symbol=SYMBOL, side="BUY", type="LIMIT", price=price, quantity="0.02"
        )["result"]
        away(exchange)
        await until(lambda: gateway.venue.status().away_since)
        await until(lambda: any(r.execution == "SNAPSHOT" for r in gateway.of(OrderReport)))
        seen = len(gateway.events)
        marks = len(gateway.marks)
        exchange.human(do="cancel", symbol=SYMBOL, orderId=gone["orderId"])
        exchange.buy("0.05")

        def later(kind):
            return [event for event in gateway.events[seen:] if isinstance(event, kind)]

        await until(lambda: gone["orderId"] in {e.order_id for e in later(OrderReport)})
        await until(lambda: later(FillsSnapshot) and later(AccountReport))
        told = {e.order_id: e for e in later(OrderReport)}
        assert told[gone["orderId"]].status is OrderStatus.CANCELED
        assert kept["orderId"] not in told  # it has not changed
        fills = {row.trade_id: row for e in later(FillsSnapshot) for row in e.rows}
        assert sum(row.quantity for row in fills.values()) == Decimal("0.05")
        assert {row.asset for e in later(AccountReport) for row in e.balances} == {"USDT", "BTC"}
        await until(lambda: len(gateway.marks) > marks)
        exchange.clear_faults()
        await until(lambda: gateway.stream_states[-1] == "connected")
        assert not gateway.venue.status().away_since
        polls = gateway.venue._outage.polls
        await asyncio.sleep(0.15)
        assert gateway.venue._outage.polls == polls
        assert gateway.lost == []


@run
async def test_after_its_time_the_gateway_gives_up_once_and_says_so():
    async with spot_stage() as exchange:
        gateway = await exchange.opened(timings=changed(FAST, give_up=0.2))
        away(exchange)
        await until(lambda: gateway.lost)
        (failure,) = gateway.lost
        assert isinstance(failure, StreamLost)
        assert isinstance(failure, VenueUnavailable)
        assert "0.2 s" in str(failure)
        assert "orders stay resting" in str(failure)
        await asyncio.sleep(0.1)
        assert len(gateway.lost) == 1


@run
async def test_after_its_attempts_the_gateway_gives_up():
    async with spot_stage() as exchange:
        gateway = await exchange.opened(timings=changed(FAST, attempts=3))
        away(exchange)
        await until(lambda: gateway.lost)
        assert "3 attempts" in str(gateway.lost[0])


@run
async def test_a_stream_that_returns_in_time_is_never_given_up():
    async with spot_stage() as exchange:
        gateway = await exchange.opened(timings=changed(FAST, give_up=0.3, attempts=50))
        away(exchange)
        await until(lambda: gateway.venue.status().away_since)
        exchange.clear_faults()
        await until(lambda: gateway.stream_states[-1] == "connected")
        await asyncio.sleep(0.4)
        assert gateway.lost == []


@run
async def test_8_1_418_stops_the_polling_too_until_an_operator_releases():
    async with spot_stage() as exchange:
        gateway = await exchange.opened()
        exchange.faults(
            CUT,
            REFUSED,
            {
                "match": {"surface": "rest", "endpoint": "GET /api/v3/openOrders", "times": 1},
                "effect": {"ban_418": {"seconds": 1}},
            },
        )
        await until(lambda: ("venue_halt", True) in gateway.gates)
        assert gateway.venue.status().banned == 1
        count = len(exchange.requests(surface="rest"))
        await asyncio.sleep(0.2)
        assert len(exchange.requests(surface="rest")) == count
        exchange.control("POST", "/sim/v1/clock", {"advance": "2s"})
        exchange.clear_faults()
        gateway.venue.release_halt("the operator has looked")
        polls = gateway.venue._outage.polls
        # Whichever comes first: the next poll, or the stream that makes it needless.
        await until(
            lambda: len(exchange.requests(surface="rest")) > count or gateway.venue.status().private_up
        )
        assert gateway.venue._outage.polls >= polls


@run
async def test_8_1_a_429_in_a_row_waits_twice_as_long_and_is_counted():
    async with spot_stage() as exchange:
        gateway = await exchange.opened()
        exchange.faults(
            {
                "match": {"surface": "rest", "endpoint": "GET /api/v3/openOrders", "times": 2},
                "effect": {"throttle_429": {"retry_after": 1}},
            }
        )
        pauses = []
        for _ in range(2):
            with pytest.raises(VenueUnavailable):
                await gateway.venue.read_orders(None)
            status = gateway.venue.status()
            pauses.append(round((status.limited_until - gateway.venue.venue_now_ns()) / 10**9))
        assert pauses == [1, 2]
        assert gateway.venue.status().refused_by_limit == 2


# --- market ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("microseconds", [False, True])
@run
async def test_marks_are_last_trade_prices_and_every_stream_has_its_values(microseconds):
    async with spot_stage() as exchange:
        gateway = await exchange.opened(microseconds=microseconds)
        gateway.venue.watch_marks([SYMBOL])
        gateway.venue.watch_streams(
            [
                market_stream.kline(SYMBOL, "1m"),
                market_stream.agg_trade(SYMBOL),
                market_stream.book_ticker(SYMBOL),
                market_stream.top_levels_of_spot(SYMBOL),
            ]
        )
        kinds = {MarkPrice, Kline, AggTrade, BookTicker, Depth}
        await until(lambda: {type(event) for event in gateway.market} >= kinds, 10)
        now = gateway.venue.venue_now_ns()
        for event in gateway.market:
            assert event.symbol == SYMBOL
            assert abs(event.at - now) < 60 * 10**9
        book = next(event for event in gateway.market if isinstance(event, Depth))
        assert book.bids[0][0] < book.asks[0][0]
        assert list(book.bids) == sorted(book.bids, reverse=True)
        assert list(book.asks) == sorted(book.asks)
        assert gateway.marks[0][0] == SYMBOL
        assert abs(gateway.marks[0][1] / exchange.last - 1) < Decimal("0.05")
        connections = [row for row in exchange.requests() if row.get("surface") == "market"]
        assert len({row.get("conn") for row in connections}) <= 1


@run
async def test_no_secret_is_logged_or_told():
    async with spot_stage() as exchange:
        gateway = await exchange.opened()
        away(exchange)
        await until(lambda: gateway.venue.status().away_since)
        exchange.clear_faults()
        await until(lambda: gateway.stream_states[-1] == "connected")
        told = " ".join(gateway.log) + str(gateway.events)
        assert "s" * 64 not in told
        assert "signature" not in told


@run
async def test_a_burst_of_5000_frames_loses_none():
    quiet = changed(ServerSettings.spot_for_sockets(), shutdown_notice_s=0)
    async with spot_stage(quiet, market=False) as exchange:
        gateway = await exchange.opened()
        frame = {
            "e": "listStatus", "E": 1790000000102, "s": SYMBOL, "g": 7, "c": "OCO", "l": "UPDATED",
            "L": "EXECUTING", "r": "NONE", "C": "bks", "T": 1790000000100, "O": [],
        }  # fmt: skip
        users = exchange.served.venue._users
        now = exchange.served.pump.now()
        for number in range(5000):
            users.private("main", {**frame, "g": number}, now)
        exchange.served.pump.start()
        await until(lambda: len(gateway.events) >= 5001)
        assert [e.list_id for e in gateway.events if hasattr(e, "list_id")] == list(range(5000))


@pytest.mark.parametrize("told", [True, False])
@run
async def test_a_read_that_lags_does_not_undo_what_the_stream_told_of_a_withdrawal(told):
    lag = {"match": {"at_ms": 0}, "effect": {"visibility_lag": {"ms": 200, "lagging": "balances"}}}
    lost = {"match": {"event": "outboundAccountPosition", "times": 1}, "effect": "drop"}
    async with spot_stage() as exchange:
        gateway = await exchange.opened(timings=changed(FAST, read_lag=0.5))
        exchange.faults(lag, *() if told else (lost,))
        exchange.human(do="withdraw", asset="BTC", amount="0.75")
        await asyncio.sleep(0.3)
        assert not gateway.of(BalancesSnapshot)
        exchange.human(do="deposit", asset="USDT", amount="1")
        await until(lambda: gateway.of(BalancesSnapshot))
        reports = gateway.of(AccountReport)
        assert len(reports) == 1 + told
        wallets = {row.asset: row.wallet for row in gateway.of(BalancesSnapshot)[-1].rows}
        assert wallets == {"BTC": Decimal("0.25"), "USDT": Decimal(100_001)}
        assert gateway.of(BalancesSnapshot)[-1].requested_at >= reports[-1].at + 400_000_000


@run
async def test_a_read_from_a_copy_behind_the_stream_is_followed_by_another():
    lag = {"match": {"at_ms": 0}, "effect": {"visibility_lag": {"ms": 200, "lagging": "balances"}}}
    async with spot_stage() as exchange:
        gateway = await exchange.opened(timings=changed(FAST, read_lag=0.4))
        await gateway.venue.read_balances()
        exchange.faults(lag)
        exchange.buy()
        await until(lambda: gateway.of(AccountReport))
        told = gateway.of(AccountReport)[-1]
        stale = await gateway.venue.read_balances()
        assert stale.updated_at < told.at
        await until(lambda: gateway.of(BalancesSnapshot))
        assert [e.updated_at for e in gateway.of(BalancesSnapshot)] == [told.at]
        await gateway.venue.read_balances()
        await asyncio.sleep(0.6)
        assert len(gateway.of(BalancesSnapshot)) == 1
