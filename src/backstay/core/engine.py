"""`decide`: the one composition of view, strategy, planner and gate. Every host calls exactly this.

Same account, same policy, same time: same plan. The ledger replays it (I-38), the backtest and the
NautilusTrader host run it, and nothing else in the program decides anything about orders.
"""

from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec
from msgspec.structs import replace

from backstay.core.coins import sellable
from backstay.core.daily import watched
from backstay.core.decisions import Act, Approved, Plan, Recover, Refused, Wait
from backstay.core.events import RunStarted
from backstay.core.filters import TOO_SMALL, fit_list
from backstay.core.flatten import exit_held
from backstay.core.instruments import Instrument
from backstay.core.joining import Field
from backstay.core.lots_view import lots_view
from backstay.core.planner import plan
from backstay.core.position_view import position_view
from backstay.core.risk import NO_LIMITS, RiskLimits, exposure_refusal, gate
from backstay.core.slots import Slot, Unplaceable
from backstay.core.state import AccountState, ScopeState
from backstay.core.types import EXPOSING, ZERO, Direction, PositionMode, Product, Role, Scope, TimeNs
from backstay.core.view import PositionView
from backstay.core.wanted import NOTHING, AnyStrategy, Wanted

# Looked up once: `decide` is on the path from a fill to its stop.
ENTRY, SL = Role.ENTRY, Role.SL


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
    lives: bool = True
    """The strategy asks how its entry and its exit live (`PositionView.entry`, `exit`); False spares them."""

    @property
    def sells_at_once(self) -> bool:
        """A lot is offered in the moment of its fill, says the policy: its SELL's identity stands by."""
        return self.by_lot and bool(getattr(self.policy, "at_once", False))

    @property
    def by_rate(self) -> frozenset[str]:
        """Assets whose commissions count by the account's rate, says the policy: what was really taken moves
        no offer.
        """
        return frozenset(getattr(self.policy, "by_rate", ()))


class Engine(msgspec.Struct, frozen=True):
    """The managers of one account, and its limits."""

    managers: tuple[Manager, ...]
    limits: RiskLimits = NO_LIMITS

    def manager(self, key: Scope) -> Manager | None:
        """Who manages this scope; the first that names its symbol, then one that takes all."""
        every: Manager | None = None
        for m in self.managers:
            if m.product is not key.product:
                continue
            if key.symbol in m.symbols:
                return m
            if every is None and not m.symbols:
                every = m
        return every


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
        view = position_view(account, s, run.position_mode, instrument, lives=manager.lives)
        if view.direction is None or view.direction in manager.directions:
            wanted = manager.strategy.wanted(view, manager.policy, now)
            limits = engine.limits
            if limits.daily_loss_limit is not None:
                wanted = watched(wanted, account, s, limits.daily_loss_limit, now, limits.daily_loss_hour)
    elif s.position.quantity and exit_held(s, now):
        wanted = _stops_meanwhile(account, s, run.position_mode, manager, instrument, now)
    if wanted.unknown and s.trusted:
        return Plan(key, Wait(wanted.unknown), watches=wanted.watches, wake_at=wanted.wake_at)
    protects = view is None or bool(wanted.unknown)
    for x in wanted.slots:
        protects = protects or x.key.role is SL or x.leg is not None
    field = _field(account, s, run, wanted, instrument, engine.limits, now)
    if field.sellable is not None and field.unplaceable:
        protects = protects and not all(u.reason in TOO_SMALL for u in field.unplaceable)
    book = wanted.book
    if engine.limits.needs_book and not book:
        book = any(x.key.role in EXPOSING for x in field.slots)
    decision = plan(field, now)
    if not isinstance(decision, Act):
        return Plan(
            key, decision, watches=wanted.watches, wake_at=wanted.wake_at, book=book, protects=protects
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


def _stops_meanwhile(
    account: AccountState,
    s: ScopeState,
    mode: PositionMode,
    manager: Manager,
    instrument: Instrument,
    now: TimeNs,
) -> Wanted:
    """The venue refuses the close for now: the position has its stop meanwhile, and nothing else (I-37)."""
    view = position_view(account, s, mode, instrument)
    if view.direction not in manager.directions:
        return NOTHING
    wanted = manager.strategy.wanted(view, manager.policy, now)
    return replace(wanted, unknown="", slots=tuple([x for x in wanted.slots if x.key.role is Role.SL]))


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
        book=wanted.book,
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
        exit_reason=wanted.exit_reason,
        position_mode=run.position_mode,
        exposure_refusal=exposure_refusal(account, s.scope, limits, now) if exposes else "",
        allow_waived=wanted.allow_waived,
        accept_external_stop=wanted.accept_external_stop,
        bridge=wanted.bridge,
        repair_delay=wanted.repair_delay,
        retry_cancelled=wanted.retry_cancelled,
        market_max=instrument.market_max_qty if instrument is not None else ZERO,
        sellable=sellable(account, s) if s.scope.product is Product.SPOT else None,
    )


@lru_cache(maxsize=4096)
def fitted(
    slots: tuple[Slot, ...], instrument: Instrument, mark: Decimal | None
) -> tuple[tuple[Slot, ...], tuple[Unplaceable, ...], bool]:
    """What the venue's filters make of `slots`: those that fit, those that do not, whether any exposes.

    Pure; the memory only saves the arithmetic, most of all from pre-arming a fill's protection to the fill.
    """
    tried = [x for slot in slots for x in fit_list(slot, instrument, mark)]
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
        refused={},
    )
