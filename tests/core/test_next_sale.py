"""SELLs that stand by: what their orders tell, and what a restart makes of them (decision 0029)."""

from msgspec.structs import replace

from backstay.core.contexts import OrderContext, Phase, Premise, Request
from backstay.core.events import OperatorAction, OperatorCommand, RequestSent, RequestsRegistered
from backstay.core.next_sale import STANDING_BY, UNBOUGHT, fits, next_sale, told
from backstay.core.recovery import in_doubt, restarted, stopped
from backstay.core.standby import standbys
from backstay.core.types import ZERO, Action, Direction, OrderType, Side
from backstay.strategies.by_lot import sell_slot
from backstay.strategies.swing.policy import SellWhen, SwingPolicy
from backstay.testing.builders import dec
from backstay.testing.spot_scene import SpotScene

POLICY = SwingPolicy(symbols=("TRUMPUSDC",), sell_when=SellWhen.FILL)


def stand_by(scene, prefix="n"):
    """Register what is wanted, as the executor does."""
    requests = []
    for slot in standbys(scene.account, scene.key, scene.engine, scene.now):
        context = OrderContext(
            ctx_id=f"{prefix}{-slot.one_lot}",
            scope=scene.key,
            direction=Direction.LONG,
            slot=slot,
            epoch=1,
            generation=0,
            premise=Premise(0, ZERO),
            created_at=scene.now,
            phase=Phase.PRE_ARMED,
        )
        requests.append(
            Request(
                ctx_id=context.ctx_id, action=Action.PLACE, scope=scene.key, key=slot.key, context=context
            )
        )
    scene.fold(RequestsRegistered(requests=tuple(requests), pre_armed=True))
    return scene


def scene_of(policy=POLICY):
    """A scope that knows its symbol, with its identities on standby."""
    scene = SpotScene(policy)
    scene.buy(("10", "1.2"))
    scene.rest()
    return stand_by(scene)


def standing(state):
    return {c.slot.one_lot: c.phase for c in state.contexts.values() if c.awaits_lot}


READY = dict.fromkeys(UNBOUGHT, Phase.PRE_ARMED)


def found(scene, name="n1", *, quantity="4", price="1.5", label):
    """The venue tells of an order under this identity."""
    scene.place(Side.SELL, name, dec(quantity), dec(price))
    row = next(r for r in scene.rows.values() if r.client_id == name)
    return replace(row, label=label)


def test_a_symbol_that_sells_at_once_has_its_identities_and_another_one_none():
    assert standing(scene_of().state) == READY
    assert len(READY) == STANDING_BY
    scene = SpotScene(SwingPolicy(symbols=("TRUMPUSDC",)))
    scene.buy(("10", "1.2"))
    scene.rest()
    assert standbys(scene.account, scene.key, scene.engine, scene.now) == ()


def test_a_killed_account_prepares_nothing():
    scene = scene_of()
    scene.fold(OperatorCommand(action=OperatorAction.KILL, who="test"))
    empty = replace(scene.state, contexts={})
    account = replace(scene.account, scopes={**scene.account.scopes, scene.key: empty})
    assert standbys(account, scene.key, scene.engine, scene.now) == ()


def test_an_identity_fits_the_resting_sell_of_one_lot_and_nothing_else():
    standing_by = next_sale(-1)
    sell = sell_slot((7,), dec("1.5"), dec("4"))
    assert fits(standing_by, sell)
    assert not fits(standing_by, sell_slot((7, 8), dec("1.5"), dec("4"))), "merged lots have no label"
    assert not fits(standing_by, sell_slot((7,), None, dec("4"))), "a close at market"
    assert not fits(sell, sell)


def test_identities_outlive_a_position_that_opens_and_one_that_closes():
    scene = stand_by(SpotScene(POLICY))
    assert standing(scene.account.scopes[scene.key]) == READY
    scene.buy(("4", "1"))
    assert scene.state.position.quantity
    assert standing(scene.state) == READY
    scene.rest()
    scene.fill(scene.requests[-1])
    assert not scene.state.position.quantity
    assert standing(scene.state) == READY


def test_identities_count_as_no_order():
    scene = scene_of()
    resting = len(scene.sells())
    assert scene.view().lots.open_orders == resting
    assert scene.view().lots.selling.keys() == {scene.open_lots()[0].trade_id}


def test_a_request_that_is_sent_under_an_identity_says_what_it_sells():
    scene = scene_of()
    scene.buy(("4", "1"))
    lot = scene.open_lots()[-1]
    context = replace(scene.state.contexts["n1"], slot=sell_slot((lot.trade_id,), dec("1.5"), dec("3.99")))
    request = Request(ctx_id="n1", action=Action.PLACE, scope=scene.key, key=context.key, context=context)
    scene.fold(
        RequestSent(
            scope=scene.key,
            ctx_id="n1",
            action=Action.PLACE,
            recv_window_ms=3000,
            venue_time=scene.now,
            request=request,
        )
    )
    sent = scene.state.contexts["n1"]
    assert sent.slot.lots == (lot.trade_id,)
    assert scene.view().lots.selling[lot.trade_id] is sent
    assert standing(scene.state) == {k: v for k, v in READY.items() if k != -1}


def test_r12_after_a_restart_every_identity_is_asked_for():
    s = restarted(scene_of().state)
    assert set(standing(s).values()) == {Phase.UNKNOWN}
    assert {c.ctx_id for c in in_doubt(s) if c.awaits_lot} == {"n1", "n2", "n3", "n4"}


def test_after_an_end_in_good_order_none_is_asked_for():
    assert standing(stopped(scene_of().state)) == {}


def test_r12_those_that_were_proven_absent_are_forgotten_with_the_next_restart():
    s = scene_of().state
    gone = {n: replace(c, phase=Phase.ABSENT, sent_at=5) for n, c in s.contexts.items() if c.awaits_lot}
    assert len(standing(replace(s, contexts=gone))) == STANDING_BY
    assert standing(restarted(replace(s, contexts=gone))) == {}


def test_r12_an_order_found_under_an_identity_belongs_to_the_lot_that_it_tells():
    scene = scene_of()
    scene.buy(("4", "1"), ("4", "1"))
    second = scene.open_lots()[-1].trade_id
    slot = told(next_sale(-1), found(scene, label=second))
    assert slot == sell_slot((second,), dec("1.5"), dec("4"))


def test_an_order_that_tells_no_lot_holds_everything_new():
    scene = scene_of()
    scene.place(Side.SELL, "n1", dec("4"), dec("1.5"))
    assert scene.state.contexts["n1"].phase is Phase.LIVE
    scene.buy(("4", "1"))
    assert "does not tell which lot" in scene.view().lots.halted
    before = len(scene.requests)
    scene.rest()
    assert len(scene.requests) == before
    assert told(next_sale(-1), found(scene, "n2", label=0)) == next_sale(-1)


def test_a_buy_under_an_identity_is_nobodys_sale():
    scene = scene_of()
    row = replace(found(scene, label=5), side=Side.BUY)
    assert told(next_sale(-1), row) == next_sale(-1)
    assert next_sale(-1).kind is OrderType.LIMIT
