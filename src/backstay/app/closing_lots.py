"""Closing one swing lot for an operator: what is asked first, what is sent, and when it is done.

The owner of the spot account cancels the lot's resting SELL, waits until that is confirmed, and sells at
market or at the limit that was asked for. A lot whose coins are gone ends, and nothing is sold. The words,
the person and the time are a record of the ledger.
"""

import asyncio
from decimal import Decimal
from typing import Any

from backstay.app import offline
from backstay.app.config import Settings
from backstay.app.errors import ConfigError, RefusedError, ReviewError
from backstay.app.look import ledger_state
from backstay.app.lots import DONE, lot_rows
from backstay.app.store import reading
from backstay.app.words import number, plain
from backstay.core.events import OperatorAction, OperatorCommand
from backstay.core.filters import conform
from backstay.core.modes import FACTS
from backstay.core.money import round_down, round_up
from backstay.core.slots import Unplaceable
from backstay.core.types import Mode, PositionSide, Product, Scope
from backstay.runtime.control import ControlClient, NotRunningError, socket_path
from backstay.strategies.by_lot import sell_slot

PATIENCE_S = 60.0
LOOK_S = 0.3


def doubt(row: dict[str, Any], limit: Decimal | None) -> str:
    """Why the lot should not be sold at `limit` (None: at market) without --force; empty: it may be.

    Raises RefusedError for a lot that has ended.
    """
    check_open(row)
    target = row["target"]
    if target is None:
        return f"the target of {row['id']} is not known ({row['reason'] or row['status']})"
    if limit is not None:
        return f"{limit} is below its target {target}" if limit < Decimal(target) else ""
    mark = row["mark_price"]
    if mark is None:
        return f"no price of {row['symbol']} is known now, and its target is {target}"
    return f"the price is {mark}, below its target {target}" if Decimal(mark) < Decimal(target) else ""


def check_open(row: dict[str, Any]) -> None:
    """Raises RefusedError for a lot that has ended."""
    if row["status"] in DONE:
        raise RefusedError(f"{row['id']} is {row['status']}: there is nothing left to close")


def check_gone(row: dict[str, Any]) -> None:
    """Raises RefusedError for a lot whose coins cannot be gone."""
    check_open(row)
    if row["status"] == "SELL_PLACED":
        raise RefusedError(
            f"{row['id']} was not ended: its SELL rests, so its coins are there. Cancel that order at the "
            "exchange first, or close the lot without --gone"
        )


def check_placeable(settings: Settings, row: dict[str, Any], limit: Decimal | None) -> None:
    """What the venue's filters would refuse is told before the SELL that rests is given up for it.

    Raises ConfigError for a limit that is off the tick, RefusedError for an order that cannot be placed,
    DamagedLedgerError.
    """
    symbol = row["symbol"]
    rules = ledger_state(settings, Product.SPOT).instruments.get(symbol)
    if rules is None or not rules.tick:
        return  # nothing is known of the symbol yet: the owner asks the venue
    if limit is not None and limit % rules.tick:
        fits = number(round_up(limit, rules.tick))
        raise ConfigError(f"--limit-price: {limit} is off the tick {number(rules.tick)}; write {fits}")
    mark = Decimal(row["mark_price"]) if row["mark_price"] is not None else None
    quantity = round_down(Decimal(row["quantity"]), rules.step)
    fit = conform(sell_slot((row["trade_id"],), limit, quantity), rules, mark=mark)
    if isinstance(fit, Unplaceable):
        at = f"at {limit}" if limit is not None else "at market"
        raise RefusedError(
            f"{row['id']} was not closed: the venue takes no SELL of {number(quantity)} {at} "
            f"({plain(fit.reason)}), so its present order stays"
        )


async def close_lot(
    settings: Settings,
    row: dict[str, Any],
    *,
    limit: Decimal | None,
    who: str,
    reason: str,
    gone: bool = False,
    patience_s: float = PATIENCE_S,
) -> dict[str, Any]:
    """Tell the owner to close the lot, and wait until it is sold, or rests at the limit asked for.

    `gone`: its coins were sold or moved elsewhere; it ends, nothing is sent. Where no process owns the spot
    account, this command does so meanwhile. Raises RefusedError in a mode that sends nothing or for an order
    that cannot be placed, ReviewError when it does not get there in time.
    """
    if not gone:
        if not FACTS[settings.mode].sends:
            raise RefusedError(f"mode {settings.mode} sends nothing, so it closes nothing")
        check_placeable(settings, row, limit)
    event = OperatorCommand(
        action=OperatorAction.FORGET if gone else OperatorAction.CLOSE,
        who=who,
        scope=Scope(Product.SPOT, row["symbol"], PositionSide.BOTH),
        reason=reason,
        lot=row["trade_id"],
        price=limit,
    )
    try:
        client = await ControlClient.connect(socket_path(settings.data_dir))
    except NotRunningError:
        return await _by_this_command(settings, row, event, patience_s)
    try:
        answer = await client.ask(
            event.action.value,
            scope=str(event.scope),
            lot=event.lot,
            price=str(limit) if limit is not None else None,
            who=who,
            reason=reason,
        )
    finally:
        await client.close()
    after = await _settled(settings, row, limit, patience_s)
    return _document(row, int(answer["seq"]), after["status"] in DONE, "the running process")


def _document(row: dict[str, Any], seq: int, ended: bool, by: str) -> dict[str, Any]:
    return {
        "seq": seq,
        "closed": [row["id"]] if ended else [],
        "resting": [] if ended else [row["id"]],
        "left_alone": [],
        "verified": True,
        "by": by,
    }


async def _by_this_command(
    settings: Settings, row: dict[str, Any], event: OperatorCommand, patience_s: float
) -> dict[str, Any]:
    """No process owns the spot account: take it over, close the lot, give it back."""
    if settings.mode is Mode.PAPER:
        raise RefusedError(
            f"no process runs, and a PAPER exchange ends with its process: start `backstay run` to close "
            f"{row['id']}"
        )
    seq, ended = await offline.close_lot(settings, event, patience_s=patience_s)
    return _document(row, seq, ended, "this command")


async def _settled(
    settings: Settings, row: dict[str, Any], limit: Decimal | None, patience_s: float
) -> dict[str, Any]:
    """The lot's row once the store shows it sold, or offered anew at the limit."""
    try:
        async with asyncio.timeout(patience_s):
            while True:
                now = await asyncio.to_thread(_look, settings, row)
                if now is not None and (now["status"] in DONE or (limit is not None and _offered(row, now))):
                    return now
                await asyncio.sleep(LOOK_S)
    except TimeoutError:
        raise ReviewError(
            f"{row['id']} is not closed after {patience_s:g} s; see `backstay positions list` and "
            "`backstay ledger tail`"
        ) from None


def _offered(before: dict[str, Any], now: dict[str, Any]) -> bool:
    return bool(now["status"] == "SELL_PLACED" and now["sell_order"] != before["sell_order"])


def _look(settings: Settings, row: dict[str, Any]) -> dict[str, Any] | None:
    store = reading(settings)
    try:
        found = lot_rows(store, 0, {}, symbol=row["symbol"], with_completed=True)
    finally:
        store.close()
    return next((lot for lot in found if lot["id"] == row["id"]), None)
