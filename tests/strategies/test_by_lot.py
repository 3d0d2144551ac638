"""What every strategy over lots gets from `sells`: one SELL for each lot, and none where none may be."""

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from backstay.core.decisions import Converged
from backstay.core.events import Effect, OperatorAction, OperatorCommand
from backstay.core.types import Product
from backstay.strategies.by_lot import BATCH, free, sells
from backstay.strategies.interface import UserPolicy
from backstay.testing import users
from backstay.testing.builders import view

D = Decimal


class AtOnce:
    policy = UserPolicy
    products = (Product.SPOT,)
    by_lot = True

    def wanted(self, view, policy, now):
        return sells(view, ((lot, lot.price * D("1.0123")) for lot in free(view)))


class Stubborn(AtOnce):
    """Offers every lot for ever, at another price each time the lot is looked at."""

    def wanted(self, view, policy, now):
        lots = [lot for bucket in view.lots.lots.buckets.values() for lot in bucket.values()]
        return sells(view, ((lot, lot.price * (2 + len(view.lots.selling))) for lot in lots))


amounts = st.integers(1, 100_000).map(lambda n: str(D(n) / 100))
prices = st.integers(5_000, 200_000).map(lambda n: str(D(n) / 10_000))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(amounts, prices), min_size=1, max_size=20))
def test_each_lot_is_sold_once_never_more_than_it_holds_and_never_below_its_price(parts):
    scene = users.scene_of(AtOnce, symbols=("TRUMPUSDC",))
    for part in parts:
        scene.buy(part)
    scene.rest()
    lots = {lot.trade_id: lot for lot in scene.open_lots()}
    seen = set()
    for request in scene.requests:
        slot = request.context.slot
        (name,) = slot.lots
        assert name not in seen
        seen.add(name)
        assert slot.hands_off
        assert 0 < slot.quantity <= lots[name].left
        assert slot.price >= lots[name].price * D("1.0123")
    for name in lots.keys() - seen:
        assert lots[name].left * lots[name].price * D("1.02") < 2  # below the venue's minimum


def test_a_sell_that_rests_stays_whatever_the_strategy_says_next():
    scene = users.scene_of(Stubborn)
    scene.buy(("10", "1.2"))
    scene.rest()
    scene.buy(("5", "1.2"))
    assert isinstance(scene.rest(), Converged)
    assert scene.sells() == [("9.99", "2.4000"), ("4.99", "3.6000")]
    assert len(scene.requests) == 2


def test_at_most_a_batch_in_one_pass_and_never_more_than_may_rest():
    scene = users.scene_of(AtOnce)
    scene.buy(*[("10", "1.2")] * 40)
    scene.step()
    assert len(scene.waiting) <= BATCH
    scene.rest()
    assert len(scene.sells()) == 40


def test_what_the_owner_closes_is_sold_although_the_strategy_never_heard_of_it():
    scene = users.scene_of(AtOnce)
    scene.buy(("10", "1.2"))
    scene.rest()
    (lot,) = scene.open_lots()
    close = OperatorCommand(
        action=OperatorAction.CLOSE, scope=scene.key, who="owner", reason="test", lot=lot.trade_id
    )
    scene.fold(close)
    scene.rest()
    assert not scene.open_lots()


def test_a_refused_lot_and_one_whose_sell_was_cancelled_by_hand_are_left_alone():
    scene = users.scene_of(AtOnce)
    scene.buy(("10", "1.2"), ("20", "1.2"))
    scene.step()
    scene.refuse(Effect.FILTER)
    scene.rest()
    assert scene.sells() == []
    scene.buy(("30", "1.2"))
    scene.rest()
    scene.cancel_by_hand(scene.requests[-1])
    scene.rest()
    assert scene.sells() == []


def test_where_there_are_no_lots_the_answer_is_unknown():
    assert free(view()) == []
    assert "only spot" in sells(view(), ()).unknown
