"""Coins that the account does not hold are not offered. A sale refused for lack of coins, or of room among
the open orders, waits for them."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from backstay.core.decisions import Act, Converged
from backstay.core.events import AccountReport, BalanceRow, Effect
from backstay.core.lots_view import lots_view
from backstay.core.refused_sales import is_contradicted
from backstay.core.types import OrderStatus, PositionMode, Product, Side
from backstay.strategies.swing.policy import SellWhen, SwingPolicy
from backstay.testing import evidence
from backstay.testing.spot_scene import SpotScene

D = Decimal
BASE, QUOTE = "TRUMP", "USDC"


def bought(*parts, at_once=True):
    scene = SpotScene(SwingPolicy(sell_when=SellWhen.FILL if at_once else SellWhen.TARGET), min_notional="0")
    scene.buy(*parts)
    return scene


def missing(scene):
    account, mode = scene.account, PositionMode.ONE_WAY
    return lots_view(account, scene.state, mode, scene.rules, scene.now).lots.uncovered


def holds(scene, amount):
    """The owner has taken coins away, and the venue says so."""
    scene.balances[BASE] = D(amount)
    scene.tick(1)
    scene.fold(scene.balances_read())


def pushed(scene, asset, free):
    scene.tick(1)
    row = BalanceRow(asset, D(free), D(free), available=D(free))
    scene.fold(AccountReport(reason="TRADE", at=scene.now, balances=(row,), product=Product.SPOT))


def heard_of_the_trade_alone(scene, act):
    """The report comes, its balances are on their way."""
    scene.deaf = True
    begin = len(scene.events)
    act()
    scene.deaf = False
    scene.fold(*(e for e in scene.events[begin:] if not isinstance(e, AccountReport)))


def test_what_was_missing_before_a_trade_is_missing_until_its_balances_come():
    scene = bought(("10", "1.2345"), at_once=False)
    holds(scene, "2")
    gap = missing(scene)
    assert gap > 7
    heard_of_the_trade_alone(scene, lambda: scene.buy(("4", "1.2345")))
    assert missing(scene) == gap
    scene.fold(scene.balances_read())
    assert missing(scene) == gap


def test_a_covered_account_stays_covered_between_a_trade_and_its_balances():
    scene = bought(("10", "1.2345"), at_once=False)
    heard_of_the_trade_alone(scene, lambda: scene.buy(("4", "1.2345")))
    assert missing(scene) == 0
    assert isinstance(scene.plan().decision, Act) is False


def test_what_somebody_else_sells_may_be_missing_until_the_balances_come():
    scene = bought(("10", "1.2345"), at_once=False)
    heard_of_the_trade_alone(scene, lambda: scene.sell(("3", "1.2345")))
    assert missing(scene) == 3


def refused():
    scene = bought(("10", "1.2345"))
    scene.tick(300)
    pushed(scene, BASE, "0")
    pushed(scene, BASE, "9.99")
    assert isinstance(scene.step(), Act)
    row = BalanceRow(BASE, D("9.99"), D("9.99"), available=D(0))  # the owner's own order took it first
    scene.fold(AccountReport(reason="TRADE", at=scene.now, balances=(row,), product=Product.SPOT))
    scene.refuse(Effect.MARGIN)
    return scene


def offered():
    """A lot whose SELL is on its way, by balances that show its coins."""
    scene = bought(("10", "1.2345"))
    scene.tick(300)
    pushed(scene, BASE, "9.99")
    assert isinstance(scene.step(), Act)
    return scene


def test_8_1_a_sale_refused_for_lack_of_coins_waits_for_the_coins_and_for_no_time():
    scene = refused()
    for _ in range(3):
        scene.tick(90_000)
        pushed(scene, QUOTE, str(scene.now % 1000))
        assert not isinstance(scene.step(), Act)
    pushed(scene, BASE, "9.99")
    assert isinstance(scene.step(), Act)


def test_8_1_a_refusal_that_no_known_balance_explains_is_tried_again_after_its_time():
    scene = offered()
    scene.refuse(Effect.MARGIN)
    assert not isinstance(scene.step(), Act)
    scene.tick(90_000)
    assert isinstance(scene.step(), Act)


def test_8_1_only_the_balance_of_its_coins_ends_the_wait_of_a_sale_before_its_time():
    scene = offered()
    scene.refuse(Effect.MARGIN)
    for free in ("7", "8"):
        pushed(scene, QUOTE, free)
        assert not isinstance(scene.step(), Act)
        pushed(scene, BASE, "9.99")
        assert not isinstance(scene.step(), Act)
    pushed(scene, BASE, "10")
    assert isinstance(scene.step(), Act)


@pytest.mark.parametrize(("free", "doubted"), [("9.99", True), ("9.98", False), (None, False)])
def test_8_1_a_sale_refused_for_lack_of_coins_that_the_balances_show_contradicts_them(free, doubted):
    scene = offered()
    [request] = scene.waiting
    if free is None:
        scene.account = replace(scene.account, balances={})
    else:
        pushed(scene, BASE, free)
    scene.refuse(Effect.MARGIN)
    refusal = evidence.refused(request, Effect.MARGIN)
    assert is_contradicted(scene.account, refusal) is doubted
    assert not is_contradicted(scene.account, replace(refusal, effect=Effect.FILTER))


def without_room():
    """A sale that was offered three times while the owner's orders fill the book to the venue's limit."""
    scene = bought(("10", "1.2345"))
    theirs = scene.place(Side.BUY, "web_theirs", D(5), D(1))
    for wait in (300, 5_000, 15_000):
        scene.tick(wait)
        assert isinstance(scene.step(), Act)
        scene.refuse(Effect.MAX_ORDERS)
    return scene, theirs


def test_i29_a_sale_without_room_waits_for_no_time():
    scene, _ = without_room()
    for _ in range(5):
        scene.tick(3_600_000)
        pushed(scene, BASE, str(scene.now % 7 + 10))
        assert not isinstance(scene.step(), Act)


def test_i29_a_sale_without_room_is_offered_when_an_order_has_left():
    scene, theirs = without_room()
    scene.end(theirs, OrderStatus.CANCELED)
    scene.tick(300)
    assert isinstance(scene.step(), Act)


def test_i29_that_an_order_has_left_a_read_tells_too():
    scene, theirs = without_room()
    heard_of_nothing(scene, lambda: scene.end(theirs, OrderStatus.CANCELED))
    scene.tick(300)
    assert not isinstance(scene.step(), Act)
    scene.tick(60_000)
    scene.recover()
    scene.tick(300)
    assert isinstance(scene.rest(), Act | Converged)
    assert scene.sells()


def heard_of_nothing(scene, act):
    scene.deaf = True
    act()
    scene.deaf = False


def two_sold_in_one_millisecond(*, reported_late):
    """Three lots rest, the coins of one are taken away; two SELLs are filled at one and the same time."""
    scene = bought(("10", "1.2345"), ("10", "1.2345"), ("10", "1.2345"))
    scene.rest()
    first, second = scene.requests[:2]
    holds(scene, scene.balances[BASE] - 9)
    gap = missing(scene)
    assert gap > 8
    scene.tick(1)
    scene.deaf = True
    begin = len(scene.events)
    scene.fill(first)
    scene.fill(second)
    scene.deaf = False
    told = [replace(e, at=scene.now) for e in scene.events[begin:]]
    if reported_late:
        told.sort(key=lambda e: not isinstance(e, AccountReport))
    return scene, gap, told


@pytest.mark.parametrize("reported_late", [False, True])
def test_balances_of_the_first_of_two_sales_in_one_millisecond_are_not_taken_for_those_of_both(reported_late):
    scene, gap, told = two_sold_in_one_millisecond(reported_late=reported_late)
    for event in told:
        scene.fold(event)
        assert missing(scene) >= gap
    assert missing(scene) == gap


def test_a_balance_that_is_again_what_it_was_before_a_buy_is_no_balance_from_before_it():
    """The BUY locks its money in the millisecond in which it is filled; later all of it is withdrawn."""
    scene = SpotScene(SwingPolicy(sell_when=SellWhen.FILL), min_notional="0")
    before = scene.balances.get(BASE, D(0))
    scene.deaf = True
    begin = len(scene.events)
    scene.buy(("10", "1.2345"))
    scene.deaf = False
    at = scene.now
    locked = BalanceRow(QUOTE, scene.balances[QUOTE], D(0), available=D(0))
    scene.fold(AccountReport(reason="NEW", at=at, balances=(locked,), product=Product.SPOT))
    for event in scene.events[begin:]:
        scene.fold(replace(event, at=at))
        assert missing(scene) == 0
    pushed(scene, BASE, before)
    assert missing(scene) > 9
    scene.tick(300)
    assert not isinstance(scene.step(), Act)


def copy_of(scene, *, as_of, **wallets):
    """A read of the balances, now, from a copy that shows the account as it was at `as_of`."""
    rows = tuple(BalanceRow(asset, D(q), D(q), available=D(q)) for asset, q in wallets.items())
    scene.fold(replace(scene.balances_read(), rows=rows, updated_at=as_of))
    return {asset: row.wallet for asset, row in scene.account.balances.items()}


def withdrawn():
    """All of a lot's coins, and the stream has told of it."""
    scene = bought(("10", "1.2345"), at_once=False)
    scene.tick(1_000)
    before = scene.now
    scene.tick(1_000)
    pushed(scene, BASE, "0")
    assert missing(scene) > 9
    return scene, before


