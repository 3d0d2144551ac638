"""What the state remembers for the strategy, and ids that mean nothing (S-3, D-2, D-6, I-19, I-21)."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from backstay.core.account import fold
from backstay.core.contexts import OrderContext, Phase
from backstay.core.decisions import Act, Converged
from backstay.core.events import Effect, PriceReached, StreamChanged, StreamState, TrustLost
from backstay.core.position_view import position_view
from backstay.core.types import Action, Direction, OrderType, PositionMode, Role, Trust
from backstay.testing import builders, evidence
from backstay.testing.evidence import ms, position_row
from backstay.testing.histories import histories
from backstay.testing.scene import Scene
from backstay.testing.venue_model import Ask

from tests.core.scenes import at_rest, long_of, own, said
from tests.core.wishes import BUY, SELL, D, guarded, ladder, stop, target, want


def view_of(scene):
    rules = scene.account.instruments["BTCUSDT"]
    return position_view(scene.account, scene.state, PositionMode.ONE_WAY, rules)


# --- S-3 ----------------------------------------------------------------------------------------


def test_s3_the_tightest_stop_that_was_asked_for_is_remembered():
    scene = at_rest(guarded(sized=True))
    assert scene.state.stop_floor == 57000
    scene.want(guarded(trigger="58000", sized=True))
    scene.rest()
    assert scene.state.stop_floor == 58000
    scene.want(guarded(trigger="57500", sized=True))
    scene.rest()
    assert view_of(scene).stop_floor == 58000


def test_s3_a_short_remembers_the_lowest():
    scene = Scene(guarded(sized=True))
    scene.see(scene.venue.trade_by_hand(SELL, D("0.010"), D(60000)))
    scene.rest()
    assert scene.state.stop_floor == 63000
    assert scene.state.direction is Direction.SHORT


def test_s3_a_dca_fill_starts_a_new_ratchet_and_a_take_profit_fill_does_not():
    scene = at_rest(guarded(ladder()))
    scene.fold(PriceReached(symbol="BTCUSDT", price=D(60500), at=ms(70_000)))
    scene.fold(*scene.venue.fill(own(scene, Role.TP).ctx_id, D("0.002")))
    assert scene.state.stop_floor == 57000
    assert scene.state.best_price == 60500
    scene.fold(*scene.venue.fill(own(scene, Role.DCA, 1).ctx_id, D("0.002")))
    assert scene.state.stop_floor is None
    assert scene.state.best_price is None


def test_s3_the_first_stop_after_a_dca_fill_follows_the_new_ratchet():
    """Under the old one it would be placed twice: the order's own report is the last to come."""

    def ratcheted(view):
        wanted = D("0.95") * view.average if view.direction else None
        return guarded(ladder(), trigger=max(wanted or D(0), view.stop_floor or D(0)), sized=True)(view)

    scene = at_rest(ratcheted)
    for event in scene.venue.fill(own(scene, Role.DCA, 1).ctx_id):
        scene.fold(event)
        scene.step()
    scene.confirm()
    scene.rest()
    placed = [r for r in scene.requests if r.key.role is Role.SL and r.action is Action.PLACE]
    assert [(r.context.slot.trigger, r.context.slot.quantity) for r in placed] == [
        (D("57000"), D("0.010")),
        (D("56715"), D("0.020")),
    ]


def test_s3_a_new_life_starts_a_new_ratchet():
    scene = at_rest(guarded())
    scene.see(scene.venue.trade_by_hand(SELL, D("0.010"), D(60000)))
    assert scene.state.stop_floor is None
    assert scene.state.best_price is None


def test_s5_a_breached_trigger_is_no_floor_for_the_stop_that_replaces_it():
    scene = long_of(guarded())
    scene.step()
    sl, tp = scene.waiting
    scene.confirm(tp)
    scene.refuse(sl, Effect.WOULD_TRIGGER)
    assert scene.state.stop_floor is None


@pytest.mark.parametrize(("again", "retriggered"), [("57000", False), ("56900", True)])
def test_s5_a_breached_stop_is_retriggered_by_another_trigger_and_not_by_another_size(again, retriggered):
    scene = long_of(guarded(sized=True), "0.020")
    scene.step()
    sl, tp = scene.waiting
    scene.confirm(tp)
    scene.see(scene.venue.trade_by_hand(SELL, D("0.010"), D(60000)))
    scene.refuse(sl, Effect.WOULD_TRIGGER)
    scene.want(guarded(sized=True, trigger=again))
    scene.step()
    smaller = next(r for r in scene.waiting if r.key.role is Role.SL)
    scene.refuse(smaller, Effect.WOULD_TRIGGER)
    assert view_of(scene).stop_retriggered is retriggered


