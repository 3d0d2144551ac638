"""Order kind by age: what a slot wants, and that it never has two live orders or executes too much."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from backstay.core.contexts import RESTING
from backstay.core.decisions import Act, Converged, Wait
from backstay.core.escalation import Asked, Escalation, Step, Then, escalate, slippage_limit, visible
from backstay.core.scored import Book, BookSeen, Level
from backstay.core.slots import SlotKey, surface_of
from backstay.core.types import (
    SECOND,
    Action,
    Family,
    OrderType,
    Product,
    Role,
    Side,
    Surface,
    TimeInForce,
)
from backstay.core.view import SlotLife
from backstay.core.wanted import Wanted
from backstay.testing import evidence
from backstay.testing.builders import instrument
from backstay.testing.evidence import ms
from backstay.testing.scene import Scene
from backstay.testing.spot import spot_instrument
from backstay.testing.venue_model import Refusal

from tests.core.wishes import BUY, SELL, guarded

D = Decimal
ENTRY = SlotKey(Role.ENTRY)
RULES = instrument()
ASKED = Asked(key=ENTRY, side=BUY, total=D("0.050"), reference=D(60000), limit=D(60000))
RULE = Escalation(max_slippage=D("0.001"))
LIMIT, MARKET = OrderType.LIMIT, OrderType.MARKET


def life(filled="0", *, since=0, last=None, resting=None, price="60000", open_=None) -> SlotLife:
    return SlotLife(
        total=ASKED.total,
        filled=D(filled),
        since=since,
        last_at=since if last is None else last,
        open=resting is not None if open_ is None else open_,
        resting=None if resting is None else D(resting),
        price=None if resting is None else D(price),
    )


def book(*asks: tuple[str, str], bids=(("59999.9", "1"),), at=0) -> Book:
    def levels(rows):
        return tuple(Level(D(price), D(quantity)) for price, quantity in rows)

    return Book(at=at, bids=levels(bids), asks=levels(asks))


def ask(lived=None, seen=None, *, rule=RULE, now=0, asked=ASKED) -> Step:
    seen = None if seen is None else replace(seen, at=now)
    return escalate(asked, rule, lived, seen, RULES, now)


# --- what is wanted by age ------------------------------------------------------------------------


def test_a_young_slot_wants_a_limit_order_for_everything():
    step = ask()
    assert (step.slot.kind, step.slot.tif) == (LIMIT, TimeInForce.GTC)
    assert (step.slot.price, step.slot.quantity, step.slot.total) == (D(60000), D("0.050"), D("0.050"))


def test_what_rests_is_not_chased_and_wakes_when_its_time_is_over():
    step = ask(life("0.020", resting="0.030", price="59990"), now=59 * SECOND)
    assert (step.slot.price, step.slot.quantity) == (D(59990), D("0.030"))
    assert step.wake_at == 60 * SECOND


@pytest.mark.parametrize("then", Then)
def test_an_old_slot_wants_an_immediate_order_for_what_is_left(then):
    rule = replace(RULE, then=then)
    step = ask(life("0.020", resting="0.030"), book(("60001", "1")), rule=rule, now=60 * SECOND)
    assert step.slot.quantity == D("0.030")
    if then is Then.IOC:
        assert (step.slot.kind, step.slot.tif, step.slot.price) == (LIMIT, TimeInForce.IOC, D(60060))
    else:
        assert (step.slot.kind, step.slot.price) == (MARKET, None)


def test_an_immediate_price_is_never_beyond_the_slippage_limit():
    for side in Side:
        asked = replace(ASKED, side=side, reference=D("60000.07"), reduce_only=side is SELL)
        price = ask(life(), rule=replace(RULE, timeout=0), now=10 * SECOND, asked=asked).slot.price
        bound = slippage_limit(side, asked.reference, RULE.max_slippage)
        assert price <= bound if side is BUY else price >= bound
        assert abs(price - bound) < RULES.tick


def test_between_two_orders_there_is_a_pause():
    step = ask(life(last=61 * SECOND), now=62 * SECOND)
    assert (step.slot, step.wake_at) == (None, 64 * SECOND)
    assert ask(life(last=61 * SECOND), now=64 * SECOND).slot is not None


def test_a_slot_that_is_too_old_is_given_up_with_what_rests():
    step = ask(life(resting="0.050"), now=180 * SECOND)
    assert (step.slot, step.over, step.note) == (None, True, "given up")


def test_a_filled_slot_wants_nothing_more():
    assert ask(life("0.050"), now=SECOND).over


def test_a_rest_below_the_venues_minimum_ends_the_slot():
    step = ask(life("0.049"), now=70 * SECOND)
    assert (step.slot, step.over) == (None, True)
    assert "notional_below_min" in step.note


def test_while_an_order_is_on_its_way_nothing_else_is_wanted():
    for now in (SECOND, 70 * SECOND):
        assert ask(life(open_=True), now=now).slot is None


# --- depth and slippage ---------------------------------------------------------------------------


def test_a_taking_order_is_a_share_of_what_is_visible_within_the_limit():
    rule = replace(RULE, timeout=0, depth_share=D("0.25"))
    seen = book(("60010", "0.060"), ("60050", "0.040"), ("60070", "5"))
    assert visible(seen, BUY, D(60060)) == D("0.100")
    assert ask(None, seen, rule=rule).slot.quantity == D("0.025")
    assert ask(None, book(("60010", "50")), rule=rule).slot.quantity == D("0.050")


def test_a_market_order_waits_until_the_book_shows_a_price_within_the_limit():
    rule = replace(RULE, timeout=0, then=Then.MARKET)
    blind = ask(None, None, rule=rule)
    assert (blind.slot, blind.book, blind.note) == (None, True, "book not known")
    thin = ask(None, book(("60061", "9")), rule=rule)
    assert (thin.slot, thin.note) == (None, "nothing within the slippage limit")
    assert ask(None, book(("60060", "0.020")), rule=rule).slot.quantity == D("0.020")
    assert ask(None, None, rule=replace(rule, max_slippage=None)).slot.kind is MARKET


def test_an_old_book_says_nothing():
    rule = replace(RULE, timeout=0, then=Then.MARKET)
    seen = book(("60010", "1"), at=SECOND)
    assert escalate(ASKED, rule, None, seen, RULES, 6 * SECOND).slot is not None
    assert escalate(ASKED, rule, None, seen, RULES, 6 * SECOND + 1).note == "book not known"


def test_a_limit_order_that_takes_nothing_visible_needs_no_depth():
    rule = replace(RULE, depth_share=D("0.1"))
    assert ask(None, book(("60001", "0.010")), rule=rule).slot.quantity == D("0.050")
    assert ask(None, book(("60000", "0.100")), rule=rule).slot.quantity == D("0.010")


def test_settings_that_cannot_work_are_refused():
    for fields in (
        {"give_up": 30 * SECOND},
        {"give_up": 181 * SECOND},
        {"max_slippage": None},
        {"max_slippage": None, "then": Then.MARKET, "depth_share": D("0.1")},
        {"depth_share": D(2)},
        {"pause": 0},
        {"timeout": -1},
    ):
        with pytest.raises(ValueError, match="escalation"):
            Escalation(**fields)


# --- with planner and venue -----------------------------------------------------------------------


class Entering:
    """A strategy with one escalated entry, guarded once it is in."""

    name = "entering"

    def __init__(self, rule: Escalation, role: Role = Role.ENTRY, asked: Asked = ASKED) -> None:
        self.rule, self.role, self.asked = rule, role, asked

    def wanted(self, view, policy, now) -> Wanted:
        step = escalate(self.asked, self.rule, view.entry, view.market.book, view.instrument, now)
        guards = guarded()(view).slots if view.quantity else ()
        slots = guards if step.slot is None else (*guards, step.slot)
        return Wanted(
            slots=slots, wake_at=step.wake_at, book=step.book, notes=(step.note,) if step.note else ()
        )


def entering(rule=RULE) -> Scene:
    scene = Scene(None, strategy=Entering(rule))
    scene.account = evidence.folded(scene.account, [evidence.position(0, at=1)], at=1)
    scene.tick(300)
    return scene


def live(scene):
    return [r for r in scene.venue.open_orders() if r.side is BUY]


def bought(scene):
    return sum((r.filled for r in scene.venue.orders.values() if r.side is BUY), D(0))


def test_a_limit_order_gives_way_to_an_immediate_one_only_after_its_end_is_proven():
    scene = entering()
    assert scene.step().family is Family.EXPOSURE
    scene.confirm()
    assert isinstance(scene.step(), Converged)
    scene.tick(60_000)
    (intent,) = scene.step().intents
    assert intent.action is Action.CANCEL
    assert isinstance(scene.step(), Wait), "the cancel is not proven yet"
    scene.accept(scene.waiting[0])
    assert isinstance(scene.step(), Wait), "an acceptance proves nothing"
    scene.fold(*scene.venue.cancel(intent.target))
    scene.tick(300)
    (intent,) = scene.step().intents
    assert (intent.action, intent.slot.tif) == (Action.PLACE, TimeInForce.IOC)


def test_r1_what_fills_while_the_cancel_is_in_flight_is_not_bought_again():
    scene = entering()
    scene.step()
    scene.confirm()
    (name,) = [r.client_id for r in live(scene)]
    scene.tick(60_000)
    scene.step()
    scene.see(scene.venue.fill(name, D("0.048")))
    scene.confirm()
    scene.rest()
    scene.tick(70_000)
    scene.rest()
    assert bought(scene) == D("0.048"), "what is left is below the venue's minimum"
    scene = entering()
    scene.step()
    scene.confirm()
    (name,) = [r.client_id for r in live(scene)]
    scene.tick(60_000)
    scene.step()
    scene.see(scene.venue.fill(name, D("0.020")))
    scene.confirm()
    scene.rest()
    scene.tick(3_000)
    decision = scene.step()
    if isinstance(decision, Act):
        assert [i.slot.quantity for i in decision.intents if i.key == ENTRY] in ([], [D("0.030")])


def test_a_book_is_asked_for_and_decides_when_it_comes():
    scene = entering(replace(RULE, timeout=0, then=Then.MARKET))
    plan = scene.plan()
    assert plan.book
    assert isinstance(plan.decision, Converged)
    scene.fold(BookSeen(symbol="BTCUSDT", book=book(("60010", "0.020"), at=scene.now)))
    (intent,) = scene.step().intents
    assert (intent.slot.kind, intent.slot.quantity, intent.slot.total) == (MARKET, D("0.020"), D("0.050"))


HAPPENINGS = (
    *("work",) * 4, "step", "confirm", "accept", "lose", "part", "part", "fill", "cancel_by_hand",
    "second", "minute", "minute", "book", "recover",
)  # fmt: skip


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_a_slot_never_has_two_live_orders_and_never_executes_more_than_was_wanted(data):
    then = data.draw(st.sampled_from(Then))
    rule = replace(RULE, then=then, depth_share=data.draw(st.sampled_from([None, D("0.5")])))
    scene = entering(rule)
    scene.fold(BookSeen(symbol="BTCUSDT", book=book(("60010", "0.040"), at=ms(1))))
    for _ in range(data.draw(st.integers(5, 30))):
        happen(scene, data, data.draw(st.sampled_from(HAPPENINGS)))
        assert len(live(scene)) <= 1
        entries = [c for c in scene.state.contexts.values() if c.role is Role.ENTRY]
        assert sum(c.phase in RESTING for c in entries) <= 1
        assert bought(scene) + sum(r.quantity - r.filled for r in live(scene)) <= ASKED.total


def happen(scene, data, what) -> None:
    if what == "step":
        scene.step()
    elif what == "work":
        for _ in range(4):
            scene.step()
            happen(scene, data, "confirm")
    elif what in {"confirm", "accept", "lose"}:
        for request in list(scene.waiting):
            answer(scene, data, request, what)
        scene.tick(300)
    elif what in {"part", "fill"} and live(scene):
        scene.see(scene.venue.fill(live(scene)[0].client_id, D("0.010") if what == "part" else None))
    elif what == "cancel_by_hand" and live(scene):
        scene.see(scene.venue.cancel(live(scene)[0].client_id))
    elif what == "second":
        scene.tick(2_000)
    elif what == "minute":
        scene.tick(30_000)
    elif what == "book":
        size = data.draw(st.sampled_from(["0.004", "0.030", "0.200"]))
        scene.fold(BookSeen(symbol="BTCUSDT", book=book(("60010", size), at=scene.now)))
    elif what == "recover" and not scene.state.trusted:
        scene.tick(20_000)
        scene.recover()


def answer(scene, data, request, what) -> None:
    """What the venue does with a request; an immediate order fills in part or whole and is then over."""
    scene._forget(request)
    done = what != "lose" or data.draw(st.booleans())
    if done:
        try:
            events = scene._do(request)
        except Refusal as refusal:
            scene._refused(request, refusal)
            return
        slot = request.context.slot if request.context is not None else None
        if slot is not None and request.key == ENTRY and (slot.tif is TimeInForce.IOC or slot.kind is MARKET):
            size = data.draw(st.sampled_from([D(0), D("0.010"), slot.quantity]))
            if size:
                events = [*events, *scene.venue.fill(request.ctx_id, min(size, slot.quantity), D(60010))]
            if request.ctx_id in {r.client_id for r in live(scene)}:
                events = [*events, *scene.venue.expire(request.ctx_id)]
    if what == "lose":
        scene.fold(evidence.unanswered(request))
        return
    scene.fold(evidence.accepted(request, scene.venue_id(request.ctx_id)))
    if what == "confirm" or data.draw(st.booleans()):
        scene.fold(*events)


# --- on spot --------------------------------------------------------------------------------------

COIN = spot_instrument()
COINS = Asked(key=ENTRY, side=BUY, total=D("100"), reference=D("1.2345"), limit=D("1.2345"))


@pytest.mark.parametrize("side", [BUY, SELL])
@pytest.mark.parametrize("then", Then)
def test_the_same_policy_holds_on_spot_with_its_filters(side, then):
    asked = replace(COINS, side=side)
    rule = replace(RULE, then=then, depth_share=D("0.5"))
    asks, bids = (Level(D("1.2346"), D("40")),), (Level(D("1.2344"), D("40")),)
    seen = Book(at=60 * SECOND, bids=bids, asks=asks)
    young = escalate(asked, rule, None, replace(seen, at=0), COIN, 0)
    assert (young.slot.kind, young.slot.tif, young.slot.price) == (LIMIT, TimeInForce.GTC, D("1.2345"))
    lived = replace(life("30", resting="70", price="1.2345"), total=D(100))
    old = escalate(asked, rule, lived, seen, COIN, 60 * SECOND)
    assert old.slot.quantity == D("20.00"), "half of what the book shows; the rest follows"
    assert old.book
    if then is Then.IOC:
        bound = slippage_limit(side, asked.reference, D("0.001"))
        assert old.slot.tif is TimeInForce.IOC
        assert old.slot.price <= bound if side is BUY else old.slot.price >= bound
        assert old.slot.price % COIN.tick == 0
    else:
        assert old.slot.kind is MARKET
    assert surface_of(Product.SPOT, old.slot.kind) is Surface.REGULAR
