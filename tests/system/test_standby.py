"""A position opened by hand: its stop is written down before there is a position (decision 0024)."""

import pytest

from backstay.core.contexts import Phase
from backstay.core.events import RequestSent, RequestsRegistered
from backstay.core.modes import Mode
from backstay.core.types import Direction, Role
from backstay.strategies.position_manager.policy import StopKind

from tests.system.stand_ins import BTC, ETH
from tests.system.world import play, policy


def registration(world, name):
    """Number of the record that made the context durable."""
    return next(
        r.seq
        for r in world.records()
        if isinstance(r.body, RequestsRegistered) and any(q.ctx_id == name for q in r.body.requests)
    )


def stop_sent(world):
    """(bytes' record numbers: appended, durable; custom id) of the only stop that left."""
    stops = {
        b.ctx_id for b in world.bodies(RequestSent) if world.scope().contexts[b.ctx_id].key.role is Role.SL
    }
    assert len(stops) == 1
    name = stops.pop()
    sends = [(seq, durable) for data, seq, durable in world.sends if name in data.decode()]
    assert len(sends) == 1, "an id leaves once"
    return *sends[0], name


def standby(world, symbol=BTC):
    return [c for c in world.scope(symbol=symbol).contexts.values() if c.is_standby]


@pytest.mark.parametrize("side", ["LONG", "SHORT"])
def test_i18_the_stop_of_a_position_opened_by_hand_waits_for_no_disk(side):
    async def script(world):
        await world.settle(1)
        assert len(standby(world)) == 2
        before = world.running.journal.seq
        world.open(side, "0.010", at="60000")
        await world.settle(2)
        appended, durable, name = stop_sent(world)
        assert registration(world, name) <= durable, "its context was durable"
        assert durable <= before < appended, "nothing was written between the fill and the stop"
        assert world.scope().naked_since == 0
        assert world.scope().contexts[name].direction is Direction(side)
        await world.quiet()

    play(script)


def test_a_scope_is_prepared_again_when_its_position_is_closed():
    async def script(world):
        await world.settle(1)
        first = {c.ctx_id for c in standby(world)}
        world.open("LONG", "0.010", at="60000")
        await world.settle(2)
        world.hand("close")
        await world.settle(2)
        second = standby(world)
        assert sorted(c.direction for c in second) == [Direction.LONG, Direction.SHORT]
        assert not first & {c.ctx_id for c in second}
        world.open("SHORT", "0.010", at="60000")
        await world.settle(2)
        assert world.scope().naked_since == 0
        await world.quiet()

    play(script)


def test_i18_a_position_that_comes_before_the_standby_is_durable_waits_for_the_disk():
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle(0.5)
        _, durable, name = stop_sent(world)
        assert registration(world, name) <= durable
        await world.settle(20)
        await world.quiet()

    play(script, sync_delay_s=8.0)


def test_symbols_that_were_never_traded_stand_by_and_unmanaged_ones_do_not():
    async def script(world):
        await world.settle(1)
        assert len(standby(world, BTC)) == 2
        assert world.key(symbol=ETH) not in world.owner.account.scopes

    play(script, symbols=(BTC, ETH), managed=(BTC,))


@pytest.mark.parametrize(
    "options",
    [{"mode": Mode.DRY_RUN_PRIVATE}, {"mode": Mode.TESTNET, "armed": False}],
    ids=["dry run", "not armed"],
)
def test_i35_where_nothing_may_be_sent_nothing_stands_by(options):
    async def script(world):
        await world.settle(1)
        assert world.bodies(RequestsRegistered) == []

    play(script, **options)


def test_x3_a_sized_stop_pays_for_its_own_sync():
    async def script(world):
        await world.settle(1)
        world.open("LONG", "0.010", at="60000")
        await world.settle(2)
        _, durable, name = stop_sent(world)
        assert registration(world, name) <= durable
        assert [b.pre_armed for b in world.bodies(RequestsRegistered)][:1] == [False]
        await world.quiet()

    play(script, policy=policy(kind=StopKind.FIXED_QTY))


def test_r12_a_crash_in_a_flat_scope_costs_no_query_and_no_doubt():
    async def script(world):
        await world.settle(1)
        old = {c.ctx_id for c in standby(world)}
        world.kill(power=True)
        world.sends.clear()
        await world.restart()
        await world.settle(1)
        asked = [data for data, _, _ in world.sends if any(name in data.decode() for name in old)]
        assert asked == []
        phases = {c.ctx_id in old: c.phase for c in standby(world)}
        assert phases == {True: Phase.ABSENT, False: Phase.PRE_ARMED}
        world.open("LONG", "0.010", at="60000")
        await world.settle(2)
        assert stop_sent(world)[2] not in old, "an id is used by one process"
        await world.quiet()

    play(script)