def test_o9_a_read_from_a_copy_that_lags_takes_nothing_back_that_the_stream_has_told():
    scene, before = withdrawn()
    told = scene.now
    scene.tick(1_500)
    assert copy_of(scene, as_of=before, **{BASE: 10, QUOTE: 7}) == {BASE: 0, QUOTE: 7}
    assert missing(scene) > 9
    assert scene.account.balances_at == told
    assert copy_of(scene, as_of=told, **{QUOTE: 7}) == {QUOTE: 7}
    scene.tick(1_500)
    assert copy_of(scene, as_of=scene.now, **{BASE: 10, QUOTE: 7}) == {BASE: 10, QUOTE: 7}
    assert missing(scene) == 0


def test_o9_a_coin_that_was_told_and_then_read_to_be_none_stays_none_by_a_copy_that_lags():
    scene, before = withdrawn()
    assert copy_of(scene, as_of=scene.now, **{QUOTE: 7}) == {QUOTE: 7}
    scene.tick(500)
    assert copy_of(scene, as_of=before, **{BASE: 10, QUOTE: 8}) == {QUOTE: 8}
    assert missing(scene) > 9


@pytest.mark.parametrize("later_ms", [0, 3_000])
def test_o9_no_copy_lags_for_longer_than_some_seconds_whatever_its_time_says(later_ms):
    scene, before = withdrawn()
    scene.tick(2_100)
    pushed(scene, QUOTE, "9")
    scene.tick(later_ms)
    kept = later_ms == 0
    assert copy_of(scene, as_of=before, **{BASE: 10, QUOTE: 7}) == {BASE: 0 if kept else 10, QUOTE: 9}
    scene.tick(5_000)
    assert copy_of(scene, as_of=before, **{BASE: 10, QUOTE: 7}) == {BASE: 10, QUOTE: 7}


def test_o9_what_was_told_while_a_copy_that_lags_was_being_read_is_folded_after_it():
    scene, before = withdrawn()
    scene.tick(6_000)
    row = BalanceRow(BASE, D(4), D(4), available=D(4))
    told = AccountReport(reason="TRADE", at=scene.now, balances=(row,), product=Product.SPOT)
    scene.tick(10)
    copy_of(scene, as_of=before, **{BASE: 10})
    scene.fold(told)
    assert scene.account.balances[BASE].wallet == 4
