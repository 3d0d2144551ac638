"""Exits that ask for a price first: beside the stop, out of the way of a close, at market in the end."""

from decimal import Decimal

from backstay.core.decisions import Converged
from backstay.core.escalation import Asked, Escalation, Then, escalate
from backstay.core.events import OperatorAction, OperatorCommand
from backstay.core.slots import SlotKey
from backstay.core.types import Action, OrderType, Role
from backstay.core.wanted import Wanted
from backstay.testing.scene import Scene

from tests.core.wishes import BUY, SELL, guarded

D = Decimal
LIMIT, MARKET = OrderType.LIMIT, OrderType.MARKET
RULE = Escalation(then=Then.MARKET, max_slippage=None)


class Leaving:
    """A guarded LONG that is to be left by a limit order first."""

    name = "leaving"

    def wanted(self, view, policy, now) -> Wanted:
        guards = guarded()(view).slots
        if not view.quantity or not policy:
            return Wanted(slots=guards)
        asked = Asked(
            key=SlotKey(Role.EXIT), side=SELL, total=view.quantity + (view.exit.filled if view.exit else 0),
            reference=D(60000), limit=D(60010), reduce_only=True,
        )  # fmt: skip
        step = escalate(asked, RULE, view.exit, None, view.instrument, now)
        stops = tuple(g for g in guards if g.key.role is Role.SL)
        return Wanted(slots=stops if step.slot is None else (*stops, step.slot), wake_at=step.wake_at)


def leaving() -> Scene:
    scene = Scene(False, strategy=Leaving())
    scene.see(scene.venue.trade_by_hand(BUY, D("0.010"), D(60000)))
    assert isinstance(scene.rest(), Converged)
    scene.want(True)
    return scene


def selling(scene):
    return [(r.kind, r.price, r.quantity) for r in scene.venue.open_orders() if r.side is SELL]


def test_an_exit_may_ask_for_a_price_and_the_stop_stays_meanwhile():
    scene = leaving()
    assert isinstance(scene.rest(), Converged)
    assert selling(scene) == [(LIMIT, D(60010), D("0.010"))], "the take-profit made room"
    assert len(scene.venue.open_algos()) == 1
    (stop,) = scene.venue.open_algos()
    scene.see(scene.venue.cancel(stop.client_id))
    scene.rest()
    assert len(scene.venue.open_algos()) == 1, "a stop that is lost meanwhile is placed again"


def test_an_exit_that_nobody_takes_goes_to_market_for_what_is_left():
    scene = leaving()
    scene.rest()
    (row,) = [r for r in scene.venue.open_orders() if r.side is SELL]
    scene.see(scene.venue.fill(row.client_id, D("0.004")))
    scene.rest()
    scene.tick(60_000)
    (intent,) = scene.step().intents
    assert intent.action is Action.CANCEL
    scene.confirm()
    (intent,) = scene.step().intents
    assert (intent.slot.kind, intent.slot.quantity) == (MARKET, D("0.006"))


def test_a_close_by_the_operator_takes_the_resting_exit_out_of_the_way():
    scene = leaving()
    scene.rest()
    scene.fold(OperatorCommand(action=OperatorAction.CLOSE, who="test", scope=scene.key))
    assert {i.action for i in scene.step().intents} == {Action.CANCEL}
    scene.confirm()
    (intent,) = scene.step().intents
    assert (intent.slot.kind, intent.slot.quantity) == (MARKET, D("0.010"))


def test_an_exit_that_is_no_longer_wanted_is_cancelled():
    scene = leaving()
    scene.rest()
    scene.want(False)
    scene.rest()
    assert [kind for kind, price, _ in selling(scene) if price == D(60010)] == []
