"""A lot that its owner closes is sold once its resting SELL has ended, and not asked for before."""

from decimal import Decimal

import pytest

from backstay.core.decisions import Act, Wait
from backstay.core.events import Effect, OperatorAction, OperatorCommand
from backstay.core.types import Action, OrderType
from backstay.strategies.by_lot import sells
from backstay.strategies.swing.policy import SellWhen, SwingPolicy
from backstay.testing.spot_scene import SpotScene

D = Decimal


class Hosted:
    """Offers nothing of its own."""

    name = "hosted"

    def wanted(self, view, policy, now):
        return sells(view, ())


def at_once(**more):
    return SwingPolicy(sell_when=SellWhen.FILL, **more)


def of_an_earlier_life():
    """The owner sold more coins than the lots hold: the derived position ended, and another one has begun."""
    scene = SpotScene(at_once(), balances={"USDC": 100000, "TRUMP": 50})
    scene.buy(("10", "1.2345"))
    scene.rest()
    life = scene.state.epoch
    scene.sell(("30", "1.2345"))
    scene.buy(("10", "1.2345"))
    scene.rest()
    assert scene.state.epoch > life
    assert len(scene.sells()) == 2
    return scene, scene.open_lots()[0].trade_id


def sold_together():
    scene = SpotScene(at_once(merge_unsellable=True), min_notional="5")
    scene.buy(("3", "1.2345"), ("3", "1.2345"))
    scene.rest()
    assert len(scene.sells()) == 1
    scene.buy(("10", "2"))  # at this price one alone is worth enough
    scene.rest()
    return scene, scene.open_lots()[1].trade_id


def close(scene, lot):
    scene.fold(OperatorCommand(action=OperatorAction.CLOSE, who="owner", scope=scene.key, lot=lot))


def asked(decision):
    acts = decision.intents if isinstance(decision, Act) else ()
    return [(i.action, i.slot.kind if i.slot else None, i.slot.lots if i.slot else ()) for i in acts]


@pytest.mark.parametrize("case", [of_an_earlier_life, sold_together])
def test_i15_a_closed_lot_waits_until_its_resting_sale_has_ended(case):
    scene, lot = case()
    close(scene, lot)
    decision = scene.step()
    assert [action for action, *_ in asked(decision)] == [Action.CANCEL]
    for _ in range(3):
        decision = scene.step()
        assert isinstance(decision, Wait), decision
        assert not scene.plan().approved
    scene.confirm()
    scene.tick(300)
    decision = scene.step()
    assert (Action.PLACE, OrderType.MARKET, (lot,)) in asked(decision)


@pytest.mark.parametrize("case", [of_an_earlier_life, sold_together])
def test_i15_a_closed_lot_whose_cancel_is_refused_is_not_offered_beside_its_sale(case):
    scene, lot = case()
    close(scene, lot)
    scene.step()
    scene.refuse(Effect.UNCLASSIFIED)
    for _ in range(3):
        assert not any(action is Action.PLACE for action, *_ in asked(scene.step()))


@pytest.mark.parametrize("by_hosted", [False, True])
def test_i15_a_closed_lot_worth_too_little_is_sold_when_the_price_makes_it_worth_enough(by_hosted):
    strategy = Hosted() if by_hosted else None
    scene = SpotScene(at_once(), strategy=strategy, min_notional="5")
    scene.buy(("3", "1.2345"))
    lot = scene.open_lots()[0].trade_id
    close(scene, lot)
    scene.tick(300)
    for price in ("1.2345", "1.6722"):
        scene.price(price)
        assert not asked(scene.plan().decision)
    scene.price("1.6723")  # of what is left of 3 after the commission, on the step: 2.99
    assert asked(scene.step()) == [(Action.PLACE, OrderType.MARKET, (lot,))]
    assert not scene.plan().watches
