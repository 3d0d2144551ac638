"""The scored trader with fold, planner and venue: from the score to the position's end, and its replay."""

from decimal import Decimal

import msgspec
import pytest
from msgspec.structs import replace

from backstay.core.account import fold
from backstay.core.decisions import Act, Converged
from backstay.core.engine import decide
from backstay.core.events import (
    AnyEvent,
    BalanceRow,
    OperatorAction,
    OperatorCommand,
)
from backstay.core.foresight import foresee
from backstay.core.records import Record
from backstay.core.scored import SignalKind
from backstay.core.state import pack, unpack
from backstay.core.types import (
    Action,
    Family,
    OrderType,
    PositionMode,
    PositionSide,
    Role,
    Side,
    TimeInForce,
)
from backstay.ledger.codec import decode_line, encode_line
from backstay.signals.policy import MINUTE, ScorePolicy
from backstay.signals.score import Scorer
from backstay.strategies.scored.policy import CoolDown, EntryPolicy, ExitPolicy, ScoredPolicy, SizePolicy
from backstay.strategies.scored.wanted import ScoredTrader
from backstay.testing import evidence
from backstay.testing.builders import OPENED_AT
from backstay.testing.market import book, scored, signal
from backstay.testing.scene import Scene

from tests.signals.recorded import walk
from tests.signals.test_indicators import SHORT as SHORT_PERIODS

D = Decimal
LONG, SHORT, NONE = SignalKind
POLICY = ScoredPolicy(
    symbols=("BTCUSDT",),
    size=SizePolicy(max_share=D(3)),
    cool_down=CoolDown(after_close=0, after_loss=0),
)


def trading(policy=POLICY, mode=PositionMode.ONE_WAY) -> Scene:
    scene = Scene(policy, strategy=ScoredTrader(), mode=mode)
    wallet = {"USDT": BalanceRow("USDT", D(10_000), D(10_000), available=D(10_000))}
    scene.account = replace(scene.account, balances=wallet)
    scene.tick(1_000)
    return scene


def score(scene, kind=LONG, **fields):
    at = (scene.now - OPENED_AT) / 1e6
    scene.fold(scored(signal(kind, at=at, **fields)))


def resting(scene):
    regular = [(r.side, r.kind, r.price) for r in scene.venue.open_orders()]
    return regular, sorted((str(r.kind), r.trigger) for r in scene.venue.open_algos())


def entered() -> Scene:
    scene = trading()
    score(scene)
    assert scene.step().family is Family.EXPOSURE
    scene.confirm()
    (row,) = scene.venue.open_orders()
    scene.see(scene.venue.fill(row.client_id))
    assert isinstance(scene.rest(), Converged)
    return scene


def test_from_the_score_to_the_guarded_position_and_its_end():
    scene = entered()
    assert resting(scene) == ([], [("STOP_MARKET", D(59400)), ("TAKE_PROFIT_MARKET", D(60900))])
    assert scene.venue.held() == D("0.075")
    (profit,) = [r for r in scene.venue.open_algos() if r.kind is OrderType.TAKE_PROFIT_MARKET]
    scene.see(scene.venue.trigger(profit.client_id))
    scene.rest()
    assert scene.venue.held() == 0
    assert resting(scene) == ([], [])
    assert scene.state.entry_signal is None
    assert scene.state.closed_at > 0
    assert isinstance(scene.step(), Converged), "the same signal opens nothing again"
    scene.tick(60_000)
    score(scene)
    assert scene.step().family is Family.EXPOSURE, "a new one does"


def test_the_bracket_is_named_with_the_entry_so_that_it_can_be_pre_armed():
    scene = trading()
    score(scene)
    (intent,) = scene.plan().decision.intents
    assert [(str(p.key), p.kind, p.trigger) for p in intent.protects] == [
        ("SL/0", OrderType.STOP_MARKET, D(59400)),
        ("TP/0", OrderType.TAKE_PROFIT_MARKET, D(60900)),
    ]


def test_the_stop_of_an_entry_is_foreseen_although_foreign_positions_are_reviewed():
    scene = trading()
    score(scene)
    scene.step()
    scene.confirm()
    forecast = foresee(scene.account, scene.key, scene.engine, scene.now)
    assert forecast is not None
    assert forecast.answer.intent.slot.trigger == D(59400)


