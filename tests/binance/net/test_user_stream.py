"""The private stream: order, gaps, listen keys, planned replacement, bursts."""

import asyncio

import msgspec
import pytest

from backstay.binance.net.outcomes import VenueUnavailable
from backstay.binance.net.timings import Timings
from backstay.core.events import AccountReport, FillNotice, OrderReport, StreamChanged
from backstay.simulator.server.settings import ServerSettings

from tests.binance.net.asyncs import run, until
from tests.binance.net.stage import FAST, stage


@run
async def test_a_fill_by_hand_arrives_in_the_order_of_the_wire():
    async with stage() as exchange:
        gateway = await exchange.opened()
        exchange.human(do="order", symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.010")
        await until(lambda: gateway.of(AccountReport) and len(gateway.of(OrderReport)) >= 2)
        kinds = [type(event) for event in gateway.events]
        assert kinds[0] is StreamChanged
        assert kinds.index(FillNotice) < len(kinds)
        assert gateway.stream_states == ["connected"]


@run
async def test_a_cut_is_a_gap_and_the_stream_comes_back():
    async with stage() as exchange:
        gateway = await exchange.opened()
        exchange.faults(
            {"match": {"surface": "private", "at_ms": 0}, "effect": {"cut": {"surface": "private"}}}
        )
        await until(lambda: gateway.stream_states == ["connected", "disconnected", "connected"])
        exchange.human(do="order", symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.010")
        await until(lambda: gateway.of(AccountReport))
        assert [row.symbol for row in gateway.of(AccountReport)[0].positions] == ["BTCUSDT"]


@run
async def test_a_planned_replacement_loses_nothing_and_costs_no_trust():
    async with stage() as exchange:
        gateway = await exchange.opened()
        for number in range(6):
            if number == 2:
                gateway.venue._private.line.replace()
            exchange.human(do="order", symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.010")
            await asyncio.sleep(0.02)
        await until(lambda: "overlap" in gateway.stream_states)
        await until(lambda: len({event.trade_id for event in gateway.of(FillNotice)}) >= 6)
        assert gateway.stream_states == ["connected", "overlap"]


@run
async def test_the_listen_key_is_extended_and_never_deleted():
    async with stage() as exchange:
        gateway = await exchange.opened(timings=Timings(keepalive=0.05, quiet=0.0))
        await until(lambda: len(exchange.requests(endpoint="PUT /fapi/v1/listenKey")) >= 2)
        await gateway.venue.close()
        assert exchange.requests(endpoint="DELETE /fapi/v1/listenKey") == []
        assert gateway.stream_states == ["connected"]


@pytest.mark.parametrize("announced", [True, False])
@run
async def test_a_dead_listen_key_is_told_and_replaced(announced):
    async with stage() as exchange:
        gateway = await exchange.opened(timings=Timings(keepalive=0.1, quiet=0.0, stable=0.0))
        key = gateway.venue._private._key
        exchange.faults(
            {"match": {"at_ms": 0}, "effect": {"listen_key_death": {"announce": announced}}},
        )
        await until(lambda: len(gateway.stream_states) >= 4)
        assert gateway.stream_states[:4] == ["connected", "expired", "disconnected", "connected"]
        assert gateway.venue._private._key != key
        exchange.human(do="order", symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.010")
        await until(lambda: gateway.of(AccountReport))
        told = " ".join(gateway.log) + str(gateway.events)
        assert key not in told
        assert gateway.venue._private._key not in told


@run
async def test_the_owner_can_have_the_stream_reopened():
    async with stage() as exchange:
        gateway = await exchange.opened()
        await gateway.venue.reconnect_private()
        assert gateway.stream_states == ["connected", "disconnected", "connected"]
        exchange.human(do="order", symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.010")
        await until(lambda: gateway.of(AccountReport))


@pytest.mark.parametrize("ed25519", [False, True])
@run
async def test_opening_fails_clearly_when_the_keys_are_refused(ed25519):
    async with stage() as exchange:
        exchange.faults({"match": {}, "effect": "keys_revoked"})
        gateway = exchange.gateway(ed25519=ed25519)
        with pytest.raises(VenueUnavailable) as caught:
            await gateway.venue.open()
        assert caught.value.fatal
        assert ("venue_halt", True) in gateway.gates


@run
async def test_a_burst_of_5000_private_frames_loses_none():
    async with stage(market=False) as exchange:
        gateway = await exchange.opened(timings=FAST)
        frame = {
            "e": "TRADE_LITE", "E": 1790000000102, "T": 1790000000100, "s": "BTCUSDT", "q": "0.010",
            "p": "90000.00", "m": True, "c": "bksdemo", "S": "BUY", "L": "89990.00", "l": "0.004", "i": 77,
        }  # fmt: skip
        streams = exchange.served.venue._streams
        now = exchange.served.pump.now()
        for number in range(5000):
            streams.private("main", {**frame, "t": number}, now)
        exchange.served.pump.start()
        await until(lambda: len(gateway.of(FillNotice)) == 5000)
        assert [event.trade_id for event in gateway.of(FillNotice)] == list(range(5000))
        assert gateway.stream_states == ["connected"]


@run
async def test_a_clean_close_by_the_venue_is_still_a_gap():
    short = msgspec.structs.replace(ServerSettings.for_sockets(), connection_hours=0.2 / 3600)
    async with stage(short) as exchange:
        gateway = await exchange.opened()
        await until(lambda: len(gateway.stream_states) >= 3)
        assert gateway.stream_states[:3] == ["connected", "disconnected", "connected"]
        gap = gateway.of(StreamChanged)[1]
        assert "closed by the venue" in gap.detail


@run
async def test_a_connection_is_replaced_before_the_venue_closes_it():
    async with stage() as exchange:
        gateway = await exchange.opened(
            timings=msgspec.structs.replace(FAST, connection_life=0.3, overlap=0.05)
        )
        await until(lambda: gateway.stream_states.count("overlap") >= 2)
        assert set(gateway.stream_states) == {"connected", "overlap"}
        assert "order connection: up (overlap)" in gateway.log


@run
async def test_a_half_open_connection_is_found_out_by_its_silence():
    async with stage() as exchange:
        gateway = await exchange.opened(timings=msgspec.structs.replace(FAST, quiet=0.1))
        exchange.faults({"match": {"at_ms": 0}, "effect": {"half_open": {"surface": "private"}}})
        await until(lambda: len(gateway.stream_states) >= 3)
        assert gateway.stream_states[:3] == ["connected", "disconnected", "connected"]
