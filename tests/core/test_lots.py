"""Lots are what the trades say, however they were heard of."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from backstay.core import lots
from backstay.core.lots import Lots
from backstay.core.state import pack, unpack
from backstay.core.types import Product, Side
from backstay.strategies.swing.policy import SellWhen, SwingPolicy
from backstay.testing.spot import start_up
from backstay.testing.spot_scene import SpotScene

D = Decimal
quantities = st.integers(1, 5000).map(lambda n: D(n) / 100)
prices = st.integers(9000, 14000).map(lambda n: D(n) / 10000)
buys = st.lists(st.lists(st.tuples(quantities, prices), min_size=1, max_size=4), min_size=1, max_size=5)


def told(orders, fee_asset="TRUMP"):
    """A venue that has seen these buys by hand, and a scene that has heard nothing of them."""
    scene = SpotScene(SwingPolicy(), fee_asset=fee_asset)
    scene.deaf = True
    for parts in orders:
        scene.buy(*parts)
    scene.deaf = False
    return scene


def facts(found: Lots):
    """What counts of the lots, without the order in which they were heard of."""
    return {x.trade_id: x for x in lots.every(found)}, found.count, found.total, found.short


@given(buys, st.randoms(use_true_random=False), st.sampled_from(["TRUMP", "USDC", "BNB"]))
def test_o2_lots_do_not_depend_on_the_order_of_arrival_nor_on_duplicates(orders, random, asset):
    straight, shuffled = told(orders, asset), told(orders, asset)
    straight.fold(*straight.events)
    events = [*shuffled.events, *shuffled.events]
    random.shuffle(events)
    shuffled.fold(*events)
    assert facts(shuffled.lots) == facts(straight.lots)
    assert straight.lots.count == len(straight.trades)
    assert not straight.lots.short
    assert straight.lots.counted == {}
    assert straight.state.matched
    in_base = sum(t.commission for t in straight.trades if t.commission_asset == "TRUMP")
    received = sum(t.quantity for t in straight.trades) - in_base
    assert straight.lots.total == received  # to the unit
    assert straight.state.position.quantity == received


@given(buys, st.integers(0, 20))
def test_o2_a_read_of_trades_and_reports_make_the_same_lots(orders, heard):
    by_report, by_read = told(orders), told(orders)
    by_report.fold(*by_report.events)
    by_read.fold(*by_read.events[:heard])
    by_read.recover()
    by_read.fold(*by_read.events)
    assert facts(by_read.lots)[0] == facts(by_report.lots)[0]
    assert by_read.lots.total == by_report.lots.total
    assert by_read.lots.read_to == by_read.trades[-1].trade_id
    assert by_read.state.trusted


@given(buys)
def test_i2_every_event_twice_is_once(orders):
    scene = told(orders)
    for event in scene.events:
        scene.fold(event)
        before = scene.account
        scene.fold(event)
        assert scene.account is before


def test_packing_keeps_every_lot():
    scene = told([[("4", "1.2"), ("6", "1.3")], [("7", "1.25")]])
    scene.fold(*scene.events)
    again = unpack(pack(scene.account))
    assert again == scene.account
    assert pack(again) == pack(scene.account)


@given(buys, st.integers(1, 6))
def test_changed_tells_every_lot_that_an_event_touched(orders, fills):
    scene = SpotScene(SwingPolicy(sell_when=SellWhen.FILL), min_notional="0")
    seen = {}

    def follow(act):
        before = scene.lots
        act()
        for lot in lots.changed(before, scene.lots):
            seen[lot.trade_id] = lot

    for parts in orders:
        follow(lambda parts=parts: scene.buy(*parts))
        scene.rest()
    for request in scene.requests[:fills]:
        follow(lambda request=request: scene.fill(request))
    assert seen == {**facts(scene.lots)[0], **scene.lots.retired}
    assert len(scene.lots.retired) == min(fills, len(scene.requests))


def test_quantity_is_conserved_over_partial_sales_cancels_and_restarts():
    scene = SpotScene(SwingPolicy(sell_when=SellWhen.FILL))
    scene.buy(("10", "1.2345"), ("7.77", "1.25"))
    scene.rest()
    scene.fill(scene.requests[0], "3")
    scene.recover(first=True)
    scene.rest()
    scene.fill(scene.requests[0], "2.5")
    sold = sum(t.quantity for t in scene.trades if t.side is Side.SELL)
    bought = sum(t.quantity - t.commission for t in scene.trades if t.side is Side.BUY)
    assert sold == D("5.5")
    assert scene.lots.total == bought - sold
    assert scene.key.product is Product.SPOT


def test_what_an_order_had_filled_before_we_followed_it_is_not_ours_to_sell():
    scene = SpotScene()
    scene.account = type(scene.account)()
    row = scene.place(Side.BUY, "web_1", D(10), D("1.2"))
    scene.deaf = True
    row = scene.trade(row, D(4), D("1.2"))
    older = scene.trades.pop()
    scene.fold(*start_up(scene.rules, "0.001", scene.balances, scene.now)[:5])
    scene.recover(first=True)
    assert older.trade_id not in facts(scene.lots)[0]
    scene.trade(row, D(6), D("1.2"))
    assert [x.quantity for x in scene.open_lots()] == [D(6)]
    assert scene.state.matched


def test_an_own_sale_whose_order_was_not_known_yet_is_claimed():
    scene = SpotScene(SwingPolicy(sell_when=SellWhen.FILL))
    scene.buy(("10", "1.2345"))
    scene.step()
    scene.deaf = True  # sent, taken and filled, and the process never heard of it
    scene.confirm()
    scene.fill(scene.requests[0])
    scene.account = unpack(pack(scene.account))
    scene.recover(first=True)
    assert scene.state.trusted
    assert list(scene.lots.retired) == [1001]
    assert not scene.lots.strangers


def test_trade_ids_far_behind_are_folded_together():
    scene = SpotScene(min_notional="0")
    for _ in range(400):
        scene.buy(("1", "1.2"))
    assert len(scene.lots.ahead) <= lots.AHEAD_MOST
    assert scene.lots.read_to > 1000
    assert scene.lots.count == 400
    scene.fold(*scene.events)
    assert scene.lots.count == 400
