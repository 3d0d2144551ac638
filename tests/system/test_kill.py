"""I-32: the process, or the machine, dies at any touch of the outside world and starts again: nothing twice,
nothing unprotected, no fill lost. I-31: the end is the same as without it."""

import asyncio
import contextlib
import functools
from decimal import ROUND_CEILING

import pytest

from backstay.core.contexts import Phase
from backstay.core.events import OperatorAction
from backstay.core.types import Role
from backstay.strategies.position_manager.policy import StopKind

from tests.system.world import BTC, PREFIX, D, Killed, play, policy

LADDER = policy(ladder=True)
FIXED = policy(StopKind.FIXED_QTY, ladder=True)
STEPS = [D(59400), D(58500), D(57150)]
SIZES = [D("0.010"), D("0.015"), D("0.022")]


def up(price):
    tick = D("0.1")
    return (price.quantize(D("0.00001")) / tick).to_integral_value(ROUND_CEILING) * tick


def text(value):
    return f"{value.normalize():f}"


def expected(world, *, sized=False):
    """What should rest, from what the venue alone knows: position, entry, and our filled steps."""
    truth = world.truth()
    quantity, entry = world.position()
    if not quantity:
        return []
    ours = [f for f in truth["fills"] if f["clientOrderId"].startswith(PREFIX) and f["side"] == "BUY"]
    done = len({f["orderId"] for f in ours})
    size = text(quantity) if sized else "all"
    lines = [
        f"STOP_MARKET SELL {size} @ {text(up(entry * D('0.95')))}",
        f"LIMIT SELL {text(quantity)} @ {text(up(entry * D('1.015')))}",
    ]
    if done < 3:
        lines.append(f"LIMIT BUY {text(SIZES[done])} @ {text(STEPS[done])}")
    return sorted(lines)


async def life(world):
    """One position from its opening by hand to the second ladder step, an add and a part taken off."""
    world.open("LONG", "0.010", at="60000")
    await asyncio.sleep(0.4)
    world.price("59399")
    await asyncio.sleep(0.4)
    world.open("LONG", "0.004", at="59500")
    await asyncio.sleep(0.4)
    world.price("58499")
    await asyncio.sleep(0.4)
    world.hand("close", share="0.3")
    await asyncio.sleep(0.4)


async def watched(world, *, power):
    """Start the process again whenever it has died, as a supervisor does."""
    while True:
        await asyncio.sleep(0.01)
        if world.steps.dead:
            await world.restart(away_s=0.3, power=power)


def check_killed_at(point, *, power=False, pol=LADDER, sized=False, after=None):
    async def script(world):
        supervisor = None
        try:
            await world.start(kill_at=point)
        except Killed:
            await world.restart(away_s=0.3, power=power)
        supervisor = asyncio.create_task(watched(world, power=power))
        await life(world)
        if after is not None:
            await after(world)
        world.lived = world.steps.count
        await world.until(lambda: not world.steps.dead and world.guard is not None, "it runs")
        await world.until(world.is_ready, "it is ready")
        supervisor.cancel()
        await asyncio.gather(supervisor, return_exceptions=True)
        await world.until(
            lambda: world.resting() == expected(world, sized=sized),
            f"killed at {point}",
            within_s=40,
            every_s=0.1,
        )
        await world.trusted(within_s=40)
        await world.settle(5)
        assert world.resting() == expected(world, sized=sized), world.describe()
        assert world.scope().position.quantity == world.position()[0]
        _no_fill_is_lost(world)
        await world.quiet(10)

    return play(script, policy=pol, started=False)


def _no_fill_is_lost(world):
    """Every step of ours that the venue filled is known as filled (D-6 counts on it)."""
    truth = world.truth()
    filled = {
        f["clientOrderId"]
        for f in truth["fills"]
        if f["clientOrderId"].startswith(PREFIX) and f["side"] == "BUY"
    }
    known = {
        c.ctx_id for c in world.scope().contexts.values() if c.role is Role.DCA and c.phase is Phase.FILLED
    }
    assert filled == known


@functools.cache
def calm():
    """The touches of a life in which nobody is killed: how many, and of what."""
    world = check_killed_at(None)
    return world.lived, world.steps.log[: world.lived]


