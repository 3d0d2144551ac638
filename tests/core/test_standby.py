"""Stops on standby: contexts for positions that somebody else may open (decision 0024)."""

import pytest
from msgspec.structs import replace

from backstay.core.account import fold
from backstay.core.contexts import OrderContext, Phase, Premise, Request
from backstay.core.engine import Engine, Manager
from backstay.core.events import OperatorAction, OperatorCommand, RequestsRegistered
from backstay.core.recovery import in_doubt, restarted, stopped
from backstay.core.slots import MAIN_STOP
from backstay.core.standby import named_scopes, standbys
from backstay.core.types import (
    ZERO,
    Action,
    Direction,
    PositionMode,
    PositionSide,
    Product,
    Side,
)
from backstay.strategies.position_manager.policy import OnExternal, PositionPolicy, StopKind, StopPolicy
from backstay.strategies.position_manager.wanted import PositionManager
from backstay.testing.evidence import algo
from backstay.testing.scene import Scene

from tests.core.wishes import D

LONG, SHORT = Direction.LONG, Direction.SHORT


def guard(**stop):
    return PositionPolicy(stop_loss=StopPolicy(**stop))


def scene_of(policy=None, **options):
    return Scene(policy or guard(), strategy=PositionManager(), **options)


def wanting(scene):
    return standbys(scene.account, scene.key, scene.engine, scene.now)


def stand_by(scene):
    """Register what is wanted, as the executor does."""
    requests = []
    for slot in wanting(scene):
        direction = LONG if slot.side is Side.SELL else SHORT
        context = OrderContext(
            ctx_id=f"s-{direction.lower()}-{len(scene.requests)}-{scene.now}",
            scope=scene.key,
            direction=direction,
            slot=slot,
            epoch=scene.account.scopes[scene.key].epoch + 1 if scene.key in scene.account.scopes else 1,
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


def armed(state):
    return sorted((str(c.direction), str(c.phase)) for c in state.contexts.values() if c.is_standby)


def test_a_flat_scope_lacks_a_stop_of_either_direction_until_both_stand_by():
    scene = scene_of()
    found = wanting(scene)
    assert [(x.key, x.side, x.close_position, x.trigger) for x in found] == [
        (MAIN_STOP, Side.SELL, True, None),
        (MAIN_STOP, Side.BUY, True, None),
    ]
    stand_by(scene)
    assert armed(scene.state) == [("LONG", "PRE_ARMED"), ("SHORT", "PRE_ARMED")]
    assert wanting(scene) == ()
    assert not scene.state.pendings


def test_in_hedge_mode_a_scope_stands_by_for_its_own_side():
    scene = scene_of(mode=PositionMode.HEDGE)
    assert [x.side for x in wanting(scene)] == [Side.SELL]


@pytest.mark.parametrize(
    "policy",
    [
        guard(kind=StopKind.FIXED_QTY),
        guard(enabled=False),
        replace(guard(), on_external_position=OnExternal.REVIEW),
        replace(guard(), on_external_position=OnExternal.IGNORE),
    ],
    ids=["sized", "no stop", "review", "ignore"],
)
def test_x3_only_a_close_position_stop_that_would_be_placed_stands_by(policy):
    assert wanting(scene_of(policy)) == ()


def test_nothing_stands_by_for_a_position_that_is_there_or_while_the_kill_switch_is_on():
    scene = scene_of()
    scene.see(scene.venue.trade_by_hand(Side.BUY, D("0.010"), D(60000)))
    assert wanting(scene) == ()
    scene = scene_of()
    scene.fold(OperatorCommand(action=OperatorAction.KILL, who="test"))
    assert wanting(scene) == ()


@pytest.mark.parametrize(("side", "kept"), [(Side.BUY, "LONG"), (Side.SELL, "SHORT")])
def test_an_opened_position_keeps_the_standby_of_its_direction_only(side, kept):
    scene = scene_of()
    stand_by(scene)
    scene.see(scene.venue.trade_by_hand(side, D("0.010"), D(60000)))
    assert armed(scene.state) == [(kept, "PRE_ARMED")]


def test_r12_after_a_restart_the_standby_of_a_flat_scope_is_no_doubt_and_is_ours_if_it_shows_up():
    scene = scene_of()
    stand_by(scene)
    again = restarted(scene.state)
    assert armed(again) == [("LONG", "ABSENT"), ("SHORT", "ABSENT")]
    assert in_doubt(again) == ()
    name = next(c.ctx_id for c in again.contexts.values() if c.direction is LONG)
    account = replace(scene.account, scopes={scene.key: again})
    account = fold(account, algo(algo_id=4711, client_id=name, trigger="57000.0"), scene.now)
    assert account.scopes[scene.key].contexts[name].phase is Phase.ARMED
    assert armed(restarted(again)) == [], "one that never showed up is not remembered for ever"


def test_r12_after_a_restart_the_standby_of_an_open_position_is_looked_for():
    scene = scene_of()
    stand_by(scene)
    scene.see(scene.venue.trade_by_hand(Side.BUY, D("0.010"), D(60000)))
    again = restarted(scene.state)
    assert armed(again) == [("LONG", "UNKNOWN")]
    assert [c.direction for c in in_doubt(again)] == [LONG]


def test_an_end_in_good_order_forgets_what_stood_by():
    scene = scene_of()
    stand_by(scene)
    assert armed(stopped(scene.state)) == []


def test_the_protection_of_an_order_takes_the_place_of_the_standby_on_its_side():
    scene = scene_of()
    stand_by(scene)
    slot = next(c for c in scene.state.contexts.values() if c.direction is LONG).slot
    context = OrderContext(
        ctx_id="o-1",
        scope=scene.key,
        direction=LONG,
        slot=replace(slot, trigger=D(57000)),
        epoch=1,
        generation=1,
        premise=Premise(0, ZERO),
        created_at=scene.now,
        phase=Phase.PRE_ARMED,
        parent="e-1",
    )
    request = Request(ctx_id="o-1", action=Action.PLACE, scope=scene.key, key=slot.key, context=context)
    scene.fold(RequestsRegistered(requests=(request,), pre_armed=True))
    assert armed(scene.state) == [("SHORT", "PRE_ARMED")]
    assert scene.state.contexts["o-1"].phase is Phase.PRE_ARMED


def test_the_named_scopes_are_those_of_the_managers_in_the_mode_of_the_account():
    names = frozenset({"BTCUSDT", "ETHUSDT"})
    managers = (
        Manager(PositionManager(), guard(), symbols=names, directions=frozenset({SHORT})),
        Manager(PositionManager(), guard()),
        Manager(PositionManager(), guard(), symbols=names, product=Product.SPOT),
    )
    engine = Engine(managers)
    one_way = named_scopes(engine, PositionMode.ONE_WAY)
    assert [(k.symbol, k.position_side) for k in one_way] == [
        ("BTCUSDT", PositionSide.BOTH),
        ("ETHUSDT", PositionSide.BOTH),
    ]
    hedge = named_scopes(engine, PositionMode.HEDGE)
    assert {k.position_side for k in hedge} == {PositionSide.SHORT}
