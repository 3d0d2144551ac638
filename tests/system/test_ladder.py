"""The example of exchange-state 7.3, played through at the venue, in both modes and both directions."""

import pytest

from tests.system.world import D, play, policy

LONG = [
    ("60000", "57000", "60900", "0.01", "0.01 @ 59400"),
    ("59399", "56715", "60595.5", "0.02", "0.015 @ 58500"),
    ("58499", "56226.5", "60073.5", "0.035", "0.022 @ 57150"),
    ("57149", "55480", "59276", "0.057", ""),
]
SHORT = [
    ("60000", "63000", "59100", "0.01", "0.01 @ 60600"),
    ("60601", "63315", "59395.5", "0.02", "0.015 @ 61500"),
    ("61501", "63855", "59902", "0.035", "0.022 @ 62850"),
    ("62851", "64680", "60676", "0.057", ""),
]
"""(price that fills the step, SL, TP, size, next step); rounding: SL toward, TP away from the entry."""
LEGS = pytest.mark.parametrize(
    ("direction", "hedge"), [("LONG", False), ("SHORT", False), ("LONG", True), ("SHORT", True)]
)


def expected(direction, row, *, hedge):
    _, stop, take, size, step = row
    close, open_ = ("SELL", "BUY") if direction == "LONG" else ("BUY", "SELL")
    lines = [f"LIMIT {close} {size} @ {take}", f"STOP_MARKET {close} all @ {stop}"]
    if step:
        lines.append(f"LIMIT {open_} {step}")
    return sorted(f"{line} {direction}" if hedge else line for line in lines)


@LEGS
def test_the_ladder_of_the_specification_is_placed_to_the_tick_and_ends_in_its_stop(direction, hedge):
    rows = LONG if direction == "LONG" else SHORT
    side = direction if hedge else ""

    async def script(world):
        world.open(direction, "0.010", at="60000")
        await world.settle()
        assert world.resting() == expected(direction, rows[0], hedge=hedge)
        for row in rows[1:]:
            world.price(row[0])
            await world.settle(3)
            assert abs(world.position(side)[0]) == D(row[3])
            assert world.resting() == expected(direction, row, hedge=hedge), world.describe()
        await world.quiet()
        stop = D(rows[-1][1])
        world.price(stop - 5 if direction == "LONG" else stop + 5)
        await world.settle(3)
        assert world.position(side)[0] == 0
        assert world.resting() == []
        await world.quiet()
        assert max(world.naked_ms()) < 100, world.auditor.windows

    play(script, policy=policy(ladder=True), hedge=hedge)


@LEGS
def test_the_take_profit_closes_the_position_and_cleans_the_rest_up(direction, hedge):
    side = direction if hedge else ""

    async def script(world):
        world.open(direction, "0.010", at="60000")
        await world.settle()
        world.price("60901" if direction == "LONG" else "59099")
        await world.settle(3)
        assert world.position(side)[0] == 0
        assert world.resting() == []
        await world.quiet()

    play(script, policy=policy(ladder=True), hedge=hedge)


def test_i27_the_legs_of_a_hedge_account_do_not_touch_each_other():
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle()
        world.open("SHORT", "0.010", at="60000")
        await world.settle()
        both = sorted(expected("LONG", LONG[0], hedge=True) + expected("SHORT", SHORT[0], hedge=True))
        assert world.resting() == both
        world.price("59399")
        await world.settle(3)
        assert world.resting() == sorted(
            expected("LONG", LONG[1], hedge=True) + expected("SHORT", SHORT[0], hedge=True)
        )
        world.hand("close", positionSide="LONG")
        await world.settle(3)
        assert world.resting() == expected("SHORT", SHORT[0], hedge=True)
        await world.quiet()

    play(script, policy=policy(ladder=True), hedge=True)


def test_r22_a_flip_ends_the_long_life_and_begins_the_short_one():
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle()
        world.hand("order", side="SELL", type="MARKET", quantity="0.020")
        await world.settle(3)
        quantity, entry = world.position()
        assert quantity == D("-0.010")
        assert entry == D("59999.9")
        stop, take = D("62999.8"), D("59099.9")
        assert world.resting() == sorted(
            [
                f"LIMIT BUY 0.01 @ {take}",
                f"STOP_MARKET BUY all @ {stop}",
                "LIMIT SELL 0.01 @ 60599.9",
            ]
        )
        await world.quiet()

    play(script, policy=policy(ladder=True))


def test_r8_a_manual_add_moves_the_protection_and_consumes_no_step():
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle()
        world.open("LONG", "0.010", at="60200")
        await world.settle(3)
        assert world.position() == (D("0.020"), D("60100"))
        assert world.resting() == [
            "LIMIT BUY 0.01 @ 59400",
            "LIMIT SELL 0.02 @ 61001.5",
            "STOP_MARKET SELL all @ 57095",
        ]
        await world.quiet()

    play(script, policy=policy(ladder=True))


def test_r27_a_partial_exit_by_hand_shrinks_what_is_sized():
    async def script(world):
        world.open("LONG", "0.030", at="60000")
        await world.settle()
        world.hand("close", share="0.5")
        await world.settle(3)
        assert world.position()[0] == D("0.015")
        assert "LIMIT SELL 0.015 @ 60900" in world.resting()
        await world.quiet()

    play(script, policy=policy(ladder=True))


def test_r7_a_manual_close_cancels_the_ladder_first():
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle()
        before = world.received()
        world.hand("close")
        await world.settle(3)
        assert world.resting() == []
        cancels = [r for r in world.mutations(before) if r["endpoint"].startswith("DELETE")]
        ladder = [c.ctx_id for c in world.scope().contexts.values() if c.role.value == "DCA"]
        assert cancels[0]["params"]["origClientOrderId"] in ladder
        names = [r["params"].get("origClientOrderId") or r["params"].get("clientAlgoId") for r in cancels]
        assert len(names) == len(set(names))
        await world.quiet()

    play(script, policy=policy(ladder=True))
