"""Market streams on their 2026 routes, for a set that changes."""

import asyncio

from backstay.binance.net import market_stream
from backstay.binance.net.market_stream import is_public
from backstay.binance.net.timings import Timings
from backstay.binance.wire.decode_market import AggTrade, BookTicker, Kline, MarkPrice

from tests.binance.net.asyncs import run, until
from tests.binance.net.stage import FAST, stage


def test_books_travel_on_public_and_the_rest_on_market():
    assert is_public("btcusdt@bookTicker")
    assert is_public("btcusdt@depth@100ms")
    assert is_public("btcusdt@depth20@500ms")
    assert is_public("!bookTicker")
    assert not is_public("btcusdt@markPrice@1s")
    assert not is_public("btcusdt@kline_1m")
    assert not is_public("btcusdt@aggTrade")
    assert not is_public("!markPrice@arr@1s")


@run
async def test_marks_of_exactly_the_wanted_symbols_arrive():
    async with stage() as exchange:
        gateway = await exchange.opened()
        gateway.venue.watch_marks(["BTCUSDT", "ETHUSDT"])
        await until(lambda: {symbol for symbol, _, _ in gateway.marks} == {"BTCUSDT", "ETHUSDT"})
        gateway.venue.watch_marks(["ETHUSDT"])
        await until(lambda: exchange.engine.wanted == {"ethusdt@markPrice@1s"})
        gateway.venue.watch_marks([])
        await until(lambda: not exchange.engine.wanted)
        assert gateway.venue.status().market_up  # nothing is wanted, nothing is missing


@run
async def test_all_kinds_of_stream_arrive_over_both_routes():
    async with stage() as exchange:
        gateway = await exchange.opened()
        gateway.venue.watch_streams(
            [
                market_stream.mark_price("BTCUSDT"),
                market_stream.book_ticker("BTCUSDT"),
                market_stream.kline("BTCUSDT", "1m"),
                market_stream.agg_trade("BTCUSDT"),
            ]
        )
        wanted = {MarkPrice, BookTicker, Kline, AggTrade}
        await until(lambda: {type(event) for event in gateway.market} >= wanted)
        assert gateway.marks


@run
async def test_subscriptions_survive_a_cut():
    async with stage() as exchange:
        gateway = await exchange.opened()
        gateway.venue.watch_streams([market_stream.book_ticker("BTCUSDT")])
        await until(lambda: gateway.market)
        exchange.faults({"match": {"at_ms": 0}, "effect": {"cut": {"surface": "public"}}})
        await until(lambda: "public stream 1: up (again)" in gateway.log)
        gateway.market.clear()
        await until(lambda: gateway.market)
        assert gateway.stream_states == ["connected"]  # the private stream has nothing to do with it


@run
async def test_a_planned_replacement_keeps_the_prices_coming():
    async with stage() as exchange:
        gateway = await exchange.opened()
        gateway.venue.watch_streams([market_stream.book_ticker("BTCUSDT")])
        await until(lambda: gateway.market)
        gateway.venue._market._connections[0].line.replace()
        await until(lambda: "public stream 1: up (overlap)" in gateway.log)
        await asyncio.sleep(FAST.overlap + 0.05)
        gateway.market.clear()
        await until(lambda: gateway.market)
        assert not [line for line in gateway.log if "down" in line]


@run
async def test_a_silent_market_connection_is_replaced():
    async with stage() as exchange:
        gateway = await exchange.opened(
            timings=Timings(probe=0.2, deaf=1.5, quiet=0.0, stable=0.0, first_delay=0.01)
        )
        gateway.venue.watch_marks(["BTCUSDT"])
        await until(lambda: gateway.marks)
        exchange.faults(
            {"match": {"surface": "market", "at_ms": 0}, "effect": {"silent": {"surface": "market"}}}
        )
        await until(lambda: "market stream 1: up (again)" in gateway.log)
        assert "market stream 1: down (no answer to LIST_SUBSCRIPTIONS)" in gateway.log
        gateway.marks.clear()
        await until(lambda: gateway.marks)


@run
async def test_a_route_that_connects_and_stays_silent_is_found_out():
    async with stage() as exchange:
        unrouted = exchange.endpoints(market_stream=exchange.served.ws_url)
        timings = Timings(probe=0.2, deaf=0.6, quiet=0.0, stable=0.0, first_delay=0.01)
        gateway = await exchange.opened(endpoints=unrouted, timings=timings)
        gateway.venue.watch_marks(["BTCUSDT"])
        await until(lambda: any("down" in line for line in gateway.log))
        assert gateway.marks == []
        assert "market stream 1: down (no data for 1 s)" in gateway.log


@run
async def test_many_streams_are_spread_over_connections_within_the_message_limit():
    async with stage(market=False) as exchange:
        gateway = await exchange.opened()
        streams = [f"s{number}usdt@markPrice@1s" for number in range(450)]
        gateway.venue.watch_streams(streams)
        await until(lambda: len(exchange.engine.wanted) == 450)
        assert len(gateway.venue._market._connections) == 3
        gateway.venue.watch_streams([*sorted(streams)[:10], "btcusdt@bookTicker"])
        await until(lambda: len(exchange.engine.wanted) == 11)
        assert len(gateway.venue._market._connections) == 2
        assert not [line for line in gateway.log if "down" in line]
