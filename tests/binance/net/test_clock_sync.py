"""Venue time: a wrong local clock is measured, corrected and reported."""

import asyncio
import time

from msgspec.structs import replace

from backstay.core.events import Certainty, Effect, TrustLost

from tests.binance.net.asyncs import run, until
from tests.binance.net.spot_stage import FAST as SPOT_FAST
from tests.binance.net.spot_stage import SYMBOL, spot_stage
from tests.binance.net.stage import FAST, LocalClock, context, stage

SECOND = 1_000_000_000


@run
async def test_a_clock_three_seconds_ahead_is_corrected_and_reported():
    async with stage() as exchange:
        gateway = await exchange.opened(clock=LocalClock(3 * SECOND))
        assert abs(gateway.venue.venue_now_ns() - time.time_ns()) < 100_000_000
        assert abs(gateway.venue.status().clock_offset_ms + 3000) < 100
        assert any("+3.0" in line or "+2.99" in line for line in gateway.log)
        assert gateway.of(TrustLost) == []  # it was so from the beginning: nothing was reckoned with it
        await gateway.venue.read_balances()


@run
async def test_a_clock_that_jumps_is_resynced_by_a_read_and_costs_trust():
    async with stage() as exchange:
        clock = LocalClock()
        gateway = await exchange.opened(clock=clock)
        clock.ahead_ns = 10 * SECOND
        before = len(exchange.requests(endpoint="GET /fapi/v3/balance"))
        await gateway.venue.read_balances()
        assert len(exchange.requests(endpoint="GET /fapi/v3/balance")) == before + 2
        assert [event.reason.startswith("clock_offset") for event in gateway.of(TrustLost)] == [True]


@run
async def test_a_mutation_with_a_refused_timestamp_is_not_repeated_but_the_clock_is_measured():
    async with stage() as exchange:
        clock = LocalClock()
        gateway = await exchange.opened(clock=clock)
        clock.ahead_ns = 10 * SECOND
        ctx = context(price="30000", quantity="0.010")
        gateway.venue.place(ctx, protective=False)
        await until(lambda: gateway.answer_to(ctx))
        answer = gateway.answer_to(ctx)[0]
        assert (answer.certainty, answer.effect, answer.code) == (Certainty.NOT_EXECUTED, Effect.CLOCK, -1021)
        await until(lambda: abs(gateway.venue.venue_now_ns() - time.time_ns()) < 100_000_000)
        assert len(gateway.answer_to(ctx)) == 1


@run
async def test_reads_in_trouble_with_the_clock_do_not_wait_for_each_other_for_ever():
    async with stage() as exchange:
        clock = LocalClock()
        gateway = await exchange.opened(clock=clock)
        clock.ahead_ns = 10 * SECOND
        reads = [gateway.venue.read_balances() for _ in range(8)]
        snapshots = await asyncio.gather(*reads)
        assert all(snapshot.rows for snapshot in snapshots)


async def assert_prices_correct_a_slow_clock(exchange, timings):
    """Two seconds slow is within the receive window: no request is refused, and none is made."""
    clock = LocalClock()
    gateway = await exchange.opened(clock=clock, timings=replace(timings, clock_doubt=0.1))
    gateway.venue.watch_marks([SYMBOL])
    await until(lambda: gateway.marks)
    clock.ahead_ns = -2 * SECOND
    await until(lambda: abs(gateway.venue.venue_now_ns() - time.time_ns()) < 100_000_000)
    assert [event.reason.startswith("clock_offset") for event in gateway.of(TrustLost)] == [True]


@run
async def test_r25_a_slow_clock_that_the_venue_takes_is_measured_when_prices_bear_another_time():
    async with stage() as exchange:
        await assert_prices_correct_a_slow_clock(exchange, FAST)


@run
async def test_r25_spot_measures_a_slow_clock_for_the_time_of_its_prices_too():
    async with spot_stage() as exchange:
        await assert_prices_correct_a_slow_clock(exchange, SPOT_FAST)


@run
async def test_prices_that_come_late_do_not_have_the_clock_measured_for_each():
    async with stage() as exchange:
        gateway = await exchange.opened(timings=replace(FAST, clock_doubt=60.0))
        measured = len(exchange.requests(endpoint="GET /fapi/v1/time"))
        exchange.faults({"match": {"surface": "market"}, "effect": {"delay": {"ms": 1100}}})
        ages = []
        gateway.venue._on_mark = lambda symbol, price, at: ages.append(gateway.venue.venue_now_ns() - at)
        gateway.venue.watch_marks([SYMBOL])
        await until(lambda: sum(age > SECOND for age in ages) >= 2)
        assert len(exchange.requests(endpoint="GET /fapi/v1/time")) == measured
