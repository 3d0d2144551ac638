"""Spot: what the wallet says of the lots, over several symbols, and what the owner did behind their back."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from backstay.core.coins import sellable, uncovered
from backstay.core.events import (
    AccountReport,
    BalanceRow,
    OperatorAction,
    OperatorCommand,
    OrdersSnapshot,
)
from backstay.core.lots import Mark
from backstay.core.state import Block
from backstay.core.types import MS, OrderStatus, OrderType, PositionSide, Product, Scope, Side
from backstay.strategies.swing.policy import SellWhen, SwingPolicy
from backstay.testing.spot import BASE
from backstay.testing.spot_scene import SpotScene

D = Decimal
OTHER = Scope(Product.SPOT, f"{BASE}USDT", PositionSide.BOTH)
FEE = D("0.999")
"""What is left of a BUY whose commission is taken in the base asset."""


def holding(*parts):
    scene = SpotScene(SwingPolicy(sell_when=SellWhen.FILL))
    scene.buy(*parts)
    scene.fold(scene.balances_read())
    scene.tick(300)
    return scene


def beside(scene, *, base=BASE, lacking="0", fill_at=0):
    """The account with a second symbol whose lots are as many."""
    lots = replace(scene.lots, lacking=D(lacking))
    other = replace(scene.state, scope=OTHER, lots=lots, fill_at=fill_at)
    rules = replace(scene.rules, symbol=OTHER.symbol, base=base)
    account = scene.account
    return replace(
        account,
        scopes={**account.scopes, OTHER: other},
        instruments={**account.instruments, OTHER.symbol: rules},
    )


def test_o7_two_symbols_of_one_asset_share_its_balance():
    scene = holding(("10", "1.2"))
    assert uncovered(scene.account, scene.state) == 0
    assert uncovered(beside(scene), scene.state) == D(10) * FEE, "the wallet holds the coins of one of them"
    assert uncovered(beside(scene, base="BONK"), scene.state) == 0


def test_o7_balances_older_than_a_trade_of_the_other_symbol_tell_what_was_known_before():
    scene = holding(("10", "1.2"))
    later = scene.account.balances_at + 1
    assert uncovered(beside(scene, lacking="3", fill_at=later), scene.state) == 3
    assert uncovered(beside(scene, lacking="3", fill_at=later - 1), scene.state) == D(10) * FEE


def test_o7_without_filters_balances_or_lots_nothing_is_known_to_be_missing():
    scene = holding(("10", "1.2"))
    account, s = replace(scene.account, balances={}), scene.state
    assert uncovered(account, s) == D(10) * FEE, "the wallet has none of them"
    assert uncovered(replace(account, instruments={}), s) == 0
    assert uncovered(replace(account, balances_at=0), s) == 0
    assert uncovered(account, replace(s, lots=None)) == 0


def test_what_may_be_sold_is_known_only_with_the_filters():
    scene = holding(("10", "1.2"))
    assert sellable(scene.account, scene.state) == D("9.99")
    assert sellable(replace(scene.account, instruments={}), scene.state) is None


@pytest.mark.parametrize(("lists", "left"), [((0, 0), "5.99"), ((7, 7), "7.99"), ((7, 8), "5.99")])
def test_o7_an_order_list_of_somebody_else_locks_the_coins_that_its_legs_share_once(lists, left):
    scene = holding(("10", "1.2"))
    for number, list_id in enumerate(lists):
        row = scene.place(Side.SELL, f"web_{number}", D(2), D("1.5"))
        scene.fold(replace(row, list_id=list_id, order_id=row.order_id + 100))
        scene.fold(replace(row, status=OrderStatus.CANCELED, at=row.at + 1))
    assert sellable(scene.account, scene.state) == D(left)


def command(scene, action, lot, **more):
    return OperatorCommand(action=action, who="me", scope=scene.key, lot=lot.trade_id, **more)


def test_a_forgotten_lot_leaves_the_others_their_life():
    scene = holding(("10", "1.2"), ("5", "1.3"))
    first, second = scene.open_lots()
    epoch, average = scene.state.epoch, scene.state.position.entry_price
    scene.fold(command(scene, OperatorAction.FORGET, first))
    assert [x.trade_id for x in scene.open_lots()] == [second.trade_id]
    assert scene.state.position.quantity == second.left
    assert (scene.state.epoch, scene.state.position.entry_price) == (epoch, average)
    scene.fold(command(scene, OperatorAction.FORGET, second))
    assert scene.open_lots() == []
    assert scene.state.position.quantity == scene.state.position.entry_price == 0


def test_a_lot_that_is_not_there_or_whose_sell_works_is_not_forgotten():
    scene = holding(("10", "1.2"))
    (lot,) = scene.open_lots()
    before = scene.account
    scene.fold(command(scene, OperatorAction.FORGET, replace(lot, trade_id=1)))
    assert scene.account is before
    scene.rest()
    assert scene.sells()
    scene.fold(command(scene, OperatorAction.FORGET, lot))
    assert scene.open_lots() == [lot]


@pytest.mark.parametrize("known", [True, False])
def test_a_sale_by_hand_ends_the_one_lot_whose_sell_was_taken_back(known):
    scene = holding(("10", "1.2"))
    scene.rest()
    (request,) = scene.requests
    scene.cancel_by_hand(request)
    (flag,) = scene.lots.flags.values()
    assert flag.mark is Mark.CANCELLED
    if not known:
        scene.account = replace(scene.account, instruments={})
    scene.now += MS
    scene.sell(("9.99", "1.5"))
    assert len(scene.open_lots()) == (0 if known else 1)


# --- what a refused sale waits for ------------------------------------------------------------------------


def refused_for(scene, *effects):
    """The one lot's sale was refused for these reasons, each until its condition passes."""
    (lot,) = scene.open_lots()
    blocks = tuple(
        Block(key=None, effect=effect, since=1, until=0, position=lot.left, by_lot=True) for effect in effects
    )
    s = replace(scene.state, blocks=blocks)
    scene.account = replace(scene.account, scopes={**scene.account.scopes, s.scope: s}, margin_free=False)


