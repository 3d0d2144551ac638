"""Scenes of a spot position under one order list, and short words for what is seen of it."""

from decimal import Decimal

from backstay.core.decisions import Act, Converged
from backstay.core.events import (
    AnswerClass,
    AnswerReceived,
    Certainty,
    Effect,
)
from backstay.core.orders import is_open
from backstay.core.slots import Slot, SlotKey
from backstay.core.types import (
    SECOND,
    Action,
    Direction,
    OrderType,
    Role,
    Side,
    TimeInForce,
)
from backstay.core.wanted import Wanted
from backstay.testing.spot_scene import SpotScene

D = Decimal
TP, SL = SlotKey(Role.TP, 0), SlotKey(Role.SL, 0)


class Pair:
    """Wants everything that may be sold under one list: a target and a stop around 1.20."""

    name = "pair"
    stop, target = "1.1000", "1.3000"
    alone: Role | None = None
    pauses = False

    def wanted(self, view, policy, now):
        if view.direction is not Direction.LONG or not view.sellable:
            return Wanted()
        size = view.sellable
        dust = (view.quantity - size) / view.quantity
        stop = Slot(
            key=SL,
            side=Side.SELL,
            kind=OrderType.STOP_MARKET,
            trigger=D(self.stop),
            quantity=size,
            tolerance=dust.quantize(D("1e-9"), "ROUND_UP"),
        )
        target = Slot(
            key=TP,
            side=Side.SELL,
            kind=OrderType.LIMIT,
            price=D(self.target),
            quantity=size,
            tif=TimeInForce.GTX,
            leg=stop,
        )
        only = {
            Role.SL: stop,
            Role.TP: Slot(key=TP, side=Side.SELL, kind=OrderType.LIMIT, price=target.price, quantity=size),
        }
        slot = target if self.alone is None else only[self.alone]
        return Wanted(slots=(slot,), bridge=False, repair_delay=SECOND, retry_cancelled=not self.pauses)


def held(quantity="10", **options):
    """A scene with coins just bought, nothing of ours at the venue."""
    strategy = Pair()
    for name, value in options.items():
        setattr(strategy, name, value)
    scene = SpotScene(strategy=strategy, by_lot=False)
    scene.strategy = strategy
    scene.buy((quantity, "1.2"))
    return scene


def at_rest(quantity="10", **options):
    scene = held(quantity, **options)
    assert isinstance(scene.rest(), Converged), scene.plan().decision
    return scene


def said(decision):
    if not isinstance(decision, Act):
        return type(decision).__name__
    return str(decision.family), [(str(i.action), str(i.key)) for i in decision.intents]


def legs(scene):
    """(take-profit, stop) that work, newest list."""
    found = [c for c in scene.state.contexts.values() if not c.is_terminal]
    return tuple(next(c for c in found if c.key == key) for key in (TP, SL))


def request_of(scene, ctx):
    return next(r for r in scene.requests if r.ctx_id == ctx.ctx_id)


def answer(scene, ctx, action, certainty=Certainty.EXECUTED, effect=Effect.NONE):
    kind = {Certainty.EXECUTED: AnswerClass.ACCEPTED, Certainty.UNKNOWN: AnswerClass.UNKNOWN}
    scene.fold(
        AnswerReceived(
            scope=scene.key,
            ctx_id=ctx.ctx_id,
            action=action,
            certainty=certainty,
            answer=kind.get(certainty, AnswerClass.REJECT),
            effect=effect,
        )
    )


def open_rows(scene):
    return sorted((r.kind.value, r.quantity - r.filled) for r in scene.rows.values() if is_open(r))


def replacing():
    scene = at_rest()
    scene.buy(("5", "1.2"))
    scene.tick(300)
    scene.step()
    (cancel,) = (r for r in scene.waiting if r.action is Action.CANCEL)
    return scene, scene.state.contexts[cancel.ctx_id]
