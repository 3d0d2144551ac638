"""The entry: whether the plan may be entered now, how large, and which order that takes."""

from decimal import Decimal

from backstay.core.escalation import Asked, Step, escalate
from backstay.core.money import round_down
from backstay.core.scored import Signal, SignalKind
from backstay.core.slots import SlotKey
from backstay.core.types import Direction, Role, TimeNs
from backstay.core.view import PositionView
from backstay.strategies.position_manager.policy import OnExternal
from backstay.strategies.scored.policy import ScoredPolicy

ENTRY_KEY = SlotKey(Role.ENTRY, 0)
NO_ENTRY = Step(over=True)
OLD = "the signal is of before the start"
STRANGE = "manual_review, an order that is not ours rests"


def plan_entry(view: PositionView, policy: ScoredPolicy, now: TimeNs) -> Step:
    """What the entry slot wants, for a flat view or one whose position is still being entered."""
    plan = view.market.plan
    direction = plan.kind.direction if plan is not None else None
    if plan is None or direction is None:
        return NO_ENTRY
    if view.direction not in (None, direction):
        return NO_ENTRY
    life = view.entry
    if life is None:
        if view.direction is not None:
            return NO_ENTRY
        held = _held(view, policy, plan, direction, now)
        if held:
            return Step(note=f"entry: {held}")
    elif view.market.plan_is_old and not (life.open or life.filled):
        return Step(note=f"entry: {OLD}", over=True)
    elif view.market.foreign and policy.on_external_position is OnExternal.REVIEW:
        return Step(note=f"entry: {STRANGE}")
    elif _turned(view, direction):
        return Step(note="entry: the signal turned", over=True)
    total = life.total if life is not None else entry_size(view, policy, plan)
    if total is None:
        return Step(note="entry: the balance is not known")
    if total <= 0:
        return Step(note="entry: too small for the venue")
    away = policy.entry.offset if direction is Direction.SHORT else -policy.entry.offset
    asked = Asked(
        key=ENTRY_KEY,
        side=direction.opening,
        total=total,
        reference=plan.price,
        limit=plan.price * (1 + away),
    )
    step = escalate(asked, policy.entry.rule, life, view.market.book, view.instrument, now)
    if not step.note:
        return step
    return Step(wake_at=step.wake_at, book=step.book, note=f"entry: {step.note}", over=step.over)


def _held(view: PositionView, policy: ScoredPolicy, plan: Signal, direction: Direction, now: TimeNs) -> str:
    """Why nothing is entered on this plan now; stable words, empty: nothing is in the way."""
    if direction not in policy.sides:
        return f"{direction} is not configured"
    if now >= plan.valid_until:
        return "the signal is no longer valid"
    market = view.market
    if market.plan_is_old:
        return OLD
    if market.foreign and policy.on_external_position is OnExternal.REVIEW:
        return STRANGE
    if market.closed_at:
        lost = market.last_result is not None and market.last_result < 0
        pause = policy.cool_down.after_loss if lost else policy.cool_down.after_close
        if now < market.closed_at + pause:
            return "cool-down after a loss" if lost else "cool-down"
        if plan.at <= market.closed_at:
            return "the signal is older than the last position's end"
    return ""


def _turned(view: PositionView, direction: Direction) -> bool:
    """The newest score speaks for the other direction."""
    newest = view.market.signal
    return newest is not None and newest.kind is SignalKind(direction.opposite.value)


def entry_size(view: PositionView, policy: ScoredPolicy, plan: Signal) -> Decimal | None:
    """Quantity by risk, on the venue's grid; 0: too small, None: the balance is not known.

    Lost at the stop are its distance and the fees of both ways, per unit of notional. What is lost beyond
    that when the market gaps over the stop is not foreseen here.
    """
    equity = view.market.equity
    if equity is None:
        return None
    if equity <= 0:
        return Decimal(0)
    rule = policy.size
    notional = equity * rule.risk / (plan.stop_distance + 2 * view.taker_fee)
    notional = min(notional, equity * rule.max_share)
    if rule.max_notional is not None:
        notional = min(notional, rule.max_notional)
    return round_down(notional / plan.price, view.instrument.step)