def test_a_life_has_enough_points_to_die_at():
    total, log = calm()
    assert total > 100, total
    assert {"disk", "frame out", "frame in", "http GET", "http answer"} <= set(log)


CHUNKS = 10


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_i32_r12_r13_killed_at_any_point_and_restarted(chunk):
    points = [n for n in range(1, calm()[0] + 1, 2) if (n // 2) % CHUNKS == chunk]
    for point in points:
        check_killed_at(point)


@pytest.mark.parametrize("chunk", range(4))
def test_i32_the_machine_loses_power_at_any_point_and_comes_back(chunk):
    for point in range(2 + chunk * 5, calm()[0] + 1, 20):
        check_killed_at(point, power=True)


@pytest.mark.parametrize("chunk", range(4))
def test_i32_killed_at_any_point_with_sized_stops(chunk):
    for point in range(3 + chunk * 5, calm()[0] + 1, 20):
        check_killed_at(point, pol=FIXED, sized=True)


@pytest.mark.parametrize("power", [False, True])
def test_i32_killed_while_flattening(power):
    kill_in = 0

    async def after(world):
        await world.until(lambda: not world.steps.dead and world.guard is not None, "it runs")
        await world.until(world.is_ready, "it is ready")
        await world.trusted()
        world.steps.kill_at = world.steps.count + kill_in
        with contextlib.suppress(Killed):
            world.command(OperatorAction.KILL)
        await asyncio.sleep(2)
        # The operator sees whether the word was taken, and says it again when the process died of it.
        await world.until(lambda: not world.steps.dead and world.guard is not None, "it runs")
        await world.until(world.is_ready, "it is ready")
        world.command(OperatorAction.KILL)
        await world.until(
            lambda: world.position()[0] == 0 and world.resting() == [], "flat", within_s=60, every_s=0.1
        )

    for kill_in in range(1, 22, 2):  # noqa: B007  `after` reads it
        check_killed_at(None, after=after, power=power)


def test_a_restart_adopts_what_rests_and_sends_nothing():
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle(3)
        rests = world.resting()
        for _ in range(3):
            before = world.received()
            await world.restart()
            await world.trusted()
            await world.settle(20)
            assert world.mutations(before) == []
            assert world.resting() == rests
        world.price("59399")
        await world.settle(3)
        assert world.resting() == expected(world)

    play(script, policy=LADDER)


def test_a_position_that_was_opened_while_the_process_was_away_is_guarded_at_once():
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle(3)
        world.hand("close")
        await world.settle(3)
        world.kill()
        world.open("SHORT", "0.010", at="60000")
        await world.settle(30)
        await world.start()
        assert [x for x in world.resting() if "STOP" in x] or world.owner.ready.is_set()
        took = await world.until(
            lambda: "STOP_MARKET BUY all @ 63000" in world.resting(), "the stop", within_s=30
        )
        assert took < 1, took

    play(script, policy=LADDER)


def test_a_step_that_filled_while_the_process_was_away_is_counted_and_protected():
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle(3)
        world.kill()
        world.price("59399")
        await world.settle(5)
        await world.start()
        await world.until(lambda: world.resting() == expected(world), "adapted", within_s=30)
        _no_fill_is_lost(world)
        assert BTC in str(world.key())

    play(script, policy=LADDER)


def test_the_stop_that_closed_the_position_while_the_process_was_away_leaves_nothing_behind():
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle(3)
        world.kill()
        world.price("56900")
        await world.settle(5)
        await world.start()
        await world.until(lambda: world.resting() == [], "cleaned up", within_s=30)
        assert world.truth()["positions"] == []
        await world.trusted()
        await world.quiet()

    play(script, policy=LADDER)


@pytest.mark.parametrize(("action", "gate"), [("kill", "kill_switch"), ("pause", "operator_pause")])
def test_r12_what_the_operator_said_survives_the_power_cut_that_follows(action, gate):
    async def script(world):
        await world.settle()
        world.command(OperatorAction(action))
        await world.restart(power=True)
        assert gate in world.owner.account.gates

    play(script, policy=LADDER)