def test_a_partial_fill_is_guarded_before_the_rest_is_asked_for():
    scene = trading()
    score(scene)
    scene.rest()
    (row,) = scene.venue.open_orders()
    scene.see(scene.venue.fill(row.client_id, D("0.030")))
    assert scene.step().family is Family.PROTECT
    scene.confirm()
    scene.rest()
    assert len(scene.venue.open_algos()) == 2
    assert [(r.side, r.quantity - r.filled) for r in scene.venue.open_orders()] == [(Side.BUY, D("0.045"))]
    scene.tick(60_000)
    assert scene.step().intents[0].action is Action.CANCEL
    scene.confirm()
    (intent,) = scene.step().intents
    assert (intent.key.role, intent.slot.tif, intent.slot.quantity) == (
        Role.ENTRY,
        TimeInForce.IOC,
        D("0.045"),
    )


def test_an_entry_that_nobody_fills_is_given_up():
    policy = replace(
        POLICY, entry=EntryPolicy(escalation=replace(EntryPolicy().escalation, timeout=60_000_000_000))
    )
    scene = trading(policy)
    score(scene)
    scene.rest()
    scene.tick(60_000)
    scene.step()
    scene.confirm()
    scene.step()
    (ioc,) = scene.waiting
    scene.confirm()
    scene.see(scene.venue.expire(ioc.ctx_id))
    scene.tick(120_000)
    assert isinstance(scene.rest(), Converged)
    assert resting(scene) == ([], [])


def test_a_newer_signal_does_not_touch_an_entry_under_way_or_a_position():
    scene = trading()
    score(scene)
    scene.rest()
    before = resting(scene)
    scene.tick(1_000)
    score(scene, stop="0.04", price="61000")
    assert isinstance(scene.rest(), Converged)
    assert resting(scene) == before
    (row,) = scene.venue.open_orders()
    scene.see(scene.venue.fill(row.client_id))
    scene.rest()
    assert ("STOP_MARKET", D(59400)) in resting(scene)[1]


def test_the_other_signal_takes_a_resting_entry_away_and_then_enters_its_own_way():
    scene = trading()
    score(scene)
    scene.rest()
    scene.tick(1_000)
    score(scene, SHORT)
    assert scene.step().family is Family.CLEANUP
    scene.confirm()
    assert scene.rest() == Converged(("entry: the signal turned",))
    assert resting(scene) == ([], [])
    scene.tick(1_000)
    score(scene, SHORT)
    (intent,) = scene.step().intents
    assert (intent.action, intent.slot.side) == (Action.PLACE, Side.SELL)


def test_an_opposite_signal_closes_the_position_when_configured():
    scene = entered()
    scene.want(replace(POLICY, exit=ExitPolicy(on_opposite=True)))
    scene.tick(1_000)
    score(scene, SHORT)
    plans = []
    for _ in range(6):
        decision = scene.step()
        if not isinstance(decision, Act):
            break
        plans.append(decision)
        scene.confirm()
    places = [i.slot for d in plans for i in d.intents if i.action is Action.PLACE]
    assert [(s.key.role, s.kind, s.quantity) for s in places][:1] == [
        (Role.EXIT, OrderType.MARKET, D("0.075"))
    ]


def test_a_position_opened_by_hand_waits_for_a_human_and_is_then_guarded():
    scene = trading()
    scene.see(scene.venue.trade_by_hand(Side.BUY, D("0.010"), D(60000)))
    assert scene.step().reason.startswith("manual_review")
    scene.fold(OperatorCommand(action=OperatorAction.ACK, who="owner", scope=scene.key))
    if not scene.state.trusted:
        scene.recover()
    scene.rest()
    assert ("STOP_MARKET", D(57000)) in resting(scene)[1]


def test_in_hedge_mode_a_signal_enters_the_side_that_it_is_for():
    scene = trading(mode=PositionMode.HEDGE)
    score(scene, SHORT)
    assert scene.state.entry_signal is None
    short = evidence.scope(PositionSide.SHORT)
    assert scene.account.scopes[short].entry_signal.kind is SHORT
    assert isinstance(scene.plan().decision, Converged)
    (intent,) = scene.plan(short).decision.intents
    assert (intent.slot.side, intent.slot.reduce_only) == (Side.SELL, False)


# --- evidence -------------------------------------------------------------------------------------


