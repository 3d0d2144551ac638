"""What a strategy that guards a position may see of a scope: facts, and no way back to the state."""

from collections.abc import Mapping
from decimal import Decimal

from msgspec.structs import replace

from backstay.core.blocks import holds
from backstay.core.coins import sellable
from backstay.core.contexts import OrderContext, Phase
from backstay.core.events import Effect
from backstay.core.instruments import Instrument
from backstay.core.lots_view import SPOT_FEE
from backstay.core.market import market_view, slot_life
from backstay.core.requests import request_fingerprint
from backstay.core.slots import MAIN_STOP, SlotKey
from backstay.core.state import AccountState, ScopeState
from backstay.core.types import ZERO, PositionMode, Product, Role
from backstay.core.view import NO_MARKET, PositionView, Refusal, StepProgress

DEFAULT_MAKER = Decimal("0.0002")
DEFAULT_TAKER = Decimal("0.0005")
"""Used until commissionRate is read (binance.md 9)."""
_NO_STEPS: Mapping[int, StepProgress] = {}
_NOT_REFUSED: Mapping[SlotKey, Refusal] = {}
# Looked up once: a view is made on the path from a fill to its stop.
PRE_ARMED = Phase.PRE_ARMED
ENTRY, EXIT, DCA, SL = Role.ENTRY, Role.EXIT, Role.DCA, Role.SL
_NEVER_WAS = frozenset({Phase.REJECTED, Phase.ABSENT})

type Steps = Mapping[int, StepProgress]
type Orders = list[OrderContext]


def position_view(
    account: AccountState, s: ScopeState, mode: PositionMode, instrument: Instrument, *, lives: bool = True
) -> PositionView:
    """The facts of a scope, as a strategy may see them; the lives of entry and exit only with `lives`."""
    position = s.position
    spot = s.scope.product is Product.SPOT
    rate = SPOT_FEE if spot else DEFAULT_TAKER
    refused, retriggered = _refusals(s) if s.blocks else (_NOT_REFUSED, False)
    exit_refused, exit_due = _refused_exit(s) if s.blocks else (False, False)
    dca, profits, entered, entries, exits = _progress(s)
    return PositionView(
        scope=s.scope,
        position_mode=mode,
        direction=position.direction,
        quantity=abs(position.quantity),
        average=position.entry_price,
        venue_break_even=position.break_even,
        epoch=s.epoch,
        opened_at=s.opened_at,
        anchor=s.anchor,
        last_fill_price=s.last_fill_price or s.anchor,
        dca=dca,
        take_profit=profits,
        last_increase_at=s.last_increase_at,
        stop_floor=s.stop_floor,
        best_price=s.best_price,
        mark=account.marks.get(s.scope.symbol),
        refused=refused,
        stop_retriggered=retriggered,
        exit_refused=exit_refused,
        exit_due=exit_due,
        external=not entered,
        entry=slot_life(s, entries) if lives and entries else None,
        exit=slot_life(s, exits) if lives and exits else None,
        market=market_view(account, s, instrument)
        if s.signal is not None or s.book is not None
        else NO_MARKET,
        reviewed=s.reviewed == s.epoch,
        instrument=instrument,
        maker_fee=account.maker_fee if account.maker_fee is not None else DEFAULT_MAKER,
        taker_fee=account.taker_fee if account.taker_fee is not None else rate,
        sellable=sellable(account, s) if spot else None,
    )


def _refused_exit(s: ScopeState) -> tuple[bool, bool]:
    """Whether a close of this position at market was refused and waits for something to change, or was and
    does not, as where orders by hand that left no room for it have gone (R-9).
    """
    held = s.position.quantity
    exits = [b for b in s.blocks if b.key is not None and b.key.role is EXIT and b.position == held]
    refused = any(not b.until and holds(b, s, 0) for b in exits)
    return refused, bool(exits) and not refused


