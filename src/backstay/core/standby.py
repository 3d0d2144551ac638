"""Orders on standby: what a scope will need first if somebody trades in it by hand.

A flat scope on USD-M needs a stop if a position is opened; a symbol of spot needs the SELL of the next lot
(`backstay.core.next_sale`).

Nobody announces such a position, and yet one thing of it is known beforehand: the strategy will want a
close-position stop, of the one direction or of the other. So its context can be durable while nothing
happens, with all that is known of it; its trigger follows with the request, as for every pre-armed context.

Close-position stops only. The venue admits one per direction (-4130), so whatever became of one that an
earlier process may have sent, a second one cannot stand beside it: a standby is never a reason to doubt a
scope that was flat.
"""

from decimal import Decimal

from msgspec.structs import replace

from backstay.core.account_scopes import scope_of, scope_state
from backstay.core.contexts import Phase
from backstay.core.engine import Engine, Manager
from backstay.core.instruments import Instrument
from backstay.core.next_sale import UNBOUGHT, next_sale
from backstay.core.position_view import position_view
from backstay.core.slots import MAIN_STOP, Slot
from backstay.core.state import AccountState, ScopeState
from backstay.core.types import Direction, OrderType, PositionMode, PositionSide, Product, Scope, TimeNs

NOMINAL_TICKS = 10_000
"""Price of a symbol that has none yet, in ticks: the kind of the stop is asked for, not where it lies."""


def named_scopes(engine: Engine, mode: PositionMode) -> list[Scope]:
    """The scopes that the managers name, whether or not anything was ever heard of them."""
    found: dict[Scope, None] = {}
    for m in engine.managers:
        if m.product is Product.SPOT:
            if m.sells_at_once:
                found.update(
                    dict.fromkeys(scope_of(m.product, x, PositionSide.BOTH) for x in sorted(m.symbols))
                )
            continue
        sides = [PositionSide.BOTH]
        if mode is PositionMode.HEDGE:
            sides = [PositionSide(d.value) for d in Direction if d in m.directions]
        for symbol in sorted(m.symbols):
            found.update(dict.fromkeys(scope_of(Product.USDM, symbol, side) for side in sides))
    return list(found)


def standbys(account: AccountState, key: Scope, engine: Engine, now: TimeNs) -> tuple[Slot, ...]:
    """What scope `key` lacks on standby at local time `now` (ns): stops whose trigger is still open, or SELLs
    of lots that are not bought yet.
    """
    run, instrument = account.run, account.instruments.get(key.symbol)
    manager = engine.manager(key)
    if run is None or instrument is None or manager is None:
        return ()
    s = scope_state(account, key)
    if manager.by_lot:
        return _next_sales(account, s) if manager.sells_at_once else ()
    if key.product is not Product.USDM or s.position.quantity or not s.trusted or s.flatten_since:
        return ()
    if "kill_switch" in account.gates:
        return ()
    slots = []
    for direction in Direction:
        if direction in manager.directions and _has_side(key, direction) and not _is_armed(s, direction):
            slot = _first_stop(account, s, manager, instrument, direction, now)
            if slot is not None:
                slots.append(slot)
    return tuple(slots)


def _next_sales(account: AccountState, s: ScopeState) -> tuple[Slot, ...]:
    """The identities of SELLs that are missing; none while nothing new may be placed anyway."""
    if not s.trusted or s.flatten_since or "kill_switch" in account.gates:
        return ()
    taken = {c.slot.one_lot for c in s.contexts.values() if c.awaits_lot and not c.is_terminal}
    return tuple(next_sale(lot) for lot in UNBOUGHT if lot not in taken)


def _has_side(key: Scope, direction: Direction) -> bool:
    return key.position_side is PositionSide.BOTH or key.position_side.value == direction.value


def _is_armed(s: ScopeState, direction: Direction) -> bool:
    """A context of this stop is there already: on standby, or prepared with an order of ours."""
    return any(
        c.phase is Phase.PRE_ARMED and c.key == MAIN_STOP and c.slot.side is direction.closing
        for c in s.contexts.values()
    )


def _first_stop(
    account: AccountState,
    s: ScopeState,
    manager: Manager,
    instrument: Instrument,
    direction: Direction,
    now: TimeNs,
) -> Slot | None:
    """What the strategy would answer to a position of somebody else in this direction."""
    if account.run is None:
        return None
    view = position_view(account, s, account.run.position_mode, instrument)
    price = view.mark or s.anchor or instrument.tick * NOMINAL_TICKS
    opened = replace(
        view,
        external=True,
        opened_at=now,
        direction=direction,
        quantity=instrument.step or Decimal(1),
        average=price,
        venue_break_even=price,
        anchor=price,
        last_fill_price=price,
        last_increase_at=now,
        epoch=s.epoch + 1,
        dca={},
        take_profit={},
        stop_floor=None,
        best_price=None,
        refused={},
        stop_retriggered=False,
        exit_refused=False,
        exit_due=False,
        entry=None,
        exit=None,
        reviewed=False,
    )
    wanted = manager.strategy.wanted(opened, manager.policy, now)
    if wanted.unknown:
        return None
    for slot in wanted.slots:
        if slot.key == MAIN_STOP and slot.close_position and slot.kind is OrderType.STOP_MARKET:
            return replace(slot, trigger=None)
    return None
