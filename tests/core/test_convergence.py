"""What makes two orders equal, and that equal ones are left alone (7.6, C-1, C-2)."""

import pytest
from msgspec.structs import replace

from backstay.core.contexts import Phase
from backstay.core.convergence import equal
from backstay.core.decisions import Act, Converged
from backstay.core.events import AnswerClass, Effect
from backstay.core.types import (
    ExecutionType,
    OrderType,
    PositionSide,
    Side,
    TimeInForce,
    WorkingType,
)
from backstay.testing import evidence
from backstay.testing.evidence import algo, order

from tests.core.scenes import at_rest, said
from tests.core.wishes import D, guarded, ladder, stop, target

# --- 7.6 ----------------------------------------------------------------------------------------

TP_CTX = replace(evidence.context(target(), "o1"), phase=Phase.LIVE, order_id=1)
SL_CTX = replace(evidence.context(stop(), "a1"), phase=Phase.ARMED, order_id=1)
SIZED = stop(quantity="0.010")
SIZED_CTX = replace(evidence.context(SIZED, "a1"), phase=Phase.ARMED, order_id=1)


@pytest.mark.parametrize(
    "echo",
    [
        {"tif": TimeInForce.GTX},
        {"client_id": "other", "order_id": 7},
        {"working_type": WorkingType.MARK_PRICE},
        {"avg_price": 5},
        {"price": "60900.00"},
        {"quantity": "0.0100"},
        {"quantity": "0.014", "filled": "0.004"},
    ],
)
def test_7_6_what_a_take_profit_tolerates(echo):
    row = order(**{"reduce_only": True, "price": "60900", "quantity": "0.010", **echo})
    assert equal(target(), TP_CTX, row)


@pytest.mark.parametrize(
    "difference",
    [
        {"side": Side.BUY},
        {"kind": OrderType.STOP},
        {"price": "60900.1"},
        {"quantity": "0.011"},
        {"filled": "0.001"},
        {"reduce_only": False},
    ],
)
def test_7_6_what_makes_a_take_profit_differ(difference):
    assert not equal(target(), TP_CTX, order(**{"reduce_only": True, **difference}))


def test_7_6_reduce_only_is_no_field_in_hedge_mode():
    row = order(reduce_only=True, position_side=PositionSide.LONG)
    assert equal(target(reduce_only=False), TP_CTX, row)


@pytest.mark.parametrize(
    "echo",
    [
        {"reduce_only": True, "tif": TimeInForce.GTE_GTC},
        {"price_protect": True},
        {"price": 0},
        {"trigger": "57000.00"},
    ],
)
def test_7_6_what_a_close_position_stop_tolerates(echo):
    assert equal(stop(), SL_CTX, algo(**echo))


@pytest.mark.parametrize(
    "difference",
    [
        {"trigger": "57000.1"},
        {"side": Side.BUY},
        {"kind": OrderType.TAKE_PROFIT_MARKET},
        {"working_type": WorkingType.CONTRACT_PRICE},
        {"quantity": "0.010"},
    ],
)
def test_7_6_what_makes_a_close_position_stop_differ(difference):
    assert not equal(stop(), SL_CTX, algo(**difference))


def test_7_6_a_sized_stop_compares_its_size_within_the_tolerance():
    assert equal(SIZED, SIZED_CTX, algo(quantity="0.010"))
    assert not equal(SIZED, SIZED_CTX, algo(quantity="0.011"))
    wide = replace(SIZED, tolerance=D("0.2"))
    assert equal(wide, SIZED_CTX, algo(quantity="0.011"))
    assert not equal(wide, SIZED_CTX, algo(quantity="0.012"))


def test_7_6_a_trailing_stop_compares_what_was_asked_for():
    """A push does not carry the callback rate, and the venue moves the trail."""
    trail = replace(SIZED, kind=OrderType.TRAILING_STOP_MARKET, callback_rate=D(1), trigger=None)
    ctx = replace(evidence.context(trail, "a1"), phase=Phase.ARMED, order_id=1)
    row = algo(kind=OrderType.TRAILING_STOP_MARKET, quantity="0.010", trigger="61234.5")
    assert equal(trail, ctx, row)
    assert not equal(replace(trail, callback_rate=D(2)), ctx, row)
    assert not equal(replace(trail, quantity=D("0.020")), ctx, row)


def test_7_6_nothing_unproven_is_ever_equal():
    for phase in Phase:
        ctx = replace(TP_CTX, phase=phase)
        proven = phase in (Phase.LIVE, Phase.PARTIAL, Phase.ARMED)
        assert equal(target(), ctx, order(reduce_only=True)) is proven
    assert not equal(target(), TP_CTX, None)


def test_c1_an_equal_slot_is_never_touched_whatever_the_echo():
    scene = at_rest(guarded(ladder()))
    for row in [*scene.venue.open_orders()]:
        echo = replace(row, execution=ExecutionType.SNAPSHOT, tif=TimeInForce.GTX, at=row.at + 5)
        scene.fold(echo)
    scene.tick(300)
    assert scene.step() == Converged()


def test_c2_a_no_op_amend_settles_where_the_row_is_equal():
    scene = at_rest(guarded())
    scene.want(guarded(price="61000"))
    scene.step()
    amend = scene.waiting[0]
    scene.report(amend)
    scene.refuse(amend, Effect.SAME_ORDER, answer=AnswerClass.NOOP, code=-5027)
    scene.tick(300)
    assert scene.state.trusted
    assert scene.step() == Converged()


def test_c2_a_no_op_amend_that_contradicts_the_row_is_looked_up_and_not_repeated():
    scene = at_rest(guarded())
    scene.want(guarded(price="61000"))
    scene.step()
    amend = scene.waiting[0]
    scene.refuse(amend, Effect.SAME_ORDER, answer=AnswerClass.NOOP, code=-5027)
    assert scene.state.reasons == ("same_order_contradiction",)
    scene.recover()
    assert scene.state.trusted
    for _ in range(3):  # no time ends it: one of both has to change
        assert not isinstance(scene.step(), Act)
        scene.tick(60_000)
    scene.want(guarded(price="61001"))
    assert said(scene.step()) == ("PROTECT", [("amend", "TP/0")])
