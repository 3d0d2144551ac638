"""What must hold of the fold for every history that a venue can produce (I-1 to I-10, O-8)."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backstay.core.account import fold, fold_in_place
from backstay.core.engine import Engine, Manager, decide
from backstay.core.events import AlgosSnapshot, OrderReport, OrdersSnapshot
from backstay.core.orders import is_open
from backstay.core.state import AccountState, ScopeState, pack, unpack
from backstay.core.types import (
    OrderStatus,
    PositionMode,
    PositionSide,
    Role,
)
from backstay.testing import evidence
from backstay.testing.evidence import hydrated, ms
from backstay.testing.histories import arrivals, histories
from backstay.testing.scene import Scripted

from tests.core.scenes import at_rest, own
from tests.core.wishes import SELL, entry, guarded, ladder, stop, target

OWN = {"own-entry": entry(quantity="0.005"), "own-tp": target(), "own-dca": ladder(), "own-sl": stop()}
NAMES = ("own-entry", "own-sl", "own-tp", "own-dca", "own-sl2", "own-x")
LATER = 5_000
"""Local time (ms) at which bursts are long over."""


def with_contexts(account: AccountState, mode: PositionMode) -> AccountState:
    """The same account, with orders of ours in flight under the names that histories use first."""
    side = PositionSide.BOTH if mode is PositionMode.ONE_WAY else PositionSide.LONG
    for name, slot in OWN.items():
        ctx = evidence.context(slot, name, key=evidence.scope(side))
        asked = evidence.request(ctx)
        account = evidence.folded(account, [evidence.registered(asked), evidence.sent(asked, at=0)])
    return account


def begin(mode: PositionMode) -> AccountState:
    return with_contexts(hydrated(position_mode=mode), mode)


def take(account: AccountState, events, at: float = 1) -> AccountState:
    for event in events:
        account = fold(account, event, ms(at))
    return account


def essence(account: AccountState) -> dict:
    """All that matters of every scope: no local timers, nothing that a flat scope has no use for."""
    return {key: _essence(s) for key, s in account.scopes.items()} | {"wallet": account.balances}


def _essence(s: ScopeState) -> tuple:
    flat = not s.position.quantity
    contexts = {
        k: (c.phase, c.order_id, c.child_order_id, c.filled, c.stuck)
        for k, c in s.contexts.items()
        if not c.is_terminal or c.epoch >= s.epoch  # what ended in an older life is forgotten at leisure
    }
    return (
        msgspec.structs.replace(s.position, siblings=()),
        s.epoch,
        s.trust,
        s.reasons,
        s.matched,
        bool(s.fill_seen_at) and not s.matched,
        s.fill_at,
        s.orders,
        s.algos,
        contexts,
        sorted(s.pendings),
        tuple(sorted((str(b.key), b.effect) for b in s.blocks)),
        bool(s.naked_since),
        None if flat else (s.anchor, s.last_fill_price, s.stop_floor, s.best_price, s.opened_at),
    )


ENGINE = Engine((Manager(Scripted(), guarded(ladder())),))


def decisions(account: AccountState) -> dict:
    return {key: decide(account, key, ENGINE, ms(LATER)).decision for key in account.scopes}


with_mode = st.sampled_from(PositionMode).flatmap(
    lambda mode: st.tuples(st.just(mode), histories(mode, names=NAMES))
)


@given(with_mode)
def test_i1_the_fold_is_deterministic_and_total(case):
    mode, history = case
    events = [e for burst in history for e in burst]
    assert pack(take(begin(mode), events)) == pack(take(begin(mode), events))


@given(with_mode, st.randoms(use_true_random=False))
def test_i38_folding_in_place_gives_the_same_account_at_every_event(case, dice):
    mode, history = case
    events = [e for burst in history for e in burst] * 2
    dice.shuffle(events)
    pure = begin(mode)
    owned = unpack(pack(pure))
    for n, event in enumerate(events):
        before = pack(pure)
        after = fold(pure, event, ms(n))
        assert pack(pure) == before
        pure, owned = after, fold_in_place(owned, event, ms(n))
        assert pack(owned) == pack(pure)


@given(with_mode, st.randoms(use_true_random=False))
def test_i1_no_event_raises_whatever_the_order(case, dice):
    mode, history = case
    events = [e for burst in history for e in burst]
    dice.shuffle(events)
    assert isinstance(take(begin(mode), events), AccountState)
    assert isinstance(take(AccountState(), events), AccountState)


@given(with_mode)
def test_i2_an_event_fed_twice_changes_nothing_the_second_time(case):
    mode, history = case
    account = begin(mode)
    for n, event in enumerate(e for burst in history for e in burst):
        account = fold(account, event, ms(n))
        assert fold(account, event, ms(n + 7)) is account


@given(with_mode)
def test_o8_two_streams_that_deliver_the_same_history_are_harmless(case):
    mode, history = case
    once = twice = begin(mode)
    for burst in history:
        once = take(once, burst)
        twice = take(take(twice, burst), burst)
    assert essence(twice) == essence(once)


@given(with_mode)
def test_o8_a_whole_history_heard_again_is_harmless(case):
    mode, history = case
    events = [e for burst in history for e in burst]
    once = take(begin(mode), events)
    assert essence(take(once, events)) == essence(once)


@settings(max_examples=60)
@given(with_mode)
def test_o6_every_arrival_order_of_a_burst_gives_the_same_state_and_decision(case):
    """Exhaustive for bursts of up to seven events: type order kept within a type, any across (O-6, O-8)."""
    mode, history = case
    account = begin(mode)
    for burst in history:
        first = take(account, burst)
        if len(burst) <= 7:
            facts, plans = essence(first), decisions(first)
            for arrival in arrivals(burst):
                other = take(account, arrival)
                assert essence(other) == facts
                assert decisions(other) == plans
        account = first


@settings(max_examples=60)
@given(with_mode, st.data())
def test_o6_two_bursts_that_overlap_give_the_same_state(case, data):
    mode, history = case
    account = begin(mode)
    for n in range(0, len(history) - 1, 2):
        both = [*history[n], *history[n + 1]]
        first = take(account, both)
        if len(both) <= 6:
            several = list(arrivals(both))
            for arrival in data.draw(st.lists(st.sampled_from(several), min_size=1, max_size=12)):
                assert essence(take(account, arrival)) == essence(first)
        account = first


@given(with_mode)
def test_i3_an_ended_order_stays_ended(case):
    mode, history = case
    account = begin(mode)
    ended: dict = {}
    for event in (e for burst in history for e in burst):
        account = fold(account, event, ms(1))
        for key, s in account.scopes.items():
            for order_id, row in s.orders.items():
                if (key, order_id) in ended:
                    assert not is_open(row)
                elif not is_open(row):
                    ended[key, order_id] = row
    for row in ended.values():
        stale = msgspec.structs.replace(row, status=OrderStatus.NEW, at=row.at + 10**9)
        assert fold(account, stale, ms(2)) is account


@given(with_mode, st.randoms(use_true_random=False))
def test_i4_the_filled_quantity_never_falls(case, dice):
    mode, history = case
    events = [e for burst in history for e in burst]
    dice.shuffle(events)
    account, most = begin(mode), {}
    for event in events:
        account = fold(account, event, ms(1))
        for key, s in account.scopes.items():
            for order_id, row in s.orders.items():
                assert row.filled >= most.get((key, order_id), 0)
                most[key, order_id] = row.filled


def test_i5_an_accepted_order_is_no_open_order_but_guards_its_slot():
    account = begin(PositionMode.ONE_WAY)
    asked = evidence.request(evidence.context(target(), "own-tp"))
    s = evidence.state(evidence.folded(account, [evidence.accepted(asked, 77)]))
    assert not s.contexts["own-tp"].is_resting
    assert 77 not in s.orders
    assert "own-tp" in s.pendings


@given(with_mode)
def test_i6_a_late_acceptance_never_downgrades_what_was_reported(case):
    mode, history = case
    account = take(begin(mode), [e for burst in history for e in burst])
    for s in account.scopes.values():
        for ctx in s.contexts.values():
            if ctx.is_resting or ctx.is_terminal:
                late = evidence.accepted(evidence.request(ctx), ctx.order_id)
                after = fold(account, late, ms(9)).scopes[s.scope]
                assert after.contexts[ctx.ctx_id].phase is ctx.phase
                assert (after.orders, after.algos) == (s.orders, s.algos)


@given(with_mode)
def test_i7_a_snapshot_deletes_nothing_of_another_surface_or_symbol(case):
    mode, history = case
    account = take(begin(mode), [e for burst in history for e in burst])
    after = fold(account, evidence.orders_read(at=LATER), ms(LATER))
    assert {k: s.algos for k, s in after.scopes.items()} == {k: s.algos for k, s in account.scopes.items()}
    after = fold(account, evidence.algos_read(at=LATER), ms(LATER))
    assert {k: s.orders for k, s in after.scopes.items()} == {k: s.orders for k, s in account.scopes.items()}
    for kind in (OrdersSnapshot, AlgosSnapshot):
        other = kind(rows=(), requested_at=ms(LATER), received_at=ms(LATER), symbols=("ETHUSDT",))
        assert fold(account, other, ms(LATER)).scopes == account.scopes


@given(with_mode)
def test_i8_a_query_without_a_read_of_the_surface_proves_no_absence(case):
    mode, history = case
    account = take(begin(mode), [e for burst in history for e in burst])
    unsure = evidence.folded(account, [evidence.unanswered(evidence.request(c)) for c in _contexts(account)])
    for ctx in _contexts(unsure):
        answer = evidence.not_found(ctx.ctx_id, at=60_000, surface=ctx.surface)
        after = fold(unsure, answer, ms(60_000)).scopes[ctx.scope].contexts[ctx.ctx_id]
        assert after.phase is ctx.phase


def test_i8_a_read_of_the_wrong_surface_or_of_too_early_a_moment_proves_no_absence():
    account = begin(PositionMode.ONE_WAY)
    asked = evidence.request(evidence.context(target(), "own-tp"))
    account = evidence.folded(account, [evidence.unanswered(asked)])
    gone = evidence.not_found("own-tp", at=9_000)
    for read in (evidence.algos_read(at=9_000), evidence.orders_read(at=3_500)):
        s = evidence.state(evidence.folded(account, [read, gone], at=9_000))
        assert not s.contexts["own-tp"].is_terminal
    s = evidence.state(evidence.folded(account, [evidence.orders_read(at=9_000), gone], at=9_000))
    assert s.contexts["own-tp"].is_terminal


def _contexts(account: AccountState) -> list:
    return [c for s in account.scopes.values() for c in s.contexts.values()]


@given(with_mode)
def test_i9_a_closed_position_deletes_no_order_row(case):
    mode, history = case
    account = take(begin(mode), [e for burst in history for e in burst])
    for key, s in account.scopes.items():
        flat = evidence.position(0, at=LATER, side=key.position_side)
        after = fold(account, flat, ms(LATER)).scopes[key]
        assert after.orders == s.orders
        assert after.algos == s.algos


@given(with_mode)
def test_i10_no_binary_float_and_every_number_survives_the_snapshot(case):
    mode, history = case
    account = take(begin(mode), [e for burst in history for e in burst])
    packed = pack(account)
    assert pack(unpack(packed)) == packed
    assert unpack(packed).scopes == account.scopes
    for s in account.scopes.values():
        assert not list(_floats(msgspec.to_builtins(s, builtin_types=(Decimal,))))


def _floats(value):
    if isinstance(value, float):
        yield value
    elif isinstance(value, dict):
        for v in value.values():
            yield from _floats(v)
    elif isinstance(value, (list, tuple)):
        for v in value:
            yield from _floats(v)


@given(with_mode)
def test_i27_in_hedge_mode_one_side_never_touches_the_other(case):
    _, history = case
    account = begin(PositionMode.HEDGE)
    for event in (e for burst in history for e in burst):
        before, account = account, fold(account, event, ms(1))
        sides = {event.position_side} if isinstance(event, OrderReport) else None
        if sides is None and hasattr(event, "positions"):
            sides = {p.position_side for p in event.positions}
        if sides is None and hasattr(event, "algo_id"):
            sides = {event.position_side}
        if sides is None:
            continue
        for key, s in before.scopes.items():
            if key.position_side not in sides:
                assert account.scopes[key] is s


DEEDS = {
    "the stop triggers": lambda s: s.venue.trigger(own(s, Role.SL).ctx_id),
    "the take-profit fills": lambda s: s.venue.fill(own(s, Role.TP).ctx_id),
    "the take-profit fills in part": lambda s: s.venue.fill(own(s, Role.TP).ctx_id, Decimal("0.004")),
    "a step fills": lambda s: s.venue.fill(own(s, Role.DCA, 1).ctx_id),
    "a step fills in two parts": lambda s: [
        *s.venue.fill(own(s, Role.DCA, 1).ctx_id, Decimal("0.004")),
        *s.venue.fill(own(s, Role.DCA, 1).ctx_id),
    ],
    "a flip by hand": lambda s: s.venue.trade_by_hand(SELL, Decimal("0.030"), Decimal(60500)),
    "closed by hand": lambda s: s.venue.trade_by_hand(SELL, Decimal("0.010"), Decimal(60500)),
}


@pytest.mark.parametrize("sized", [True, False])
@pytest.mark.parametrize("deed", DEEDS)
def test_o6_what_happens_to_a_guarded_position_in_every_arrival_order(deed, sized):
    scene = at_rest(guarded(ladder(), sized=sized))
    burst = DEEDS[deed](scene)
    first = take(scene.account, burst, LATER)
    facts, plan = essence(first), decide(first, scene.key, scene.engine, ms(3 * LATER)).decision
    for arrival in arrivals(burst):
        other = take(scene.account, arrival, LATER)
        assert essence(other) == facts
        assert decide(other, scene.key, scene.engine, ms(3 * LATER)).decision == plan
