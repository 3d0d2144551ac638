"""`decide`: the one composition of view, strategy, planner and gate. Every host calls exactly this.

Same account, same policy, same time: same plan. The ledger replays it (I-38), the backtest and the
NautilusTrader host run it, and nothing else in the program decides anything about orders.
"""

from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec
from msgspec.structs import replace

from backstay.core.contexts import OrderContext, Phase
from backstay.core.daily import watched
from backstay.core.decisions import Act, Approved, Plan, Recover, Refused, Wait
from backstay.core.events import Effect, RunStarted
from backstay.core.filters import conform
from backstay.core.instruments import Instrument
from backstay.core.lots_view import lots_view
from backstay.core.market import market_view, slot_life
from backstay.core.planner import Field, plan
from backstay.core.requests import fingerprint
from backstay.core.risk import NO_LIMITS, RiskLimits, exposure_refusal, gate
from backstay.core.slots import Slot, Unplaceable
from backstay.core.state import AccountState, ScopeState
from backstay.core.types import EXPOSING, ZERO, Direction, PositionMode, Product, Role, Scope, TimeNs
from backstay.core.view import NO_MARKET, PositionView, SlotLife, StepProgress
from backstay.core.wanted import NOTHING, AnyStrategy, Wanted

DEFAULT_MAKER = Decimal("0.0002")
DEFAULT_TAKER = Decimal("0.0005")
"""Used until commissionRate is read (binance.md 9)."""
_NO_STEPS: Mapping[int, StepProgress] = {}
# Looked up once: `decide` is on the path from a fill to its stop.
PRE_ARMED = Phase.PRE_ARMED
ENTRY, EXIT, DCA, TP, SL = Role.ENTRY, Role.EXIT, Role.DCA, Role.TP, Role.SL
_NEVER_WAS = frozenset({Phase.REJECTED, Phase.ABSENT})


class Manager(msgspec.Struct, frozen=True):
    """One configured strategy: which scopes it manages, and by which policy."""

    strategy: AnyStrategy
    policy: Any
    symbols: frozenset[str] = frozenset()
    """Empty: every symbol with an open position."""
    directions: frozenset[Direction] = frozenset(Direction)
    product: Product = Product.USDM
    by_lot: bool = False
    """The strategy sells lots, each by its own order, instead of guarding a position."""


class Engine(msgspec.Struct, frozen=True):
    """The managers of one account, and its limits."""

    managers: tuple[Manager, ...]
    limits: RiskLimits = NO_LIMITS

    def manager(self, key: Scope) -> Manager | None:
        """Who manages this scope; the first that names its symbol, then one that takes all."""
        for m in self.managers:
            if key.symbol in m.symbols and m.product is key.product:
                return m
        return next((m for m in self.managers if not m.symbols and m.product is key.product), None)


def decide(account: AccountState, key: Scope, engine: Engine, now: TimeNs) -> Plan:
    """What the scope `key` needs next, at local time `now` (ns)."""
    s = account.scopes.get(key)
    run = account.run
    if s is None or run is None:
        return Plan(key, Wait("unknown_scope"))
    manager = engine.manager(key)
    if manager is None:
        return Plan(key, Wait("not_managed"), protects=False)
    kill = account.gates.get("kill_switch")
    if manager.by_lot:
        return _decide_lots(account, s, manager, engine, now)
    if kill is not None and not s.flatten_since and s.position.quantity:
        # A position that appeared after the switch was thrown; its orders are not wanted, nor is it.
        s = replace(s, flatten_since=kill.since, flatten_reason="kill: switch is on")
    instrument = account.instruments.get(key.symbol)
    wanted, view = NOTHING, None
    if instrument is None:
        if s.trusted and s.position.quantity and not s.flatten_since:
            return Plan(key, Wait("filters_missing"))
    elif not s.flatten_since and "kill_switch" not in account.gates:
        view = position_view(account, s, run.position_mode, instrument)
        if view.direction is None or view.direction in manager.directions:
            wanted = manager.strategy.wanted(view, manager.policy, now)
            limits = engine.limits
            if limits.daily_loss_limit is not None:
                wanted = watched(wanted, account, s, limits.daily_loss_limit, now, limits.daily_loss_hour)
    if wanted.unknown and s.trusted:
        return Plan(key, Wait(wanted.unknown), watches=wanted.watches, wake_at=wanted.wake_at)
    protects = view is None or bool(wanted.unknown)
    for x in wanted.slots:
        protects = protects or x.key.role is Role.SL
    field = _field(account, s, run, wanted, instrument, engine.limits, now)
    book = wanted.book
    if engine.limits.needs_book and not book:
        book = any(x.key.role in EXPOSING for x in field.slots)
    decision = plan(field, now)
    if not isinstance(decision, Act):
        return Plan(
            key,
            decision,
            watches=wanted.watches,
            wake_at=wanted.wake_at,
            book=book,
            protects=protects,
        )
    if view is not None and instrument is not None and _exposes(decision):
        decision = _with_protection(decision, view, manager, instrument, now)
    verdicts = gate(decision, account, s, engine.limits, now)
    return Plan(
        key,
        decision,
        tuple([v for v in verdicts if type(v) is Approved]),
        tuple([v for v in verdicts if type(v) is Refused]),
        wanted.watches,
        wanted.wake_at,
        book=book,
        protects=protects,
    )