def effects(scene):
    return sorted(b.effect for b in scene.state.blocks)


def coins(scene, free):
    scene.now += MS
    row = BalanceRow(BASE, D(free), D(free), available=D(free))
    scene.fold(AccountReport(reason="TRADE", at=scene.now, balances=(row,), product=Product.SPOT))


def test_8_1_a_sale_waits_for_its_coins_through_every_balance_that_does_not_bring_them():
    scene = holding(("10", "1.2"))
    refused_for(scene, "margin", "price_band")
    for free in ("2", "5"):
        coins(scene, free)
        assert effects(scene) == ["margin", "price_band"]
    coins(scene, "9.99")
    assert effects(scene) == ["price_band"]


def test_8_1_a_sale_waits_for_room_until_an_order_has_left():
    scene = holding(("10", "1.2"))
    refused_for(scene, "max_orders")
    row = scene.place(Side.SELL, "web_1", D(1), D(2), OrderType.LIMIT, None)
    assert effects(scene) == ["max_orders"], "one more order makes no room"
    scene.end(row, OrderStatus.CANCELED)
    assert effects(scene) == []


def test_8_1_room_is_made_by_an_order_of_either_symbol_that_a_read_no_longer_shows():
    scene = holding(("10", "1.2"))
    refused_for(scene, "max_orders")
    scene.place(Side.SELL, "web_1", D(1), D(2), OrderType.LIMIT, None)
    account = beside(scene)
    scopes = {**account.scopes, OTHER: replace(account.scopes[OTHER], orders={}, blocks=())}
    scene.account = replace(account, scopes=scopes)
    scene.tick(1)
    read = OrdersSnapshot(
        rows=(), requested_at=scene.now, received_at=scene.now, symbols=(OTHER.symbol,), product=Product.SPOT
    )
    scene.fold(read)
    assert effects(scene) == ["max_orders"], "nothing has left"
    scene.fold(replace(read, symbols=()))
    assert effects(scene) == []
