"""Operator commands while no process runs: take the account over, apply the command, wait until it is done.

`kill` and `positions close` must work when nothing else does, so this opens ledger and venue itself, under
the same lock as `run`, and looks at the venue again before it says that the account is flat.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
from msgspec.structs import replace

from backstay.app.config import Settings
from backstay.app.errors import RefusedError, ReviewError
from backstay.app.flatness import cancel_strangers
from backstay.app.guard import Guard
from backstay.app.locks import make_lock
from backstay.app.session import Session, iso_now, may_run, open_session, prepare_folders
from backstay.app.status import is_position
from backstay.core.events import OperatorAction, OperatorCommand
from backstay.core.lots import get
from backstay.core.state import AccountState, ScopeState
from backstay.core.types import PositionSide, Product, Role, Scope, TimeNs
from backstay.runtime.owner import Owner
from backstay.telemetry.redaction import redact

PATIENCE_S = 60.0
LOOK_S = 0.05


class Done(msgspec.Struct, frozen=True):
    """What became of it."""

    seq: int
    closed: tuple[str, ...]
    """Scopes that had a position and are flat now."""
    left_alone: tuple[str, ...]
    """Open positions that belong to no configured manager."""
    unknown: tuple[str, ...] = ()
    """What spot may hold of these is not known: it follows from trades, and the ledger has just begun."""


async def command(
    settings: Settings,
    event: OperatorCommand,
    *,
    symbol: str = "",
    wants: Callable[[Scope], bool] = lambda _scope: True,
    patience_s: float = PATIENCE_S,
) -> Done:
    """Apply `event` and wait until the scopes that it means (`wants`) are flat.

    A KILL of one `symbol` is applied to each of its open scopes.

    Raises RefusedError, LockError, ExchangeError, ReviewError when it does not get there in time.
    """
    event = replace(event, reason=redact(event.reason))
    async with _owning(settings, event) as session:
        return await _carry_out(session, event, symbol, wants, patience_s)


@asynccontextmanager
async def _owning(settings: Settings, event: OperatorCommand) -> AsyncIterator[Session]:
    """The accounts that the command concerns, under our lock until it is done; nothing is connected yet."""
    may_run(settings)
    prepare_folders(settings)
    lock = make_lock(settings)
    lock.acquire(now=iso_now())
    try:
        products = (event.scope.product,) if event.scope is not None else None
        session = await open_session(settings, lock, products, follow=False)
        try:
            yield session
        finally:
            await session.close(f"{event.action} is done")
    finally:
        lock.release()


async def _carry_out(
    session: Session,
    event: OperatorCommand,
    symbol: str,
    wants: Callable[[Scope], bool],
    patience_s: float,
) -> Done:
    await session.check()
    unknown = _unknown(session, symbol)
    seq = 0
    if event.action is OperatorAction.KILL and not symbol:
        # Before the accounts are taken over, so that nothing is opened in between.
        for taken in session.guards:
            if taken.owner.account.run is not None:
                seq = seq or taken.owner.apply(event)
    began = {guard: guard.world.clock.now_ns() for guard in session.guards}
    await session.start()
    meant = {guard: _open(guard.owner, wants, began[guard]) for guard in session.guards}
    for guard, keys in meant.items():
        for target in keys.held if symbol else (event.scope,):
            told = guard.owner.command(replace(event, scope=target))
            seq = seq or told
    for guard, keys in meant.items():
        if event.cancel_foreign:  # first: they may use up what may be reduced, and the close would be refused
            await cancel_strangers(guard, symbol)
        await _flat(guard.owner, keys.held, patience_s)
        await _verify(guard, keys.held)
    return Done(
        seq,
        tuple(str(key) for keys in meant.values() for key in keys.held),
        tuple(str(key) for keys in meant.values() for key in keys.left_alone),
        unknown,
    )


def _unknown(session: Session, symbol: str) -> tuple[str, ...]:
    """To be asked before the accounts are taken over."""
    spot = session.guard_of(Product.SPOT)
    if spot is None or spot.owner.account.run is not None:
        return ()
    whole = [manager.symbols for manager in spot.owner.engine.managers if not manager.by_lot]
    names = sorted({name for symbols in whole for name in symbols if name == (symbol or name)})
    return tuple(str(Scope(Product.SPOT, name, PositionSide.BOTH)) for name in names)


class _Open(msgspec.Struct, frozen=True):
    """Positions that the command means, by whether a configured manager has them."""

    held: tuple[Scope, ...]
    left_alone: tuple[Scope, ...]


def _open(owner: Owner, wants: Callable[[Scope], bool], began: TimeNs) -> _Open:
    """Spot's holdings among them; lots are sold one by one, and are no position. One that a kill has closed
    since we `began` is meant as well: it closes what is found before all accounts are taken over.
    """
    engine, scopes = owner.engine, owner.account.scopes
    found = sorted(
        key for key, s in scopes.items() if wants(key) and (is_position(s, engine) or _was_closed(s, began))
    )
    managed = [engine.manager(key) is not None for key in found]
    return _Open(
        tuple(key for key, ours in zip(found, managed, strict=True) if ours),
        tuple(key for key, ours in zip(found, managed, strict=True) if not ours),
    )


def _was_closed(s: ScopeState, began: TimeNs) -> bool:
    return any(c.role is Role.EXIT and c.filled and c.created_at >= began for c in s.contexts.values())


async def _flat(owner: Owner, held: tuple[Scope, ...], patience_s: float) -> None:
    try:
        async with asyncio.timeout(patience_s):
            while any(_busy(owner.account, key) for key in held):
                if owner.failed.done():
                    raise owner.failed.result()
                await asyncio.sleep(LOOK_S)
    except TimeoutError:
        left = ", ".join(str(key) for key in held if _busy(owner.account, key))
        raise ReviewError(
            f"not flat after {patience_s:g} s: {left}. Close it at the exchange, then look at "
            "`backstay positions list`"
        ) from None


def _busy(account: AccountState, key: Scope) -> bool:
    """Still open, or orders of ours still rest or are on their way."""
    s = account.scopes[key]
    return bool(s.position.quantity) or any(c.is_resting for c in s.contexts.values()) or bool(s.pendings)


async def _verify(guard: Guard, held: tuple[Scope, ...]) -> None:
    """The venue, read again, shows them flat. Spot has no positions to read: its trades have told."""
    seen = await guard.venue.read_positions(None)
    names = {(key.symbol, key.position_side) for key in held}
    left = [r for r in seen.rows if r.quantity and (r.symbol, r.position_side) in names]
    if left:
        raise ReviewError(
            f"the exchange still shows {', '.join(f'{r.symbol} {r.quantity}' for r in left)}; close it there"
        )


# --- one lot of spot ------------------------------------------------------------------------------


async def close_lot(
    settings: Settings, event: OperatorCommand, *, patience_s: float = PATIENCE_S
) -> tuple[int, bool]:
    """Apply a CLOSE or FORGET of one lot; returns its record and whether the lot has ended.

    A lot that is offered at a limit has not ended: its order rests when this returns.
    Raises RefusedError, LockError, ExchangeError, ReviewError when it does not get there in time.
    """
    event = replace(event, reason=redact(event.reason))
    async with _owning(settings, event) as session:
        await session.check()
        await session.start()
        return await _sell(session.guards[0].owner, event, patience_s)


async def _sell(owner: Owner, event: OperatorCommand, patience_s: float) -> tuple[int, bool]:
    scope = event.scope
    if scope is None or owner.engine.manager(scope) is None:
        raise RefusedError(f"{scope} has no configured manager, and what is not ours is not touched")
    seq = owner.command(event)
    try:
        async with asyncio.timeout(patience_s):
            while True:
                if owner.failed.done():
                    raise owner.failed.result()
                s = owner.account.scopes.get(scope)
                if s is None or s.lots is None or get(s.lots, event.lot) is None:
                    return seq, True
                if event.price is not None and _offered(s, event):
                    return seq, False
                await asyncio.sleep(LOOK_S)
    except TimeoutError:
        raise ReviewError(
            f"lot {event.lot} of {scope} is not closed after {patience_s:g} s; see `backstay positions list` "
            "and `backstay ledger tail`"
        ) from None


def _offered(s: ScopeState, event: OperatorCommand) -> bool:
    return any(
        event.lot in c.slot.lots and c.slot.price == event.price and c.is_resting for c in s.contexts.values()
    )
