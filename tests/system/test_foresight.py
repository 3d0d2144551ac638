"""A foreseen fill: its stop leaves before the fill is folded, and nothing else is different."""

from dataclasses import dataclass

import pytest
from msgspec.structs import replace

from backstay.core.contexts import Phase
from backstay.core.decisions import Act
from backstay.core.events import FillNotice, GateChanged, OrderReport, RequestSent
from backstay.core.records import Decided, Noted
from backstay.core.slots import Slot, SlotKey
from backstay.core.types import Action, ExecutionType, OrderType, Role, Side
from backstay.core.wanted import Wanted
from backstay.runtime.foresight import Foresight
from backstay.simulator.server.settings import ServerSettings
from backstay.strategies.position_manager.wanted import PositionManager

from tests.system.world import D, play

ONE_READ = ServerSettings(jitter_ms=0.0)
"""The frames of a fill arrive together, as they mostly do on a socket."""


@dataclass
class Entering:
    """The position manager, and a resting entry where it has nothing to manage."""

    price: str = "59000"
    quantity: str = "0.010"
    side: Side = Side.BUY
    name: str = "entering"

    def wanted(self, view, policy, now):
        if view.quantity:
            return PositionManager().wanted(view, policy, now)
        entry = Slot(
            key=SlotKey(Role.ENTRY),
            side=self.side,
            kind=OrderType.LIMIT,
            price=D(self.price),
            quantity=D(self.quantity),
        )
        return Wanted(slots=(entry,) if view.epoch == 0 else ())


class Fickle(Entering):
    """Its stop depends on what only the venue's report tells, so every forecast of it is wrong."""

    def wanted(self, view, policy, now):
        wanted = super().wanted(view, policy, now)
        if not view.venue_break_even:
            return wanted
        nearer = view.average * D("0.96")
        slots = [replace(x, trigger=nearer) if x.key.role is Role.SL else x for x in wanted.slots]
        return replace(wanted, slots=tuple(slots))


async def rest_an_entry(world):
    """A scope comes into being by evidence: an order by hand that rests far away."""
    world.hand("order", side="BUY", type="LIMIT", price="40000", quantity="0.010", timeInForce="GTC")
    await world.settle(3)
    entry = next(c for c in world.scope().contexts.values() if c.key.role is Role.ENTRY)
    assert entry.phase is Phase.LIVE


def first_stop(world):
    """(records appended when its bytes left, record of its fill, record that it was sent)."""
    records = world.records()
    sent = next(
        r
        for r in records
        if isinstance(r.body, RequestSent)
        and r.body.request is not None
        and r.body.request.key.role is Role.SL
    )
    fill = next(
        r
        for r in records
        if isinstance(r.body, FillNotice)
        or (isinstance(r.body, OrderReport) and r.body.execution is ExecutionType.TRADE)
    )
    left = next(seq for data, seq, _ in world.sends if sent.body.ctx_id in data.decode())
    return left, fill.seq, sent.seq


@pytest.mark.parametrize(("side", "price", "to"), [("BUY", "59000", "58990"), ("SELL", "61000", "61010")])
def test_the_stop_of_a_foreseen_fill_leaves_before_the_fill_is_folded(side, price, to):
    async def script(world):
        await rest_an_entry(world)
        world.price(to)
        await world.settle(3)
        left, fill, sent = first_stop(world)
        assert left < fill < sent
        assert world.scope().naked_since == 0
        assert not world.bodies(Noted) or all(n.what != "foreseen_in_vain" for n in world.bodies(Noted))
        stops = [c for c in world.scope().contexts.values() if c.key.role is Role.SL]
        assert [c.phase for c in stops] == [Phase.ARMED]
        acts = [b for b in world.bodies(Decided) if isinstance(b.decision, Act)]
        assert sum(i.key.role is Role.SL for b in acts for i in b.decision.intents) == 1
        await world.quiet()

    play(script, strategy=Entering(price=price, side=Side(side)), settings=ONE_READ)


def test_a_fill_that_was_not_foreseen_is_folded_first():
    async def script(world):
        await rest_an_entry(world)
        world.open("LONG", "0.004", at="60000")
        await world.settle(3)
        left, fill, sent = first_stop(world)
        assert fill < left <= sent

    play(script, strategy=Entering(), settings=ONE_READ)


def test_a_wrong_forecast_is_told_and_what_left_is_replaced_never_repeated():
    async def script(world):
        await rest_an_entry(world)
        world.price("58990")
        await world.settle(5)
        assert [n.what for n in world.bodies(Noted)].count("foreseen_in_vain") == 1
        sent = [b for b in world.bodies(RequestSent) if b.action is Action.PLACE]
        assert len({b.ctx_id for b in sent}) == len(sent)
        resting = [c for c in world.scope().contexts.values() if c.key.role is Role.SL and not c.is_terminal]
        average = world.scope().position.entry_price
        assert [c.slot.trigger for c in resting] == [average * D("0.96")]
        await world.quiet()

    play(script, strategy=Fickle(), settings=ONE_READ)


def test_half_of_a_foreseen_fill_is_held_until_its_read_is_over_and_no_longer():
    async def script(world):
        await rest_an_entry(world)
        entry = next(c for c in world.scope().contexts.values() if c.key.role is Role.ENTRY)
        before = world.running.journal.seq
        world.owner.on_event(
            FillNotice(
                symbol="BTCUSDT",
                order_id=entry.order_id,
                client_id=entry.ctx_id,
                side=Side.BUY,
                last_qty=D("0.010"),
                last_price=D(59000),
                trade_id=77,
                at=world.clock.now_ns(),
            )
        )
        assert world.running.journal.seq == before
        await world.settle(0)
        assert world.scope().fill_seen_at  # and nothing was sent: there is no position yet
        assert not [b for b in world.bodies(RequestSent) if b.request is not None]
        world.price("58990")  # the fill that the venue knows of
        await world.settle(8)
        assert world.scope().naked_since == 0

    play(script, strategy=Entering(), settings=ONE_READ)


def test_r24_nothing_leaves_ahead_without_the_lease():
    async def script(world):
        await rest_an_entry(world)
        world.lease.mine = False
        before = world.received()
        world.price("58990")
        await world.settle(0.5)
        assert not world.mutations(before)
        world.lease.mine = True
        world.owner.touch(world.key())
        await world.settle(3)
        assert world.scope().naked_since == 0

    play(script, strategy=Entering(), settings=ONE_READ)


def test_a_changed_state_ends_a_forecast(monkeypatch):
    held = []
    takes = Foresight.takes
    monkeypatch.setattr(Foresight, "takes", lambda self, e: held.append(takes(self, e)) or held[-1])

    async def script(world):
        await rest_an_entry(world)
        world.owner.apply(GateChanged(gate="operator_pause", active=True))  # without a pass, so unforeseen
        world.price("58990")
        await world.settle(3)
        assert not any(held)
        left, fill, sent = first_stop(world)
        assert fill < left <= sent

    play(script, strategy=Entering(), settings=ONE_READ)


def test_frames_that_come_one_by_one_are_not_waited_for():
    async def script(world):
        await rest_an_entry(world)
        world.price("58990")
        await world.settle(3)
        left, fill, sent = first_stop(world)
        assert fill < left <= sent
        assert world.scope().naked_since == 0

    play(script, strategy=Entering(), settings=ServerSettings(jitter_ms=4.0))
