"""Every kind of stop and take-profit at the venue: prices, moves, breaches."""

from decimal import Decimal

import pytest

from backstay.core.types import SECOND
from backstay.strategies.position_manager.policy import (
    BreakEvenPolicy,
    SlBreached,
    StopKind,
    TakeProfitKind,
    TimeStopPolicy,
)

from tests.system.world import D, play, policy

LEGS = pytest.mark.parametrize(
    ("direction", "hedge"), [("LONG", False), ("SHORT", False), ("LONG", True), ("SHORT", True)]
)
KINDS = {
    StopKind.CLOSE_POSITION: ("STOP_MARKET {c} all @ {stop}", "STOP_MARKET {c} all @ {moved}"),
    StopKind.FIXED_QTY: ("STOP_MARKET {c} 0.01 @ {stop}", "STOP_MARKET {c} 0.02 @ {moved}"),
    StopKind.TRAILING: ("TRAILING_STOP_MARKET {c} 0.01 @ trail", "TRAILING_STOP_MARKET {c} 0.02 @ trail"),
    StopKind.TRAILING_LOCAL: ("STOP_MARKET {c} all @ {stop}", None),
    StopKind.STOP_LIMIT: ("STOP {c} 0.01 @ {stop} limit {limit}", "STOP {c} 0.02 @ {moved} limit {mlimit}"),
}


def sides(direction):
    return ("SELL", "BUY") if direction == "LONG" else ("BUY", "SELL")


@LEGS
@pytest.mark.parametrize("kind", list(StopKind))
def test_a_stop_of_each_kind_is_armed_moved_with_the_size_and_closes_the_position(kind, direction, hedge):
    close, _ = sides(direction)
    long = direction == "LONG"
    side = direction if hedge else ""
    leg = f" {direction}" if hedge else ""
    stop, moved = (D(57000), D(57190)) if long else (D(63000), D(62790))
    limit = Decimal("0.995") if long else Decimal("1.005")
    tick = D("0.1")

    def toward_the_fill(price):
        """A SELL limit goes down to the tick, a BUY limit up."""
        down = price // tick * tick
        return down if long or down == price else down + tick

    def line(template):
        return (
            template.format(
                c=close,
                stop=stop,
                moved=moved,
                limit=f"{toward_the_fill(stop * limit).normalize():f}",
                mlimit=f"{toward_the_fill(moved * limit).normalize():f}",
            )
            + leg
        )

    async def script(world):
        first, second = KINDS[kind]
        world.open(direction, "0.010", at="60000")
        await world.settle()
        assert [x for x in world.resting() if "STOP" in x] == [line(first)]
        world.open(direction, "0.010", at="60400" if long else "59600")
        await world.settle(4)
        if second is not None:
            assert [x for x in world.resting() if "STOP" in x] == [line(second)], world.describe()
        await world.quiet()
        world.price("56900" if long else "63100")
        await world.settle(8)
        assert world.position(side)[0] == 0, world.describe()
        assert world.resting() == []
        await world.quiet()
        assert max(world.naked_ms()) < 200, world.auditor.windows

    play(
        script,
        policy=policy(kind, profits=(("0.2", "1"),), stop={"limit_offset": D("0.005")}),
        hedge=hedge,
    )


@pytest.mark.parametrize("direction", ["LONG", "SHORT"])
@pytest.mark.parametrize("carrier", [StopKind.CLOSE_POSITION, StopKind.FIXED_QTY])
def test_trailing_local_follows_the_best_price_and_never_goes_back(direction, carrier):
    long = direction == "LONG"
    close, _ = sides(direction)
    size = "all" if carrier is StopKind.CLOSE_POSITION else "0.01"

    async def script(world):
        world.open(direction, "0.010", at="60000")
        await world.settle(3)
        world.price("61000" if long else "59000")
        await world.settle(4)
        tight = "57950" if long else "61950"
        assert [x for x in world.resting() if "STOP" in x] == [f"STOP_MARKET {close} {size} @ {tight}"]
        world.price("60000")
        await world.settle(4)
        assert [x for x in world.resting() if "STOP" in x] == [f"STOP_MARKET {close} {size} @ {tight}"]
        await world.quiet()
        assert max(world.naked_ms()) < 200, world.auditor.windows

    stop = {"trail_as": carrier}
    play(script, policy=policy(StopKind.TRAILING_LOCAL, profits=(("0.2", "1"),), stop=stop))


@pytest.mark.parametrize("bridge", [True, False])
def test_moving_a_close_position_stop_leaves_no_gap_with_the_bridge_and_a_bounded_one_without(bridge):
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle()
        opened = len(world.auditor.windows)
        world.open("LONG", "0.010", at="60400")
        await world.settle(4)
        gaps = [w for w in world.auditor.windows[opened:] if not w.opened and w.ms]
        assert bool(gaps) is not bridge, gaps
        assert all(w.ms < 200 for w in gaps)
        assert [x for x in world.resting() if "STOP" in x] == ["STOP_MARKET SELL all @ 57190"]
        await world.quiet()

    play(script, policy=policy(stop={"bridge": bridge}))


