"""What is foreseen: the stop of the one order that may open a position, and nothing that is less certain."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from backstay.core.engine import Engine
from backstay.core.foresight import foresee
from backstay.core.types import PositionSide, Product, Side
from backstay.strategies.swing.policy import SwingPolicy
from backstay.testing import evidence
from backstay.testing.scene import Scene
from backstay.testing.spot_scene import SpotScene

from tests.core.wishes import SELL, entry, ladder, stop, target, want

D = Decimal


def wanted(*further, protection=()):
    """An entry and `further` slots while flat, then this protection; none given: a stop."""
    return lambda view: want(*(protection or (stop(),))) if view.direction else want(entry(), *further)


def resting(*further, **options):
    """A scene whose entry rests."""
    scene = Scene(wanted(*further, **options))
    scene.account = evidence.folded(scene.account, [evidence.position(0, at=1)], at=1)
    scene.tick(300)
    scene.rest()
    return scene


def foreseen(scene, account=None, engine=None):
    return foresee(account or scene.account, scene.key, engine or scene.engine, scene.now)


def own_entry(scene):
    (row,) = scene.venue.open_orders()
    return row


def test_the_stop_of_a_resting_entry_is_foreseen():
    scene = resting()
    forecast = foreseen(scene)
    assert (forecast.order, forecast.quantity, forecast.price) == (
        own_entry(scene).client_id,
        D("0.010"),
        60000,
    )
    assert forecast.position == D("0.010")
    assert forecast.answer.intent.slot.trigger == 57000
    assert forecast.base is scene.state
    assert forecast.holds(scene.account)


def test_a_short_entry_makes_a_negative_position():
    short = (stop("63000", Side.BUY),)
    scene = Scene(lambda view: want(*short) if view.direction else want(entry(side=SELL)))
    scene.account = evidence.folded(scene.account, [evidence.position(0, at=1)], at=1)
    scene.tick(300)
    scene.rest()
    assert foreseen(scene).position == D("-0.010")


def test_a_forecast_is_void_once_anything_it_read_has_changed():
    scene = resting()
    forecast = foreseen(scene)
    assert not forecast.holds(replace(scene.account, marks={"BTCUSDT": D(59000)}))
    touched = replace(scene.state, retry_at=1)
    assert not forecast.holds(replace(scene.account, scopes={scene.key: touched}))


def test_only_a_whole_fill_at_the_orders_own_price_was_foreseen():
    scene = resting()
    forecast, row = foreseen(scene), own_entry(scene)
    notice = evidence.trade_lite(row.order_id, row.client_id, Side.BUY, "0.010", at=5)
    notice = replace(notice, last_price=D(60000))
    assert forecast.is_filled_by(notice)
    assert not forecast.is_filled_by(replace(notice, last_qty=D("0.009")))
    assert not forecast.is_filled_by(replace(notice, last_price=D(59999)))
    report = replace(row, filled=D("0.010"), last_qty=D("0.010"), last_price=D(60000))
    assert forecast.is_filled_by(report)
    in_two = replace(report, last_qty=D("0.004"))
    assert not forecast.is_filled_by(in_two), "the last part of several fills: the average may differ"


def test_only_the_expected_position_was_foreseen():
    scene = resting()
    forecast = foreseen(scene)
    report = evidence.position("0.010", at=5)
    assert forecast.is_position_of(report)
    (row,) = report.positions
    for other in (
        replace(row, quantity=D("0.011")),
        replace(row, entry_price=D(59999)),
        replace(row, symbol="ETHUSDT"),
        replace(row, position_side=PositionSide.LONG),
    ):
        assert not forecast.is_position_of(replace(report, positions=(other,)))
    assert not forecast.is_position_of(replace(report, positions=()))
    assert not forecast.is_position_of(replace(report, positions=(row, row)))


@pytest.mark.parametrize("changed", [{"trust": "STALE"}, {"flatten_since": 1}])
def test_nothing_is_foreseen_for_a_scope_that_is_not_at_rest(changed):
    scene = resting()
    account = replace(scene.account, scopes={scene.key: replace(scene.state, **changed)})
    assert foreseen(scene, account) is None


def test_nothing_is_foreseen_while_an_order_is_only_sent_or_half_filled():
    scene = Scene(wanted())
    scene.account = evidence.folded(scene.account, [evidence.position(0, at=1)], at=1)
    scene.tick(300)
    scene.step()
    assert foreseen(scene) is None
    scene.rest()
    scene.confirm()
    assert foreseen(scene) is not None
    scene.see(scene.venue.fill(own_entry(scene).client_id, D("0.004")))
    assert foreseen(scene) is None


def test_of_two_orders_nobody_knows_which_fills_first():
    assert foreseen(resting(ladder())) is None


def test_where_no_stop_follows_nothing_is_foreseen():
    assert foreseen(resting(protection=(target(),))) is None
    assert foreseen(resting(), engine=Engine(())) is None


def test_the_stop_is_found_among_what_else_follows():
    assert foreseen(resting(protection=(target(), stop()))).answer.intent.slot.trigger == 57000


def test_an_unknown_scope_has_no_future():
    scene = resting()
    assert foresee(scene.account, evidence.scope(symbol="ETHUSDT"), scene.engine, scene.now) is None


def test_spot_has_no_position_report_to_foresee():
    scene = SpotScene(SwingPolicy())
    scene.buy(("4", "1.2"))
    assert scene.key.product is Product.SPOT
    assert foresee(scene.account, scene.key, scene.engine, scene.now) is None
