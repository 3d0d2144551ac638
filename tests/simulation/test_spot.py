"""Runs of spot as a reader would want to see them: what really happens in them, not only what does not."""

from decimal import Decimal

import pytest

from backstay.simulation.acts import Act
from backstay.simulation.case import draw_case
from backstay.simulation.faults import Fault
from backstay.simulation.play import play

from tests.simulation.mutants import replace


def told(case):
    outcome = play(case, tell=True)
    assert not outcome.violations, outcome.violations
    return [text for _, text in outcome.story]


def count(lines, *words):
    return sum(all(word in line for word in words) for line in lines)


def test_lots_are_bought_in_parts_and_sold_one_by_one():
    lines = told(draw_case(1, "spot", 0.0))
    assert count(lines, "by hand: buy_in_parts") > 3
    assert count(lines, "request POST /api/v3/order", "'side': 'SELL'") > 10
    assert count(lines, "venue: TRADE/FILLED bs-", "SELL") > 5
    assert count(lines, "'side': 'BUY'", "request") == 0


@pytest.mark.parametrize(("minutes", "stops"), [(4, 0), (20, 1)])
def test_a_stream_that_stays_away_is_waited_for_fifteen_minutes_and_then_the_run_stops_safely(minutes, stops):
    case = draw_case(next(s for s in range(99) if _long(s)), "spot_outage", 0.0)
    away = Fault(kind="stream_away", at_ms=20_000, for_ms=minutes * 60_000)
    lines = told(replace(case, faults=(away,)))
    assert count(lines, "stops safely, without its stream") == stops
    assert count(lines, "is ready") == 1 + stops


def _long(seed):
    from backstay.simulation.spot_setup import draw_spot_setup

    return draw_spot_setup(seed, "spot_outage").duration_ms > 26 * 60_000


def _crash(when, power):
    args = {"boundary": "disk put events.wal", "when": when, "nth": 1, "power": power, "away_ms": 1_000}
    return Fault(kind="crash", at_ms=8_000, args=args)


UNSYNCED = Fault(kind="disk_error", at_ms=8_000, for_ms=2_000, args={"verb": "sync"})


@pytest.mark.parametrize(
    ("death", "kept"), [(_crash("after", False), 1), (_crash("before", True), 0), (UNSYNCED, 1)]
)
def test_i32_a_process_that_dies_of_a_close_may_have_kept_it_and_then_the_next_one_carries_it_out(
    death, kept
):
    buy, close = (
        Act(at_ms=at, do=do, symbol="BTCUSDT", leg="0", amount=Decimal(100))
        for at, do in ((3_000, "buy"), (9_000, "close_lot"))
    )
    lines = told(replace(draw_case(3, "spot", 0.0), acts=(buy, close), faults=(death,)))
    assert count(lines, "is killed") == count(lines, "operator: close") == 1
    assert count(lines, "request DELETE") == kept


def test_both_products_die_and_start_together_in_one_process():
    case = draw_case(2, "joint", 0.0)
    args = {"boundary": "frame in market", "when": "after", "nth": 3, "power": True, "away_ms": 500}
    lines = told(replace(case, faults=(Fault(kind="crash", at_ms=20_000, args=args, product="spot"),)))
    ready = [line for line in lines if line.endswith("is ready")]
    assert len([line for line in ready if line.startswith("spot: ")]) == 2
    assert len(ready) == 4
