"""Ten thousand open lots in one symbol: what an answer costs does not grow with them."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from backstay.core import lots
from backstay.core.events import FillRow
from backstay.core.types import PositionSide, Side
from backstay.strategies.swing.index import Index, index
from backstay.strategies.swing.offers import rules_of
from backstay.strategies.swing.policy import SellWhen, SwingPolicy
from backstay.testing.spot_scene import SpotScene

from tests.counting import steps_of

D = Decimal
MANY = 10_000


def crowded(count, policy):
    """A symbol with so many trades that nobody has read yet."""
    scene = SpotScene(policy)
    scene.balances["TRUMP"] = D(10) * count
    scene._trade_id = 10**6
    scene.trades = [
        FillRow(
            symbol=scene.key.symbol,
            position_side=PositionSide.BOTH,
            order_id=10**6 + i // 3,
            trade_id=10**5 + 7 * i,
            side=Side.BUY,
            price=D(12000 + (i * 7919) % 5000) / 10000,
            quantity=D(10),
            at=scene.now + i,
            commission=D("0.01"),
            commission_asset="TRUMP",
        )
        for i in range(count)
    ]
    return scene


def started(count):
    """A scene that has read so many trades and decided, and what that took."""
    scene = crowded(count, SwingPolicy(sell_when=SellWhen.FILL))

    def start():
        scene.recover(first=True)
        scene.plan()

    return scene, steps_of(start)


def test_what_a_start_costs_grows_no_faster_than_the_lots():
    """How long it takes is told by `bench/lots.py`."""
    _, few = started(MANY // 10)
    scene, many = started(MANY)
    assert many < 11 * few
    assert scene.lots.count == MANY
    scene.rest()
    assert len(scene.sells()) == 200
    offers = index(scene.lots, rules_of(scene.view(), scene.policy)).offers
    nearest = sorted(x.target for x in offers.values())
    assert [D(price) for _, price in scene.sells()] == nearest[:200]


def test_a_fill_copies_one_bucket_and_leaves_the_others_alone():
    scene = crowded(1_000, SwingPolicy())
    scene.recover(first=True)
    before = scene.lots
    scene.buy(("10", "1.1"))
    changed = [n for n, bucket in scene.lots.buckets.items() if bucket is not before.buckets.get(n)]
    assert len(changed) == 1
    assert [lot.price for lot in lots.changed(before, scene.lots)] == [D("1.1")]


@given(st.lists(st.tuples(st.integers(1, 40), st.sampled_from("bsc")), max_size=25))
def test_an_index_that_followed_equals_one_made_from_nothing(steps):
    scene = SpotScene(SwingPolicy(sell_when=SellWhen.FILL), min_notional="5")
    for number, what in steps:
        open_sells = [r for r in scene.requests if scene._row(r).status.value in ("NEW", "PARTIALLY_FILLED")]
        if what == "b":
            scene.buy((D(number) / 4, D(100 + number) / 100))
        elif what == "s" and open_sells:
            scene.fill(open_sells[number % len(open_sells)])
        elif what == "c" and open_sells:
            scene.cancel_by_hand(open_sells[number % len(open_sells)])
        scene.rest()
        rules = rules_of(scene.view(), scene.policy)
        fresh = Index(rules)
        fresh.follow(scene.lots)
        followed = index(scene.lots, rules)
        for name in ("offers", "due", "unsellable", "ages"):
            assert getattr(followed, name) == getattr(fresh, name)