def _decide_lots(account: AccountState, s: ScopeState, manager: Manager, engine: Engine, now: TimeNs) -> Plan:
    """A scope whose strategy sells lots: there is no position to flatten, a kill only stops what is new."""
    run, instrument = account.run, account.instruments.get(s.scope.symbol)
    if run is None or instrument is None:
        return Plan(s.scope, Wait("filters_missing") if s.trusted else Recover(s.reasons, s.retry_at or None))
    view = lots_view(account, s, run.position_mode, instrument, now)
    wanted = manager.strategy.wanted(view, manager.policy, now)
    if wanted.unknown and s.trusted:
        return Plan(
            s.scope, Wait(wanted.unknown), watches=wanted.watches, wake_at=wanted.wake_at, protects=False
        )
    field = _field(account, s, run, wanted, instrument, engine.limits, now, view.mark)
    decision = plan(_unflattened(field), now)
    verdicts = gate(decision, account, s, engine.limits, now) if isinstance(decision, Act) else ()
    return Plan(
        s.scope,
        decision,
        tuple([v for v in verdicts if type(v) is Approved]),
        tuple([v for v in verdicts if type(v) is Refused]),
        wanted.watches,
        wanted.wake_at,
        protects=False,
    )


def _unflattened(field: Field) -> Field:
    s = field.state
    if not s.flatten_since:
        return field
    return replace(field, state=replace(s, flatten_since=0, flatten_reason=""))


def _field(
    account: AccountState,
    s: ScopeState,
    run: RunStarted,
    wanted: Wanted,
    instrument: Instrument | None,
    limits: RiskLimits,
    now: TimeNs,
    mark: Decimal | None = None,
) -> Field:
    """Put the wanted slots on the venue's grid and name what the account forbids."""
    slots: tuple[Slot, ...] = ()
    refused: tuple[Unplaceable, ...] = ()
    exposes = False
    if instrument is not None and wanted.slots:
        if mark is None:
            mark = account.marks.get(s.scope.symbol)
        slots, refused, exposes = fitted(wanted.slots, instrument, mark)
    return Field(
        state=s,
        slots=slots,
        unplaceable=refused,
        notes=wanted.notes,
        position_mode=run.position_mode,
        exposure_refusal=exposure_refusal(account, s.scope, limits, now) if exposes else "",
        allow_waived=wanted.allow_waived,
        accept_external_stop=wanted.accept_external_stop,
        bridge=wanted.bridge,
        repair_delay=wanted.repair_delay,
        retry_cancelled=wanted.retry_cancelled,
        market_max=instrument.market_max_qty if instrument is not None else ZERO,
    )


@lru_cache(maxsize=4096)
def fitted(
    slots: tuple[Slot, ...], instrument: Instrument, mark: Decimal | None
) -> tuple[tuple[Slot, ...], tuple[Unplaceable, ...], bool]:
    """What the venue's filters make of `slots`: those that fit, those that do not, whether any exposes.

    Pure; the memory only saves the arithmetic, most of all from pre-arming a fill's protection to the fill.
    """
    tried = [conform(slot, instrument, mark=mark) for slot in slots]
    fits = tuple(x for x in tried if isinstance(x, Slot))
    refused = tuple(x for x in tried if isinstance(x, Unplaceable))
    return fits, refused, any(x.key.role in EXPOSING for x in fits)


def _exposes(act: Act) -> bool:
    return any(i.slot is not None and i.key.role in EXPOSING and not i.target for i in act.intents)


def _with_protection(
    act: Act, view: PositionView, manager: Manager, instrument: Instrument, now: TimeNs
) -> Act:
    """Name, for every exposure order, the protection that its fill will need, so that it can be pre-armed."""
    intents = []
    for intent in act.intents:
        slot = intent.slot
        if slot is None or slot.quantity is None or intent.target or intent.key.role not in EXPOSING:
            intents.append(intent)
            continue
        after = _after_fill(view, slot, now)
        guards, _, _ = fitted(
            manager.strategy.wanted(after, manager.policy, now).slots, instrument, view.mark
        )
        protects = tuple(g for g in guards if g.key.role in (Role.SL, Role.TP))
        intents.append(replace(intent, protects=protects))
    return replace(act, intents=tuple(intents))