def explained():
    """A real score with its whole explanation."""
    policy = ScorePolicy(interval=MINUTE, higher=5 * MINUTE, periods=SHORT_PERIODS, gate=D("0.2"))
    scorer = Scorer("BTCUSDT", policy)
    return [scorer.push(bar) for bar in walk(60, 7)][-1]


def test_a_score_and_a_book_go_through_the_ledger_unchanged():
    for body in (explained(), scored(signal()), book("59999.9", "60000.0")):
        line = encode_line(7, b"0" * 64, 5, 0, body)
        assert decode_line(line) == Record(7, 5, 0, body)
        assert msgspec.json.decode(msgspec.json.encode(body), type=AnyEvent.__value__) == body


def test_i2_a_score_or_a_book_that_is_told_twice_or_late_changes_nothing():
    scene = trading()
    score(scene)
    old, newer = scored(signal(SHORT, at=-5)), scored(signal(at=5_000))
    seen = book("59999", "60001", at=4_000)
    account = scene.account
    assert fold(account, old, scene.now) is account
    after = fold(fold(account, newer, scene.now), seen, scene.now)
    for late in (newer, old, seen, book("1", "2", at=3_000)):
        assert fold(after, late, scene.now) is after


def test_the_state_with_signals_survives_a_snapshot():
    scene = entered()
    scene.fold(book("59999", "60001", at=9e6))
    packed = pack(scene.account)
    assert unpack(packed) == scene.account
    assert pack(unpack(packed)) == packed


def test_i38_the_same_evidence_gives_the_same_decisions():
    """A recorded run, folded again from its first event on, decides the same at every step."""
    scene = trading()
    told: list[tuple[AnyEvent, int]] = []
    made = []
    first = scene.account
    original = scene.fold

    def kept(*events):
        told.extend((e, scene.now) for e in events)
        original(*events)

    scene.fold = kept
    score(scene)
    for _ in range(4):
        made.append((len(told), scene.now, scene.plan()))
        scene.step()
        scene.confirm()
    (row,) = scene.venue.open_orders()
    scene.see(scene.venue.fill(row.client_id))
    for _ in range(4):
        made.append((len(told), scene.now, scene.plan()))
        scene.step()
        scene.confirm()
    account, done = first, 0
    for count, now, plan in made:
        for event, at in told[done:count]:
            account = fold(account, event, at)
        done = count
        assert decide(account, scene.key, scene.engine, now) == plan
    assert len({type(p.decision) for _, _, p in made}) > 1


def test_a_life_that_lost_is_remembered_as_a_loss():
    scene = entered()
    (stop,) = [r for r in scene.venue.open_algos() if r.kind is OrderType.STOP_MARKET]
    events = scene.venue.trigger(stop.client_id)
    told = [
        replace(e, realized_pnl=D(-45)) if getattr(e, "last_qty", None) and hasattr(e, "realized_pnl") else e
        for e in events
    ]
    scene.see(told)
    scene.rest()
    assert scene.state.realized == -45
    scene.want(replace(POLICY, cool_down=CoolDown()))
    scene.tick(20 * 60_000)
    score(scene)
    assert "entry: cool-down after a loss" in scene.step().notes
    scene.tick(45 * 60_000)
    score(scene)
    scene.rest()
    (row,) = scene.venue.open_orders()
    scene.see(scene.venue.fill(row.client_id))
    assert [result for _, result in scene.state.results] == [-45]
    assert scene.state.realized == 0


@pytest.mark.parametrize("kind", [LONG, SHORT])
def test_a_restart_between_entry_and_fill_still_protects(kind):
    scene = trading()
    score(scene, kind)
    scene.rest()
    scene.account = unpack(pack(scene.account))
    (row,) = scene.venue.open_orders()
    scene.see(scene.venue.fill(row.client_id))
    scene.rest()
    wanted = [("STOP_MARKET", D(59400 if kind is LONG else 60600))]
    assert [x for x in resting(scene)[1] if x[0] == "STOP_MARKET"] == wanted


def test_entries_that_nobody_took_do_not_fill_the_memory():
    scene = trading()
    for _ in range(90):
        scene.tick(1_000)
        score(scene, price="59000")
        scene.step()
        scene.confirm()
        (row,) = scene.venue.open_orders()
        scene.see(scene.venue.expire(row.client_id))
    assert len(scene.state.contexts) <= 65
    assert scene.state.generation == 90