@pytest.mark.parametrize("direction", ["LONG", "SHORT"])
def test_break_even_moves_the_stop_once_beyond_both_fees(direction):
    long = direction == "LONG"

    async def script(world):
        world.open(direction, "0.010", at="60000")
        await world.settle(3)
        world.price("60650" if long else "59350")
        await world.settle(4)
        # 60000 * 1.0005 / 0.9995 = 60060.03; + 0.05 % = 60090.06 -> toward the entry (LONG up, SHORT down)
        want = "STOP_MARKET SELL all @ 60090.1" if long else "STOP_MARKET BUY all @ 59910"
        assert [x for x in world.resting() if "STOP" in x] == [want], world.describe()
        await world.quiet()
        world.price("60080" if long else "59920")
        await world.settle(3)
        assert world.position()[0] == 0

    rule = BreakEvenPolicy(trigger=D("0.01"), offset=D("0.0005"))
    play(script, policy=policy(break_even=rule))


def test_the_time_stop_closes_the_position_at_market_and_keeps_the_stop_until_then():
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle(580)
        assert world.position()[0] == D("0.010")
        await world.settle(30)
        assert world.position()[0] == 0
        assert world.resting() == []
        await world.quiet()
        assert max(world.naked_ms()) < 100, world.auditor.windows

    play(script, policy=policy(time_stop=TimeStopPolicy(after=600 * SECOND), ladder=True))


# --- take-profit ------------------------------------------------------------------------------------


@LEGS
@pytest.mark.parametrize("kind", list(TakeProfitKind))
def test_levels_are_taken_one_after_the_other_and_never_more_than_the_position(kind, direction, hedge):
    long = direction == "LONG"
    close, _ = sides(direction)
    side, leg = (direction, f" {direction}") if hedge else ("", "")
    name = "LIMIT" if kind is TakeProfitKind.LIMIT else "TAKE_PROFIT_MARKET"
    first, second = ("60600", "61200") if long else ("59400", "58800")

    def takes(world):
        return [x for x in world.resting() if not x.startswith("STOP")]

    async def script(world):
        world.open(direction, "0.010", at="60000")
        await world.settle()
        assert takes(world) == sorted(
            [f"{name} {close} 0.004 @ {first}{leg}", f"{name} {close} 0.006 @ {second}{leg}"]
        )
        world.price(D(first) + (1 if long else -1))
        await world.settle(4)
        assert abs(world.position(side)[0]) == D("0.006"), world.describe()
        assert takes(world) == [f"{name} {close} 0.006 @ {second}{leg}"], world.describe()
        await world.quiet()
        world.price(D(second) + (1 if long else -1))
        await world.settle(4)
        assert world.position(side)[0] == 0
        assert world.resting() == []
        await world.quiet()

    profits = (("0.01", "0.4"), ("0.02", "0.6"))
    play(script, policy=policy(profits=profits, take={"kind": kind}), hedge=hedge)


# --- sl_breached --------------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", ["LONG", "SHORT"])
@pytest.mark.parametrize("hedge", [False, True])
def test_a_breached_stop_is_closed_at_market_by_default(direction, hedge):
    long = direction == "LONG"
    side = direction if hedge else ""

    async def script(world):
        # A fixed trigger that the market has passed before the position exists.
        world.open(direction, "0.010", at="60000")
        await world.settle(3)
        assert world.position(side)[0] == 0, world.describe()
        assert world.resting() == []
        await world.quiet()

    price = D(60500) if long else D(59500)
    play(script, policy=policy(stop={"price": price}), hedge=hedge)


@pytest.mark.parametrize("direction", ["LONG", "SHORT"])
def test_a_breached_stop_is_retriggered_once_at_the_nearest_legal_price(direction):
    long = direction == "LONG"

    async def script(world):
        world.open(direction, "0.010", at="60000")
        await world.settle(6)
        assert abs(world.position()[0]) == D("0.010")
        want = "STOP_MARKET SELL all @ 59940" if long else "STOP_MARKET BUY all @ 60060"
        assert [x for x in world.resting() if "STOP" in x] == [want], world.describe()
        await world.quiet()
        world.price("59900" if long else "60100")
        await world.settle(4)
        assert world.position()[0] == 0

    price = D(60500) if long else D(59500)
    play(script, policy=policy(stop={"price": price, "sl_breached": SlBreached.RETRIGGER}))


@pytest.mark.parametrize(("hedge", "side"), [(False, ""), (True, "LONG")])
def test_r21_a_stop_limit_that_the_market_has_passed_by_goes_once_another_stop_stands(hedge, side):
    """It became a limit order below its trigger, and the market is below that: nothing fills it."""

    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle(3)
        world.price("56000")
        await world.settle(2)
        assert kinds(world) == ["LIMIT", "TAKE_PROFIT_MARKET"], "it has its grace"
        await world.until(lambda: kinds(world) == ["STOP", "TAKE_PROFIT_MARKET"], "replaced", within_s=10)
        assert world.position(side)[0] == D("0.010")
        await world.quiet()

    def kinds(world):
        return [x.split()[0] for x in world.resting()]

    stop = {"limit_offset": D("0.005"), "sl_breached": SlBreached.RETRIGGER}
    take = {"kind": TakeProfitKind.MARKET}
    play(script, policy=policy(StopKind.STOP_LIMIT, stop=stop, take=take), hedge=hedge)


def test_i29_a_breached_stop_with_alert_is_not_asked_for_again_and_again():
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle(30)
        assert world.position()[0] == D("0.010")
        refused = [r for r in world.mutations() if r["code"] == -2021]
        assert 1 <= len(refused) <= 3
        assert world.owner.stats.unprotected_alarms >= 1
        await world.quiet()

    play(script, policy=policy(stop={"price": D(60500), "sl_breached": SlBreached.ALERT}))
