"""Rate-limit arithmetic on calendar buckets, without a clock."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.binance.wire.limits import Admit, Bucket, Budget, Delay, Halted, Kind
from backstay.core.types import SECOND

MINUTE = 60 * SECOND
NOON = 1_790_000_040 * SECOND  # a full minute
assert NOON % MINUTE == 0


def spend(budget, kind, weight, now, orders=0) -> int:
    """How many requests pass until the first delay."""
    count = 0
    while isinstance(budget.admit(kind, weight, now, orders=orders), Admit):
        count += 1
    return count


def test_reads_leave_the_reserve_to_protection_and_cancels():
    budget = Budget(weight_per_minute=100, reserve_percent=20)
    assert spend(budget, Kind.READ, 10, NOON) == 8
    assert spend(budget, Kind.CANCEL, 1, NOON) == 20
    assert isinstance(budget.admit(Kind.PROTECTIVE, 1, NOON), Delay)


def test_exposure_leaves_the_order_reserve_to_protection():
    budget = Budget(orders_per_10s=10, orders_per_minute=1000)
    assert spend(budget, Kind.EXPOSURE, 0, NOON, orders=1) == 8
    assert spend(budget, Kind.PROTECTIVE, 0, NOON, orders=1) == 2


def test_buckets_start_again_at_the_edges_of_the_calendar():
    budget = Budget(orders_per_10s=5, orders_per_minute=1000, reserve_percent=0)
    late = NOON + 9 * SECOND
    assert spend(budget, Kind.EXPOSURE, 0, late, orders=1) == 5
    delay = budget.admit(Kind.EXPOSURE, 0, late, orders=1)
    assert isinstance(delay, Delay)
    assert delay.until == NOON + 10 * SECOND
    assert isinstance(budget.admit(Kind.EXPOSURE, 0, delay.until, orders=1), Admit)


def test_the_minute_of_orders_counts_across_its_ten_seconds():
    budget = Budget(orders_per_10s=5, orders_per_minute=12, reserve_percent=0)
    passed = [spend(budget, Kind.EXPOSURE, 0, NOON + i * 10 * SECOND, orders=1) for i in range(6)]
    assert passed == [5, 5, 2, 0, 0, 0]
    delay = budget.admit(Kind.EXPOSURE, 0, NOON + 55 * SECOND, orders=1)
    assert delay.until == NOON + MINUTE


def test_a_delayed_request_books_nothing():
    budget = Budget(weight_per_minute=100, orders_per_10s=5, orders_per_minute=3, reserve_percent=0)
    assert spend(budget, Kind.EXPOSURE, 1, NOON, orders=1) == 3
    assert budget.headroom(NOON) == {"weight_1m": 97, "orders_10s": 2, "orders_1m": 0}


def test_the_venues_counters_are_adopted_and_never_lowered_within_a_bucket():
    budget = Budget(weight_per_minute=100, reserve_percent=0)
    budget.adopt(NOON, weight=95)
    assert spend(budget, Kind.READ, 5, NOON) == 1
    budget.adopt(NOON + SECOND, weight=10, orders_10s=7, orders_long=9)
    assert budget.headroom(NOON + SECOND) == {"weight_1m": 0, "orders_10s": 293, "orders_1m": 1191}
    assert budget.headroom(NOON + MINUTE)["weight_1m"] == 100


def test_limits_of_the_venue_are_adopted_and_the_reserve_keeps_its_share():
    budget = Budget()
    budget.adopt_limits(weight=6000, orders_10s=100, orders_long=500)
    assert (budget.weight.capacity, budget.weight.reserve) == (6000, 1200)
    assert (budget.orders_10s.capacity, budget.orders_long.capacity) == (100, 500)
    with pytest.raises(ValueError, match="not usable"):
        budget.adopt_limits(weight=0)


def test_a_pause_stops_everything_until_its_end_and_only_grows():
    budget = Budget()
    budget.pause(NOON + 5 * SECOND, "429")
    budget.pause(NOON + SECOND, "shorter")
    delay = budget.admit(Kind.PROTECTIVE, 0, NOON, orders=1)
    assert delay == Delay(NOON + 5 * SECOND, "429")
    assert isinstance(budget.admit(Kind.READ, 1, NOON + 5 * SECOND), Admit)


def test_an_order_pause_lets_cancels_and_reads_go_on():
    budget = Budget()
    budget.pause(NOON + 5 * SECOND, "-1015", orders_only=True)
    assert isinstance(budget.admit(Kind.PROTECTIVE, 0, NOON, orders=1), Delay)
    assert isinstance(budget.admit(Kind.CANCEL, 1, NOON), Admit)
    assert isinstance(budget.admit(Kind.READ, 5, NOON), Admit)


def test_a_ban_halts_until_it_is_released():
    budget = Budget()
    budget.halt("418")
    assert budget.halted
    assert budget.admit(Kind.CANCEL, 1, NOON + 10**18) == Halted("418")
    budget.release()
    assert isinstance(budget.admit(Kind.CANCEL, 1, NOON), Admit)


def test_a_clock_that_is_set_back_empties_no_bucket():
    budget = Budget(weight_per_minute=10, reserve_percent=0)
    assert spend(budget, Kind.READ, 1, NOON) == 10
    assert isinstance(budget.admit(Kind.READ, 1, NOON - SECOND), Delay)
    assert isinstance(budget.admit(Kind.READ, 1, NOON), Delay)


def test_a_reserve_that_leaves_nothing_is_refused():
    with pytest.raises(ValueError, match="reserve"):
        Bucket(10, SECOND, 10)


@given(
    st.lists(
        st.tuples(st.sampled_from(Kind), st.integers(0, 50), st.integers(0, 3), st.integers(0, 20)),
        max_size=60,
    )
)
def test_what_is_admitted_in_a_bucket_never_exceeds_the_venues_limit(requests):
    budget = Budget(weight_per_minute=300, orders_per_10s=20, orders_per_minute=60)
    now = NOON
    weight: dict[int, int] = {}
    tens: dict[int, int] = {}
    minutes: dict[int, int] = {}
    for kind, cost, orders, seconds in requests:
        now += seconds * SECOND
        answer = budget.admit(kind, cost, now, orders=orders)
        if isinstance(answer, Delay):
            assert answer.until > now
            continue
        for bucket, interval, amount in ((weight, 60, cost), (tens, 10, orders), (minutes, 60, orders)):
            key = now // (interval * SECOND)
            bucket[key] = bucket.get(key, 0) + amount
    assert all(total <= 300 for total in weight.values())
    assert all(total <= 20 for total in tens.values())
    assert all(total <= 60 for total in minutes.values())