@pytest.mark.parametrize(("side", "prices", "best"), [(BUY, (1, 3, 2), 3), (SELL, (3, 1, 2), 1)])
def test_the_best_price_is_the_most_favourable_recorded_one(side, prices, best):
    scene = Scene(want())
    scene.see(scene.venue.trade_by_hand(side, D("0.010"), D(60000)))
    for n, price in enumerate(prices):
        scene.fold(PriceReached(symbol="BTCUSDT", price=Decimal(price), at=ms(n)))
    assert scene.state.best_price == best
    assert scene.account.marks == {"BTCUSDT": prices[-1]}


# --- D ------------------------------------------------------------------------------------------


def test_d2_the_next_step_is_sent_only_after_the_new_size_is_protected():
    scene = at_rest(guarded(ladder(), sized=True))
    scene.want(guarded(ladder(2, "58500"), sized=True))
    scene.see(scene.venue.fill(own(scene, Role.DCA, 1).ctx_id))
    order = []
    while isinstance(decision := scene.step(), Act):
        order.append(decision.family)
        if decision.family == "EXPOSURE":
            assert {r.quantity for r in scene.venue.open_algos()} == {D("0.020")}
            assert {r.quantity for r in scene.venue.open_orders() if r.reduce_only} == {D("0.020")}
        scene.confirm()
    assert order[-1] == "EXPOSURE"


def test_d6_steps_are_counted_from_our_orders_and_their_fills():
    scene = at_rest(guarded(ladder(1), ladder(2, "58500")))
    scene.see(scene.venue.fill(own(scene, Role.DCA, 1).ctx_id, D("0.004")))
    scene.see(scene.venue.trade_by_hand(BUY, D("0.030"), D(58000)))
    steps = view_of(scene).dca
    assert (steps[1].ordered, steps[1].filled, steps[1].open) == (D("0.010"), D("0.004"), True)
    assert (steps[2].filled, steps[2].open) == (0, True)


def test_d6_a_cancelled_remainder_leaves_the_step_with_what_it_filled():
    scene = at_rest(guarded(ladder()))
    dca = own(scene, Role.DCA, 1)
    scene.see(scene.venue.fill(dca.ctx_id, D("0.004")))
    scene.see(scene.venue.cancel(dca.ctx_id))
    step = view_of(scene).dca[1]
    assert (step.ordered, step.filled, step.open) == (D("0.010"), D("0.004"), False)


def test_d6_a_refused_step_was_never_ordered():
    scene = at_rest(guarded())
    scene.want(guarded(ladder()))
    scene.step()
    scene.refuse(scene.waiting[0], Effect.MARGIN)
    assert view_of(scene).dca == {}


def test_d7_a_new_life_resets_the_ladder():
    scene = at_rest(guarded(ladder()))
    scene.see(scene.venue.fill(own(scene, Role.DCA, 1).ctx_id))
    assert view_of(scene).dca[1].filled == D("0.010")
    scene.see(scene.venue.trade_by_hand(SELL, D("0.020"), D(60000)))
    scene.rest()
    scene.see(scene.venue.trade_by_hand(BUY, D("0.010"), D(60000)))
    assert view_of(scene).dca == {}


# --- ids ----------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(histories(PositionMode.ONE_WAY, max_deeds=10), st.booleans())
def test_i19_no_request_ever_targets_an_order_that_is_not_ours(history, nothing):
    scene = Scene(want() if nothing else guarded(ladder()))
    theirs = set()
    for burst in history:
        theirs |= {e.client_id for e in burst if hasattr(e, "client_id")}
        scene.fold(*burst)
        scene.venue.now = max(scene.venue.now, ms(10_000)) + 10**9
        for _ in range(4):
            decision = scene.step()
            if not isinstance(decision, Act):
                break
            for intent in decision.intents:
                assert intent.target not in theirs
                assert not intent.target or intent.target in scene.state.contexts


def test_i19_what_is_changed_or_cancelled_is_our_own_among_orders_of_others():
    scene = at_rest(guarded(ladder()))
    size, price = D("0.010"), D(60900)
    twin = Ask(client_id="web_1", side=SELL, kind=OrderType.LIMIT, price=price, quantity=size)
    scene.fold(*scene.venue.place(twin))
    scene.tick(300)
    targets = []
    for wish in (guarded(price="61000"), guarded(trigger="58000"), want()):
        scene.want(wish)
        while isinstance(decision := scene.step(), Act):
            targets += [i.target for i in decision.intents if i.target]
            scene.confirm()
            scene.tick(300)
    assert len(targets) == 7
    assert set(targets) <= scene.state.contexts.keys()
    assert "web_1" in {r.client_id for r in scene.venue.open_orders()}


