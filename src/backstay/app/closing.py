"""Closing positions for an operator: by the running process, or by taking the account over when none runs.

Returns only when the positions that were meant are gone, or raises.
"""

import asyncio
from typing import Any

from backstay.app.config import Settings
from backstay.app.errors import RefusedError, ReviewError
from backstay.core.events import OperatorAction, OperatorCommand
from backstay.core.grades import VENUE_HALT
from backstay.core.modes import FACTS
from backstay.core.names import scope_of_name
from backstay.core.types import Mode, PositionSide, Product, Scope
from backstay.runtime.control import ControlClient, NotRunningError, socket_path

PATIENCE_S = 60.0
LOOK_S = 0.05


async def close(
    settings: Settings,
    action: OperatorAction,
    *,
    who: str,
    reason: str,
    symbol: str = "",
    scope: Scope | None = None,
    all_orders: bool = False,
    patience_s: float = PATIENCE_S,
) -> dict[str, Any]:
    """KILL everything or one symbol, or CLOSE one scope; returns what was closed and what was left alone.

    `all_orders`: a KILL cancels also the orders that are not ours (USD-M).

    Raises RefusedError in a mode that sends nothing, ReviewError when something stays open.
    """
    if not FACTS[settings.mode].sends:
        raise RefusedError(f"mode {settings.mode} sends nothing, so it closes nothing")

    def meant(key: Scope) -> bool:
        return key == scope if scope is not None else not symbol or key.symbol == symbol

    try:
        client = await ControlClient.connect(socket_path(settings.data_dir))
    except NotRunningError:
        if settings.mode is Mode.PAPER:
            return _document(0, [], [], by="nobody: a PAPER exchange ends with its process")
        # What takes an account over is much; who only asks the process that runs does not wait for it.
        from backstay.app import offline

        event = OperatorCommand(action=action, who=who, scope=scope, reason=reason, cancel_foreign=all_orders)
        done = await offline.command(settings, event, symbol=symbol, wants=meant, patience_s=patience_s)
        document = _document(done.seq, list(done.closed), list(done.left_alone), by="this command")
        return document | {"unknown": list(done.unknown)}
    try:
        rows = (await client.ask("positions"))["positions"]
        held = {row["id"]: scope_of_name(row["product"], row["id"]) for row in rows}
        wanted = {row_id: key for row_id, key in held.items() if meant(key)}
        unmanaged = [row["id"] for row in rows if row["id"] in wanted and row["status"] == "UNMANAGED"]
        seq = 0
        targets = _targets(action, symbol, scope, wanted)
        if all_orders and not targets:
            targets = [Scope(Product.USDM, symbol, PositionSide.BOTH)]
        for key in targets:
            target = str(key) if key is not None else None
            answer = await client.ask(
                action.value, who=who, reason=reason, scope=target, all_orders=all_orders
            )
            seq = int(answer["seq"]) or seq
        mine = set(wanted) - set(unmanaged)
        await _gone(client, mine, patience_s)
        await _verified(client, mine, symbol, all_orders=all_orders)
    finally:
        await client.close()
    return _document(seq, sorted(mine), unmanaged, by="the running process")


def _document(seq: int, closed: list[str], left_alone: list[str], *, by: str) -> dict[str, Any]:
    """`left_alone`: positions of no configured manager; `unknown`: holdings of spot that a new ledger cannot
    know. To return at all means that the rest is flat.
    """
    return {
        "seq": seq,
        "closed": closed,
        "left_alone": left_alone,
        "unknown": [],
        "verified": True,
        "by": by,
    }


def _targets(
    action: OperatorAction, symbol: str, scope: Scope | None, wanted: dict[str, Scope]
) -> list[Scope | None]:
    if action is OperatorAction.KILL and not symbol:
        return [None]
    return [scope] if scope is not None else [*sorted(wanted.values())]


async def _verified(client: ControlClient, ids: set[str], symbol: str, *, all_orders: bool) -> None:
    """The exchange, read again, shows none of them. Raises ReviewError."""
    left = (await client.ask("verify"))["left"]
    still = sorted(ids & set(left["positions"]))
    if all_orders:
        still += [one for one in left["strangers"] if not symbol or one.partition(" ")[0] == symbol]
    if still:
        raise ReviewError(f"the exchange still shows {', '.join(still)}; end it there")


async def _gone(client: ControlClient, ids: set[str], patience_s: float) -> None:
    """Wait until none of these positions is open any more. Raises ReviewError."""
    left = ids
    try:
        async with asyncio.timeout(patience_s):
            while left:
                rows = [row for row in (await client.ask("positions"))["positions"] if row["id"] in ids]
                left = {row["id"] for row in rows}
                if left:
                    _may_be_sent(rows, (await client.ask("status"))["status"])
                    await asyncio.sleep(LOOK_S)
    except TimeoutError:
        raise ReviewError(
            f"not closed after {patience_s:g} s: {', '.join(sorted(left))}; see `backstay positions status`"
        ) from None


def _may_be_sent(rows: list[dict[str, Any]], status: dict[str, Any]) -> None:
    """Raises ReviewError where waiting is in vain: the exchange takes nothing for any of these positions."""
    alone = Product.USDM.value if "spot" in status else status["product"]
    halts: dict[str, str] = {}
    for gate in status["gates"]:
        first, _, rest = gate["gate"].rpartition(" ")
        if rest == VENUE_HALT:
            halts[first or alone] = gate["reason"]
    if all(row["product"] in halts for row in rows):
        names, reasons = ", ".join(row["id"] for row in rows), "; ".join(sorted(set(halts.values())))
        raise ReviewError(
            f"nothing can be sent: {reasons}. Close {names} at the exchange. What was asked for stands: "
            "mend that and say `backstay ack`, and it is done"
        )
