"""An order list whose cancel or placement was refused, lost, or is of unknown fate."""

from backstay.core.contexts import Phase
from backstay.core.decisions import Act, Converged, Recover
from backstay.core.events import (
    Certainty,
    Effect,
    OrderQueried,
    OrdersSnapshot,
    RecoveryEnded,
    RecoveryStarted,
    RequestDropped,
)
from backstay.core.recovery import in_doubt
from backstay.core.requests import fingerprint
from backstay.core.types import (
    Action,
    OrderStatus,
    Product,
    Role,
    Side,
    Surface,
    Trust,
)
from backstay.testing import evidence
from backstay.testing.spot import read_row

from tests.core.pairs import SL, TP, D, answer, at_rest, held, legs, open_rows, replacing

# --- the cancel's answers ---------------------------------------------------------------------------


def test_r1_gone_is_not_cancelled_both_ends_are_waited_for():
    scene, ctx = replacing()
    answer(scene, ctx, Action.CANCEL, Certainty.NOT_EXECUTED, Effect.GONE)
    assert len(scene.state.pendings) == 2
    scene.tick(600)
    assert isinstance(scene.plan().decision, Recover)


def test_a_refused_cancel_frees_both_legs():
    scene, ctx = replacing()
    answer(scene, ctx, Action.CANCEL, Certainty.NOT_EXECUTED, Effect.THROTTLED)
    assert scene.state.pendings == {}
    assert scene.state.trust is Trust.TRUSTED


def test_a_cancel_that_never_left_ends_nothing():
    scene, ctx = replacing()
    scene.fold(RequestDropped(scope=scene.key, ctx_id=ctx.ctx_id, action=Action.CANCEL, reason="test"))
    assert scene.state.pendings == {}


def test_8_2_a_cancel_of_unknown_fate_costs_trust_and_guards_both_legs():
    scene, ctx = replacing()
    answer(scene, ctx, Action.CANCEL, Certainty.UNKNOWN)
    assert [p.unknown for p in scene.state.pendings.values()] == [True, True]
    assert isinstance(scene.plan().decision, Recover)


def test_t3_an_accepted_cancel_whose_second_end_never_comes_is_read_after_its_deadline():
    scene, ctx = replacing()
    answer(scene, ctx, Action.CANCEL)
    row = next(r for r in scene.rows.values() if r.client_id == ctx.ctx_id)
    scene.end(row, OrderStatus.CANCELED)
    assert len(scene.state.pendings) == 1
    scene.tick(5_100)
    assert isinstance(scene.plan().decision, Recover)


# --- refusals and doubts ------------------------------------------------------------------------------


def test_i29_a_refused_list_is_blocked_as_a_whole_and_another_one_is_not():
    scene = held()
    scene.step()
    target, stop = legs(scene)
    scene.refuse(Effect.LIST_PRICES)
    assert {c.phase for c in scene.state.contexts.values()} == {Phase.REJECTED}
    assert not isinstance(scene.plan().decision, Act)
    assert "+" in fingerprint(target.slot) and fingerprint(stop.slot) in fingerprint(target.slot)
    scene.strategy.stop = "1.0500"
    assert isinstance(scene.plan().decision, Act)


def test_8_2_a_list_of_unknown_fate_is_recovered_leg_by_leg_and_not_placed_again():
    scene = held()
    scene.step()
    asked = [r for r in scene.waiting if r.context is not None]
    scene.deaf = True
    scene.confirm()
    for request in asked:
        answer(scene, request.context, Action.PLACE, Certainty.UNKNOWN)
    assert {c.phase for c in scene.state.contexts.values()} == {Phase.UNKNOWN}
    assert isinstance(scene.plan().decision, Recover)
    scene.recover()
    assert isinstance(scene.rest(), Converged)
    assert len(open_rows(scene)) == 2


def test_r12_a_restart_adopts_both_legs():
    scene = at_rest()
    scene.recover(first=True)
    assert isinstance(scene.rest(), Converged)
    assert len(scene.requests) == 2
    assert len({c.group for c in legs(scene)}) == 1


def test_i19_an_order_of_somebody_else_is_left_alone_and_what_it_locks_is_not_offered():
    scene = at_rest()
    scene.place(Side.SELL, "web_2", D(4), D("1.9"))
    scene.fold(scene.balances_read())
    scene.tick(1)
    scene.fold(scene.balances_read())
    scene.rest()
    assert ("LIMIT", D("4")) in open_rows(scene)
    assert ("STOP_MARKET", D("5.99")) in open_rows(scene)


# --- what a gap hides of a list ------------------------------------------------------------------------


def unheard(**options):
    """A list (or one order) that the venue has taken, of which no report has come yet."""
    scene = held(**options)
    scene.step()
    for ctx in list(scene.state.contexts.values()):
        answer(scene, ctx, Action.PLACE)
    scene.deaf = True
    scene.confirm()
    rows = {r.client_id: r for r in scene.rows.values()}
    return scene, {c.key: rows[c.ctx_id] for c in scene.state.contexts.values()}


def asked_for(scene, row):
    return OrderQueried(
        symbol=scene.key.symbol,
        ctx_id=row.client_id,
        surface=Surface.REGULAR,
        requested_at=scene.now,
        received_at=scene.now,
        order=read_row(scene.rows[row.order_id]),
        product=Product.SPOT,
    )


def test_x2_a_leg_that_ended_unseen_with_its_list_is_asked_for_until_its_end_is_proven():
    scene, rows = unheard()
    scene.end(rows[TP], OrderStatus.EXPIRED)
    scene.deaf = False
    scene.trade(rows[SL], rows[SL].quantity, D("1.1"))
    scene.tick(5_100)
    assert isinstance(scene.plan().decision, Recover)
    scene.fold(
        RecoveryStarted(scopes=(scene.key,)),
        OrdersSnapshot(rows=(), requested_at=scene.now, received_at=scene.now, product=Product.SPOT),
        scene.fills_read(scene.lots.read_to + 1),
    )
    assert [c.ctx_id for c in in_doubt(scene.state)] == [rows[TP].client_id]
    scene.fold(RecoveryEnded(subjects=evidence.EVERYTHING, scopes=(scene.key,)))
    assert scene.state.trust is Trust.RECOVERY_REQUIRED
    scene.fold(asked_for(scene, rows[TP]))
    assert in_doubt(scene.state) == ()
    scene.recover()
    scene.buy(("10", "1.2"))
    assert isinstance(scene.rest(), Converged)
    assert len(open_rows(scene)) == 2


def test_o3_the_late_report_of_an_order_that_is_over_makes_no_trade_missing():
    scene, rows = unheard(alone=Role.SL)
    scene.trade(rows[SL], rows[SL].quantity, D("1.1"))
    scene.deaf = False
    scene.fold(scene.fills_read(scene.lots.read_to + 1), asked_for(scene, rows[SL]))
    assert scene.state.matched
    scene.fold(rows[SL])
    assert scene.state.matched, scene.lots.short