def _after_fill(view: PositionView, slot: Slot, now: TimeNs) -> PositionView:
    """The view as it will be once `slot` has filled at its own price."""
    plan = view.market.plan
    price = slot.price or view.mark or (plan.price if plan is not None else view.average)
    quantity = slot.quantity or ZERO
    size = view.quantity + quantity
    direction = view.direction or (Direction.LONG if slot.side is Direction.LONG.opening else Direction.SHORT)
    return replace(
        view,
        external=view.external and slot.key.role is not ENTRY,
        opened_at=view.opened_at if view.direction is not None else now,
        direction=direction,
        quantity=size,
        average=(view.average * view.quantity + price * quantity) / size,
        anchor=view.anchor or price,
        last_fill_price=price,
        stop_floor=None,
        stop_refused="",
        take_profit_refused="",
    )


# --- the view -----------------------------------------------------------------------------------


def position_view(
    account: AccountState, s: ScopeState, mode: PositionMode, instrument: Instrument
) -> PositionView:
    """The facts of a scope, as a strategy may see them."""
    position = s.position
    stop_refused, retriggered, profit_refused = _refusals(s) if s.blocks else ("", False, "")
    dca, profits, entered, entry, leaving = _progress(s)
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
        stop_refused=stop_refused,
        stop_retriggered=retriggered,
        take_profit_refused=profit_refused,
        external=not entered,
        entry=entry,
        exit=leaving,
        market=market_view(account, s, instrument)
        if s.signal is not None or s.book is not None
        else NO_MARKET,
        reviewed=s.reviewed == s.epoch,
        instrument=instrument,
        maker_fee=account.maker_fee if account.maker_fee is not None else DEFAULT_MAKER,
        taker_fee=account.taker_fee if account.taker_fee is not None else DEFAULT_TAKER,
    )


def _refusals(s: ScopeState) -> tuple[str, bool, str]:
    """Why the latest stop and take-profit requests of this position were refused, and whether a stop was
    asked for again after one had been refused as breached.
    """
    position = s.position.quantity
    effects = {(b.key, b.fingerprint): b.effect for b in s.blocks if b.position == position}
    latest: dict[Role, tuple[int, str]] = {}
    breached_at, newest_stop = 0, 0
    for ctx in s.contexts.values():
        role = ctx.key.role
        if role not in (Role.SL, Role.TP) or ctx.epoch != s.epoch or ctx.phase is Phase.PRE_ARMED:
            continue
        effect = ""
        if ctx.phase is Phase.REJECTED:
            effect = effects.get((ctx.key, fingerprint(ctx.slot)), "")
        if ctx.generation > latest.get(role, (0, ""))[0]:
            latest[role] = (ctx.generation, effect)
        if role is Role.SL:
            newest_stop = max(newest_stop, ctx.generation)
            if effect == Effect.WOULD_TRIGGER and (not breached_at or ctx.generation < breached_at):
                breached_at = ctx.generation
    stop, profit = latest.get(Role.SL, (0, "")), latest.get(Role.TP, (0, ""))
    return stop[1], 0 < breached_at < newest_stop, profit[1]


type Steps = Mapping[int, StepProgress]


def _progress(s: ScopeState) -> tuple[Steps, Steps, bool, SlotLife | None, SlotLife | None]:
    """What became of each DCA step and of each take-profit level, whether an entry of ours opened the epoch,
    and the lives of entry and exit: counted from contexts and fills, never from price or size (D-6).
    """
    dca: dict[int, list[OrderContext]] = {}
    profits: dict[int, list[OrderContext]] = {}
    entries: list[OrderContext] = []
    exits: list[OrderContext] = []
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
    lives = (slot_life(s, entries) if entries else None, slot_life(s, exits) if exits else None)
    return _summed(dca), _summed(profits), entered, *lives


def _may_have_opened(s: ScopeState, ctx: OrderContext) -> bool:
    """A working entry as large as the position: the position's report may come before the order's."""
    size = abs(s.position.quantity)
    return not ctx.is_terminal and ctx.direction is s.direction and (ctx.slot.quantity or ZERO) >= size > 0


def _summed(steps: dict[int, list[OrderContext]]) -> Steps:
    return {step: _sum(held) for step, held in steps.items()} if steps else _NO_STEPS


def _sum(held: list[OrderContext]) -> StepProgress:
    """`held` are the orders of one step."""
    if len(held) == 1:
        (ctx,) = held
        return StepProgress(ctx.slot.quantity or ZERO, ctx.filled, not ctx.is_terminal)
    return StepProgress(
        ordered=min(held, key=lambda c: c.generation).slot.quantity or ZERO,
        filled=sum((c.filled for c in held), ZERO),
        open=any(not c.is_terminal for c in held),
    )