def _refusals(s: ScopeState) -> tuple[Mapping[SlotKey, Refusal], bool]:
    """What was refused for the stop and for each take-profit of this position, and whether a stop was asked
    for again after one had been refused as breached.
    """
    position = s.position.quantity
    effects = {(b.key, b.fingerprint): b.effect for b in s.blocks if b.position == position}
    latest: dict[SlotKey, tuple[int, Refusal]] = {}
    passed: set[SlotKey] = set()
    # By trigger: one that was armed once and then asked for again is no retry, nor is one of another size.
    breached: dict[Decimal | None, int] = {}
    for ctx in s.contexts.values():
        role = ctx.key.role
        if role not in (Role.SL, Role.TP) or ctx.epoch != s.epoch or ctx.phase is Phase.PRE_ARMED:
            continue
        effect = asked = ""
        if ctx.phase is Phase.REJECTED:
            asked = request_fingerprint(ctx)
            effect = effects.get((ctx.key, asked), "")
        key = MAIN_STOP if role is SL else ctx.key  # a bridge stands for the stop
        if key not in latest or ctx.generation > latest[key][0]:
            latest[key] = ctx.generation, Refusal(effect, ctx.slot.trigger)
        if effect != Effect.WOULD_TRIGGER:
            continue
        if role is SL:
            trigger = ctx.slot.trigger
            breached[trigger] = max(ctx.generation, breached.get(trigger, 0))
        else:
            passed.add(key)
    newest_stop = latest[MAIN_STOP][0] if MAIN_STOP in latest else 0
    refused = {
        key: replace(refusal, passed=key in passed)
        for key, (_, refusal) in latest.items()
        if refusal.effect or key in passed
    }
    return refused, 0 < min(breached.values(), default=0) < newest_stop


def _progress(s: ScopeState) -> tuple[Steps, Steps, bool, Orders, Orders]:
    """What became of each DCA step and of each take-profit level, whether an entry of ours opened the epoch,
    and the orders of entry and exit: counted from contexts and fills, never from price or size (D-6).
    """
    dca: dict[int, Orders] = {}
    profits: dict[int, Orders] = {}
    entries: Orders = []
    exits: Orders = []
    entered = False
    present = s.epoch
    coming = present if s.position.quantity else present + 1
    for ctx in s.contexts.values():
        key = ctx.slot.key
        role = key.role
        # Stops first: most contexts are theirs, and nobody counts them.
        if role is SL or ctx.phase is PRE_ARMED:
            continue
        if role is ENTRY:
            if ctx.epoch == present:
                entered = entered or bool(ctx.filled) or _may_have_opened(s, ctx)
            if ctx.epoch == coming and ctx.created_at >= s.entry_since:
                entries.append(ctx)
        elif ctx.epoch != present:
            continue
        elif role is EXIT:
            exits.append(ctx)
        elif ctx.phase not in _NEVER_WAS or ctx.filled:
            (dca if role is DCA else profits).setdefault(key.step, []).append(ctx)
    return (
        _summed(dca) if dca else _NO_STEPS,
        _summed(profits) if profits else _NO_STEPS,
        entered,
        entries,
        exits,
    )


def _may_have_opened(s: ScopeState, ctx: OrderContext) -> bool:
    """A working entry as large as the position: the position's report may come before the order's."""
    size = abs(s.position.quantity)
    return not ctx.is_terminal and ctx.direction is s.direction and (ctx.slot.quantity or ZERO) >= size > 0


def _summed(steps: dict[int, Orders]) -> Steps:
    return {step: _sum(held) for step, held in steps.items()}


def _sum(held: Orders) -> StepProgress:
    """`held` are the orders of one step."""
    if len(held) == 1:
        (ctx,) = held
        return StepProgress(ctx.slot.quantity or ZERO, ctx.filled, not ctx.is_terminal)
    return StepProgress(
        ordered=min(held, key=lambda c: c.generation).slot.quantity or ZERO,
        filled=sum((c.filled for c in held), ZERO),
        open=any(not c.is_terminal for c in held),
    )
