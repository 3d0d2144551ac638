"""When the scored trader enters, how large, and when it leaves it be."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from backstay.core.scored import SignalKind
from backstay.core.types import SECOND, Direction, OrderType, PositionMode, Role, Side, TimeInForce
from backstay.core.view import MarketView, SlotLife
from backstay.signals.policy import Override, ScorePolicy
from backstay.strategies.position_manager.policy import OnExternal, StopPolicy, TakeProfitKind
from backstay.strategies.scored.entry import entry_size
from backstay.strategies.scored.policy import (
    CoolDown,
    EntryKind,
    EntryPolicy,
    ExitPolicy,
    ScoredPolicy,
    SizePolicy,
    bracket,
)
from backstay.strategies.scored.wanted import wanted
from backstay.testing.builders import OPENED_AT, view
from backstay.testing.market import VALID_FOR, book, signal

D = Decimal
LONG, SHORT, NONE = SignalKind
POLICY = ScoredPolicy(symbols=("BTCUSDT",), size=SizePolicy(max_share=D(3)))
NOW = OPENED_AT + SECOND


def flat(plan=None, policy_view=None, **market):
    plan = signal() if plan is None else plan
    facts = {"signal": plan, "plan": plan, "equity": D(10_000)} | market
    return view(None, market=MarketView(**facts), **(policy_view or {}))


def entry_of(answer):
    return next((x for x in answer.slots if x.key.role is Role.ENTRY), None)


def test_a_plan_is_entered_by_a_limit_order_sized_by_its_risk():
    slot = entry_of(wanted(flat(), POLICY, NOW))
    assert (slot.side, slot.kind, slot.tif, slot.price) == (
        Side.BUY,
        OrderType.LIMIT,
        TimeInForce.GTC,
        D(60000),
    )
    # 10000 x 0.5 % = 50 at risk; 1 % stop and 2 x 0.05 % fees: 4545.45 of notional, 0.0757 BTC
    assert slot.quantity == slot.total == D("0.075")


def test_a_short_plan_sells():
    slot = entry_of(wanted(flat(signal(SHORT)), POLICY, NOW))
    assert (slot.side, slot.quantity) == (Side.SELL, D("0.075"))


def test_the_offset_asks_for_a_better_price():
    policy = replace(POLICY, entry=EntryPolicy(offset=D("0.001")))
    assert entry_of(wanted(flat(), policy, NOW)).price == D(59940)
    assert entry_of(wanted(flat(signal(SHORT)), policy, NOW)).price == D(60060)


@pytest.mark.parametrize(
    ("size", "quantity"),
    [
        (SizePolicy(max_share=D("0.3")), "0.05"),
        (SizePolicy(max_share=D(3), max_notional=D(1200)), "0.02"),
        (SizePolicy(max_share=D(3), risk=D("0.01")), "0.151"),
    ],
)
def test_the_size_is_capped(size, quantity):
    assert entry_of(wanted(flat(), replace(POLICY, size=size), NOW)).quantity == D(quantity)


@given(
    st.decimals(10, 1_000_000, places=2),
    st.decimals("0.002", "0.05", places=6),
    st.decimals("0.0001", "0.1", places=4),
    st.decimals(1, 200_000, places=1),
)
def test_the_loss_at_the_stop_never_exceeds_what_is_risked(equity, stop, risk, price):
    seen = flat(signal(stop=stop, price=price), equity=equity)
    policy = replace(POLICY, size=SizePolicy(risk=risk, max_share=D(100)))
    quantity = entry_size(seen, policy, seen.market.plan)
    fees = quantity * price * 2 * seen.taker_fee
    assert quantity * price * stop + fees <= equity * risk
    assert quantity % seen.instrument.step == 0


@pytest.mark.parametrize(
    ("seen", "note"),
    [
        (flat(signal(NONE)), ""),
        (flat(plan=None, signal=None), None),
        (flat(equity=None), "entry: the balance is not known"),
        (flat(equity=D(1)), "entry: too small for the venue"),
        (flat(equity=D(200)), "entry: cannot be placed"),
        (flat(closed_at=NOW - 60 * SECOND, last_result=D(5)), "entry: cool-down"),
        (flat(closed_at=NOW - 1800 * SECOND, last_result=D(-5)), "entry: cool-down after a loss"),
        (flat(foreign=True), "entry: manual_review"),
    ],
)
def test_what_keeps_an_entry_away_is_noted(seen, note):
    answer = wanted(seen, POLICY, NOW)
    if note is None:
        assert entry_of(answer) is not None, "the plan is what counts, not the newest score"
        return
    assert entry_of(answer) is None
    assert any(n.startswith(note) for n in answer.notes) or (not note and not answer.notes)


def test_a_plan_is_entered_while_it_is_valid_and_on_configured_sides():
    seen = flat()
    assert entry_of(wanted(seen, POLICY, OPENED_AT + VALID_FOR - 1)) is not None
    assert entry_of(wanted(seen, POLICY, OPENED_AT + VALID_FOR)) is None
    assert entry_of(wanted(seen, replace(POLICY, sides=(Direction.SHORT,)), NOW)) is None
    assert entry_of(wanted(seen, replace(POLICY, symbols=("ETHUSDT",)), NOW)) is None


def test_a_plan_older_than_the_last_position_opens_no_second_one():
    policy = replace(POLICY, cool_down=CoolDown(after_close=0, after_loss=0))
    assert entry_of(wanted(flat(closed_at=OPENED_AT), policy, NOW)) is None
    later = signal(at=1_000)
    assert entry_of(wanted(flat(later, closed_at=OPENED_AT), policy, NOW)) is not None


def test_foreign_orders_do_not_matter_where_positions_are_managed_anyway():
    policy = replace(POLICY, on_external_position=OnExternal.MANAGE)
    assert entry_of(wanted(flat(foreign=True), policy, NOW)) is not None


def test_an_entry_under_way_keeps_its_total_whatever_the_balance_is_by_now():
    life = SlotLife(
        total=D("0.075"), filled=D(0), since=NOW, last_at=NOW, open=True, resting=D("0.075"), price=D(60000)
    )
    seen = replace(flat(equity=D(500)), entry=life)
    assert entry_of(wanted(seen, POLICY, NOW + SECOND)).quantity == D("0.075")


def test_an_entry_under_way_ends_when_the_signal_turns():
    life = SlotLife(
        total=D("0.075"), filled=D(0), since=NOW, last_at=NOW, open=True, resting=D("0.075"), price=D(60000)
    )
    seen = replace(flat(signal=signal(SHORT, at=900)), entry=life)
    answer = wanted(seen, POLICY, NOW + SECOND)
    assert (answer.slots, answer.notes) == ((), ("entry: the signal turned",))


def test_a_market_entry_waits_for_a_book_within_the_slippage_limit():
    policy = replace(POLICY, entry=EntryPolicy(kind=EntryKind.MARKET))
    blind = wanted(flat(), policy, NOW)
    assert (entry_of(blind), blind.book) == (None, True)
    near = wanted(flat(book=book("59999", "60001").book), policy, NOW)
    assert (entry_of(near).kind, entry_of(near).quantity) == (OrderType.MARKET, D("0.075"))
    assert entry_of(wanted(flat(book=book("59999", "60200").book), policy, NOW)) is None


# --- in a position --------------------------------------------------------------------------------


def held(plan=None, policy=POLICY, now=NOW, newest=None, **facts):
    plan = signal() if plan is None else plan
    market = MarketView(signal=newest or plan, plan=plan, equity=D(10_000))
    seen = view(plan.kind.direction, "0.075", external=False, market=market, **facts)
    return {str(x.key): x for x in wanted(seen, policy, now).slots}


def test_a_position_has_the_bracket_of_its_plan():
    slots = held()
    stop, profit = slots["SL/0"], slots["TP/0"]
    assert (stop.kind, stop.trigger, stop.close_position) == (OrderType.STOP_MARKET, D(59400), True)
    assert (profit.kind, profit.trigger, profit.quantity) == (
        OrderType.TAKE_PROFIT_MARKET,
        D(60900),
        D("0.075"),
    )
    assert set(held(signal(targets=(("0.01", "0.5"), ("0.02", "0.5"))))) == {"SL/0", "TP/0", "TP/1"}
    short = held(signal(SHORT))
    assert (short["SL/0"].trigger, short["TP/0"].trigger) == (D(60600), D(59100))


def test_a_newer_signal_does_not_move_the_bracket():
    newer = signal(at=300, stop="0.03", targets=(("0.05", 1),))
    assert held(newest=newer) == held()


def test_a_position_that_we_did_not_open_is_reviewed_and_not_touched():
    seen = view(Direction.LONG, "0.075", external=True, market=MarketView(signal=signal()))
    assert wanted(seen, POLICY, NOW).unknown.startswith("manual_review")
    managed = replace(POLICY, on_external_position=OnExternal.MANAGE)
    stops = [x for x in wanted(seen, managed, NOW).slots if x.key.role is Role.SL]
    assert [x.trigger for x in stops] == [D(57000)], "the configured distance holds where there is no signal"


def test_an_opposite_signal_closes_when_configured():
    turned = signal(SHORT, at=500)
    policy = replace(POLICY, exit=ExitPolicy(on_opposite=True))
    assert "EXIT/0" not in held(newest=turned)
    slots = held(newest=turned, policy=policy)
    assert (slots["EXIT/0"].kind, slots["EXIT/0"].side) == (OrderType.MARKET, Side.SELL)
    assert {"SL/0", "TP/0"} <= set(slots), "nothing that protects is given up before"


def test_age_closes_when_configured():
    policy = replace(POLICY, exit=ExitPolicy(after=3600 * SECOND))
    assert "EXIT/0" not in held(policy=policy, now=OPENED_AT + 3599 * SECOND)
    assert held(policy=policy, now=OPENED_AT + 3600 * SECOND)["EXIT/0"].kind is OrderType.MARKET


def test_an_escalated_exit_asks_for_a_price_first_and_the_targets_make_room():
    rule = EntryPolicy().escalation
    policy = replace(POLICY, exit=ExitPolicy(after=3600 * SECOND, escalation=rule))
    late = OPENED_AT + 3600 * SECOND
    slots = held(policy=policy, now=late)
    assert set(slots) == {"SL/0", "EXIT/0"}
    assert (slots["EXIT/0"].kind, slots["EXIT/0"].price, slots["EXIT/0"].reduce_only) == (
        OrderType.LIMIT,
        D(60000),
        True,
    )
    life = SlotLife(total=D("0.075"), filled=D(0), since=late, last_at=late, open=False)
    aged = held(policy=policy, now=late + 61 * SECOND, exit=life)
    assert aged["EXIT/0"].tif is TimeInForce.IOC
    given_up = held(policy=policy, now=late + 180 * SECOND, exit=life)
    assert given_up["EXIT/0"].kind is OrderType.MARKET, "an exit is never given up"


def test_the_position_manager_makes_the_bracket():
    made = bracket(POLICY, signal(stop="0.02"))
    assert made.stop_loss.distance == D("0.02")
    assert made.take_profit.kind is TakeProfitKind.MARKET
    assert bracket(POLICY, None).stop_loss == POLICY.stop_loss


def test_settings_that_cannot_work_are_refused_and_odd_ones_are_told():
    for fields in ({"symbols": ()}, {"symbols": ("A",), "sides": ()}):
        with pytest.raises(ValueError, match="is empty"):
            ScoredPolicy(**fields)
    with pytest.raises(ValueError, match=r"size\.risk"):
        SizePolicy(risk=D("0.5"))
    with pytest.raises(ValueError, match=r"exit\.after"):
        ExitPolicy(after=0)
    odd = ScoredPolicy(
        symbols=("BTCUSDT",),
        stop_loss=StopPolicy(enabled=False),
        score=ScorePolicy(overrides=(Override(symbol="ETHUSDT"),)),
    )
    assert len(odd.check()) == 2
    assert POLICY.check() == ()


def test_hedge_mode_enters_on_its_own_side_without_reduce_only():
    seen = flat(policy_view={"mode": PositionMode.HEDGE})
    assert entry_of(wanted(seen, POLICY, NOW)).reduce_only is False


def test_an_order_of_somebody_else_holds_an_entry_under_way_too():
    life = SlotLife(total=D("0.05"), filled=D(0), since=NOW, last_at=NOW, open=False)
    seen = replace(flat(foreign=True), entry=life)
    answer = wanted(seen, POLICY, NOW)
    assert not answer.slots
    assert any("manual_review" in note for note in answer.notes)


def test_a_position_opened_by_hand_is_not_the_entry_that_never_filled():
    life = SlotLife(total=D("0.05"), filled=D(0), since=NOW, last_at=NOW, open=False)
    plan = signal()
    market = MarketView(signal=plan, plan=plan, equity=D(10_000))
    seen = view(LONG.direction, "0.020", external=True, reviewed=True, entry=life, market=market)
    roles = {x.key.role for x in wanted(seen, POLICY, NOW).slots}
    assert roles == {Role.SL, Role.TP}
