"""Classes of the older shape, as strategies over spot lots."""

from decimal import Decimal
from typing import ClassVar

import pytest

from backstay.core.types import Side
from backstay.strategies.interface import UserPolicy
from backstay.strategies.older import PRICE_STEP, Older, OlderPolicy
from backstay.testing import users
from backstay.testing.builders import OPENED_AT, view

D = Decimal


class Least:
    def calculate_sell_price(self, order):
        return order.price * D("1.01")


class Told:
    heard: ClassVar[list] = []

    def __init__(self, config):
        self.config = config

    def on_order_update(self, order):
        self.heard.append((order.side, order.id, order.status, str(order.quantity)))

    def on_price_update(self, symbol, price):
        self.heard.append((symbol, str(price)))

    def should_place_sell_order(self, order, price):
        self.heard.append(("asked", order.id, str(price)))
        return order.price < D("1.25")

    def calculate_sell_price(self, order):
        return order.price * (1 + self.config.profit)


def test_only_the_price_must_be_there_and_then_every_lot_is_sold_at_once():
    scene = users.scene_of(Least)
    scene.buy(("10", "1.2"), ("4", "1.2"))
    scene.rest()
    assert scene.sells() == [("3.99", "1.2120"), ("9.99", "1.2120")]
    assert {r.context.slot.hands_off for r in scene.requests} == {True}


def test_it_is_told_of_orders_then_of_the_price_then_asked():
    scene = users.scene_of(Told, profit="2%")
    scene.buy(("10", "1.2"))
    scene.buy(("5", "1.3"))
    Told.heard.clear()
    scene.rest()
    assert scene.sells() == [("9.99", "1.2240")]
    first, second = scene.open_lots()
    Told.heard.clear()
    scene.plan()
    assert Told.heard == [
        (Side.BUY, first.trade_id, "FILLED", "9.990"),
        (Side.BUY, second.trade_id, "FILLED", "4.995"),
        (Side.SELL, first.trade_id, "NEW", "9.99"),
        ("TRUMPUSDC", "1.3"),
        ("asked", second.trade_id, "1.3"),
    ]


def test_nothing_is_remembered_from_one_answer_to_the_next():
    class Counts:
        def __init__(self):
            self.prices = 0

        def on_price_update(self, symbol, price):
            self.prices += 1

        def should_place_sell_order(self, order):
            return self.prices > 1

        def calculate_sell_price(self, order):
            return order.price * 2

    scene = users.scene_of(Counts)
    scene.buy(("10", "1.2"))
    for price in ("1.3", "1.4", "1.5"):
        scene.price(price)
        scene.rest()
    assert scene.sells() == []


def test_it_is_asked_again_when_the_price_has_moved_and_each_minute():
    class Waits(Least):
        def should_place_sell_order(self, order):
            return False

    scene = users.scene_of(Waits)
    scene.buy(("10", "1.2"))
    scene.rest()
    plan = scene.plan()
    prices = sorted(w.price for w in plan.watches)
    assert prices == [D("1.2") * (1 - PRICE_STEP), D("1.2") * (1 + PRICE_STEP)]
    assert plan.wake_at == scene.now + 60 * 10**9


@pytest.mark.parametrize("price", [1.5, None, D("NaN"), D(-1), "1.5"])
def test_a_price_that_is_no_exact_one_is_refused(price):
    class Floats:
        def calculate_sell_price(self, order):
            return price

    scene = users.scene_of(Floats)
    scene.buy(("10", "1.2"))
    assert "calculate_sell_price returned" in repr(scene.step())
    assert scene.requests == []


def test_it_sells_lots_and_nothing_else():
    assert "only spot" in users.answer(Least, view(), OPENED_AT).unknown
    assert Older(Least).policy is OlderPolicy


def test_it_may_bring_a_policy_of_its_own():
    class Mine(UserPolicy, frozen=True):
        gain: Decimal = D("0.05")

    class WithPolicy:
        policy = Mine

        def __init__(self, config):
            self.gain = config.gain

        def calculate_sell_price(self, order):
            return order.price * (1 + self.gain)

    scene = users.scene_of(WithPolicy, gain="10%")
    scene.buy(("10", "1.2"))
    scene.rest()
    assert scene.sells() == [("9.99", "1.3200")]
