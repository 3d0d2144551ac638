"""What is beyond the limits of `pace` is told, at most once a minute of each kind, and counted each time."""

from decimal import Decimal

import pytest

from backstay.core.events import (
    AnswerClass,
    AnswerReceived,
    Certainty,
    OrderReport,
    PriceReached,
    RecoveryEnded,
    RecoveryStarted,
    RequestSent,
)
from backstay.core.records import Record
from backstay.core.types import (
    MS,
    SECOND,
    Action,
    ExecutionType,
    OrderStatus,
    OrderType,
    PositionSide,
    Product,
    Scope,
    Side,
)
from backstay.telemetry.pace import Limits, Pace

SPOT = Scope(Product.SPOT, "TRUMPUSDC", PositionSide.BOTH)
LIMITS = Limits(
    order_processing=500 * MS, price_latency=100 * MS, state_recovery=SECOND, updates_per_second=3
)
AT = 1_700_000_000 * SECOND


@pytest.fixture
def told():
    return []


@pytest.fixture
def counted():
    return []


@pytest.fixture
def pace(told, counted):
    return Pace(LIMITS, told.append, counted.append)


def order_takes(pace, span, *, at=AT, name="bs-1"):
    sent = RequestSent(scope=SPOT, ctx_id=name, action=Action.PLACE, recv_window_ms=5000)
    answer = AnswerReceived(
        scope=SPOT,
        ctx_id=name,
        action=Action.PLACE,
        certainty=Certainty.EXECUTED,
        answer=AnswerClass.ACCEPTED,
    )
    pace.take(Record(1, at, 0, sent))
    pace.take(Record(2, at + span, 1, answer))


def test_an_answer_that_took_longer_than_it_may_is_told(pace, told):
    order_takes(pace, 500 * MS)
    assert told == []
    order_takes(pace, 800 * MS, name="bs-2")
    assert told == [
        "slow: spot:TRUMPUSDC:BOTH: the answer to place bs-2 took 800 ms, longer than 500 ms "
        "(pace.order_processing)"
    ]


def test_one_kind_is_told_once_a_minute_and_counted_each_time(pace, told, counted):
    for number in range(4):
        order_takes(pace, SECOND, at=AT + number * 20 * SECOND, name=f"bs-{number}")
    assert counted == ["order_processing"] * 4
    assert len(told) == 2
    assert told[1].endswith("; 2 more times since it was told")


def test_a_late_price_is_told(pace, told):
    price = PriceReached(symbol="TRUMPUSDC", price=Decimal("1.25"), at=AT, product=Product.SPOT)
    pace.take(Record(1, AT + 100 * MS, 0, price))
    assert told == []
    pace.take(Record(2, AT + 250 * MS, 0, price))
    assert told[0].startswith("slow: TRUMPUSDC: the price 1.25 was on its way for 250 ms")


def test_a_long_recovery_is_told(pace, told):
    pace.take(Record(1, AT, 0, RecoveryStarted(scopes=(SPOT,))))
    pace.take(Record(2, AT + 2 * SECOND, 1, RecoveryEnded(subjects=(), scopes=(SPOT,))))
    assert told == [
        "slow: spot:TRUMPUSDC:BOTH: a recovery took 2.0 s, longer than 1.0 s (pace.state_recovery)"
    ]


def report(at):
    return OrderReport(
        product=Product.SPOT,
        symbol="TRUMPUSDC",
        position_side=PositionSide.BOTH,
        order_id=1,
        client_id="x",
        side=Side.BUY,
        kind=OrderType.LIMIT,
        status=OrderStatus.NEW,
        execution=ExecutionType.NEW,
        quantity=Decimal(1),
        filled=Decimal(0),
        price=Decimal(1),
        at=at,
    )


def test_more_updates_than_expected_within_a_second_are_told(pace, told):
    for number in range(4):
        pace.take(Record(number, AT + number * 300 * MS, 0, report(AT)))
    assert told == ["slow: 4 updates within a second, more than 3 (pace.updates_per_second)"]


def test_updates_that_are_spread_are_not_told(pace, told):
    for number in range(20):
        pace.take(Record(number, AT + number * 400 * MS, 0, report(AT)))
    assert told == []


def test_without_limits_nothing_is_told(told):
    pace = Pace(Limits(), told.append)
    order_takes(pace, 60 * SECOND)
    assert told == []
