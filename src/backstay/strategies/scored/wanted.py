"""The scored trader's whole answer: the entry, then the position manager's bracket, and the ways out."""

from msgspec.structs import replace

from backstay.core.escalation import Asked, escalate
from backstay.core.scored import SignalKind
from backstay.core.slots import Slot
from backstay.core.types import Direction, PositionMode, Role, TimeNs
from backstay.core.view import PositionView
from backstay.strategies.interface import Wanted
from backstay.strategies.position_manager import wanted as guard
from backstay.strategies.scored.entry import plan_entry
from backstay.strategies.scored.policy import ScoredPolicy, bracket


class ScoredTrader:
    """`backstay.strategies.interface.Strategy` over `ScoredPolicy`; it has no state."""

    name = "scored"

    def wanted(self, view: PositionView, policy: ScoredPolicy, now: TimeNs) -> Wanted:
        return wanted(view, policy, now)


def wanted(view: PositionView, policy: ScoredPolicy, now: TimeNs) -> Wanted:
    """What should exist in the view's scope at `now`.

    Flat: the entry of a plan that may be entered, or nothing. In a position: the bracket of the plan that it
    follows, what is left of its entry, and an exit when one is due; an exit ends the entry.
    """
    if view.instrument.symbol not in policy.symbols:
        return guard.NOTHING
    if view.direction is None or not view.quantity:
        return _entering(view, policy, guard.NOTHING, now)
    base = guard.wanted(view, bracket(policy, view.market.plan), now)
    if base.unknown or base is guard.NOTHING:
        return base
    why = _leaves(view, policy, view.direction, now)
    if why:
        return _leaving(view, policy, view.direction, base, why, now)
    if any(x.key.role is Role.EXIT for x in base.slots):
        return base
    # An entry of which nothing has filled opened nothing: the position is somebody else's.
    entering = view.entry is not None and not view.external
    answer = _entering(view, policy, base, now) if entering else base
    after = policy.exit.after
    if after is None or policy.exit.escalation is None:
        return answer
    return replace(answer, wake_at=_sooner(answer.wake_at, view.opened_at + after))


def _entering(view: PositionView, policy: ScoredPolicy, base: Wanted, now: TimeNs) -> Wanted:
    """`base` with what the entry slot wants."""
    step = plan_entry(view, policy, now)
    if step.slot is None and not step.note and step.wake_at is None:
        return base
    return replace(
        base,
        slots=base.slots if step.slot is None else (*base.slots, step.slot),
        wake_at=_sooner(base.wake_at, step.wake_at),
        notes=(*base.notes, step.note) if step.note else base.notes,
        book=step.book,
    )


def _leaves(view: PositionView, policy: ScoredPolicy, direction: Direction, now: TimeNs) -> str:
    """Why the position is to be left, besides its bracket; empty: it is not."""
    rule, market = policy.exit, view.market
    newest = market.signal
    if rule.on_opposite and newest is not None and newest.kind is SignalKind(direction.opposite.value):
        return "opposite signal"
    # Without an escalation the position manager's time stop does it.
    if rule.after is not None and rule.escalation is not None and now >= view.opened_at + rule.after:
        return "time stop"
    return ""


def _leaving(
    view: PositionView, policy: ScoredPolicy, direction: Direction, base: Wanted, why: str, now: TimeNs
) -> Wanted:
    """At market beside the whole bracket, or by a limit order first, for which take-profits make room."""
    rule = policy.exit.escalation
    newest = view.market.signal
    guards = tuple(x for x in base.slots if x.key.role in (Role.SL, Role.TP))
    notes = (*base.notes, f"exit: {why}")
    if rule is not None and newest is not None:
        done = view.exit.filled if view.exit is not None else 0
        asked = Asked(
            key=guard.EXIT_KEY,
            side=direction.closing,
            total=view.quantity + done,
            reference=newest.price,
            limit=newest.price,
            reduce_only=view.position_mode is PositionMode.ONE_WAY,
        )
        step = escalate(asked, rule, view.exit, view.market.book, view.instrument, now)
        if not step.over:
            stops = tuple(x for x in guards if x.key.role is Role.SL)
            slots: tuple[Slot, ...] = stops if step.slot is None else (*stops, step.slot)
            return replace(
                base,
                slots=slots,
                wake_at=_sooner(base.wake_at, step.wake_at),
                notes=(*notes, f"exit: {step.note}") if step.note else notes,
                exit_reason=why,
                book=step.book,
            )
    slots = (*guard.exit_at_market(view, direction.closing), *guards)
    return replace(base, slots=slots, notes=notes, exit_reason=why)


def _sooner(one: TimeNs | None, other: TimeNs | None) -> TimeNs | None:
    times = [t for t in (one, other) if t is not None]
    return min(times, default=None)