class Renamed(Scene):
    """A scene whose ids say nothing, in another order."""

    names = ("zzz", "m", "a9", "q1", "x", "b", "yy", "k0", "d", "w", "c3", "u")

    def _request(self, intent):
        asked = super()._request(intent)
        if asked.context is None:
            return asked
        name = self.names[self._ids]
        ctx: OrderContext = replace(asked.context, ctx_id=name)
        return replace(asked, ctx_id=name, context=ctx)


def test_i21_other_ids_change_no_decision():
    def life(kind):
        scene, said_all = kind(guarded(ladder(), sized=True)), []
        scene.see(scene.venue.trade_by_hand(BUY, D("0.010"), D(60000)))
        for deed in (None, Role.DCA, Role.TP):
            if deed is not None:
                scene.see(scene.venue.fill(own(scene, deed, 1 if deed is Role.DCA else 0).ctx_id))
            while isinstance(decision := scene.step(), Act):
                said_all.append(said(decision))
                scene.confirm()
            said_all.append(said(decision))
        return said_all

    assert life(Renamed) == life(Scene)


# --- races that end in recovery -----------------------------------------------------------------


@pytest.mark.parametrize("state", [StreamState.EXPIRED, StreamState.DISCONNECTED])
def test_r11_a_stream_that_drops_mid_burst_keeps_pendings_and_stops_mutations(state):
    scene = long_of(guarded())
    scene.step()
    pending = dict(scene.state.pendings)
    scene.fold(StreamChanged(state=state))
    assert scene.state.trust is Trust.RECOVERY_REQUIRED
    assert scene.state.pendings == pending
    assert not isinstance(scene.step(), Act)
    for request in list(scene.waiting):
        scene._do(request)
    scene.fold(StreamChanged(state=StreamState.CONNECTED))
    scene.recover()
    assert scene.state.trusted
    assert scene.state.pendings == {}
    assert scene.step() == Converged()


def test_r25_a_clock_that_is_off_costs_trust_and_a_refusal_for_it_does_not():
    scene = at_rest(guarded())
    scene.fold(TrustLost(reason="clock"))
    assert scene.state.reasons == ("clock",)
    fresh = long_of(guarded())
    fresh.step()
    fresh.refuse(fresh.waiting[0], Effect.CLOCK)
    assert fresh.state.trusted


def test_r26_a_halted_symbol_gets_no_exposure_and_its_protection_is_tried_again():
    scene = at_rest(guarded())
    halted = builders.instrument(status="SETTLING")
    scene.account = replace(scene.account, instruments={"BTCUSDT": halted})
    scene.want(guarded(ladder()))
    assert scene.step() == Converged(("exposure refused: symbol_closed: SETTLING",))
    scene.want(guarded(price="61000"))
    for wait in (5_100, 30_100, 60_100, 60_100):
        assert said(scene.step()) == ("PROTECT", [("amend", "TP/0")])
        scene.refuse(scene.waiting[0], Effect.SYMBOL_CLOSED)
        assert not isinstance(scene.step(), Act)
        scene.tick(wait)


def test_i33_a_hydrated_position_is_trusted_and_planned_with_the_first_pass():
    account = evidence.hydrated(position_row("0.010"))
    scene = Scene(want(stop(), target()))
    scene.account = account
    scene.venue.positions = {scene.key.position_side: (D("0.010"), D(60000))}
    assert scene.state.trusted
    assert {i.key.role for i in scene.step().intents} == {Role.SL, Role.TP}


def test_the_pre_armed_context_of_a_slot_is_replaced_by_a_newer_one():
    account = evidence.hydrated(position_row("0.010"))
    for name, trigger in (("p1", "56000"), ("p2", "56500")):
        ctx = replace(evidence.context(stop(trigger), name), phase=Phase.PRE_ARMED, parent="dca")
        armed = replace(evidence.registered(evidence.request(ctx)), pre_armed=True)
        account = fold(account, armed, ms(1))
    s = evidence.state(account)
    assert set(s.contexts) == {"p2"}
    assert s.pendings == {}
    assert s.stop_floor is None


def test_a_pre_armed_context_takes_the_request_that_is_actually_sent():
    armed = replace(evidence.context(stop("56500"), "p2"), phase=Phase.PRE_ARMED, parent="dca")
    register = replace(evidence.registered(evidence.request(armed)), pre_armed=True)
    account = evidence.folded(evidence.hydrated(position_row("0.010")), [register])
    actual = evidence.request(evidence.context(stop("56400"), "p2", generation=7))
    sent = replace(evidence.sent(actual, at=5), request=actual)
    account = fold(account, sent, ms(5))
    s = evidence.state(account)
    assert s.contexts["p2"].slot.trigger == 56400
    assert s.contexts["p2"].phase is Phase.IN_FLIGHT
    assert s.pendings["p2"].action is Action.PLACE
    assert s.stop_floor == 56400
    assert s.generation == 7
    assert fold(account, sent, ms(9)) is account
