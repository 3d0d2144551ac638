"""Everything that is open, for commands: from the running process, or by a look of our own when none runs.

Positions come from the owner's state; swing lots from the store, which has ten thousand of them ready
and asks nothing of the process that guards them.
"""

import contextlib
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from backstay.app import status as view
from backstay.app.config import Settings
from backstay.app.errors import ExchangeError
from backstay.app.ledger_paths import SPOT_LEDGER
from backstay.core.types import Product
from backstay.ledger.errors import LedgerError
from backstay.runtime.control import ControlClient, NotRunningError, socket_path


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What is open."""

    positions: list[dict[str, Any]]
    """Rows of `app.status.rows`."""
    lots: list[dict[str, Any]]
    """Rows of `app.lots.lot_rows`, which have more keys."""
    status: dict[str, Any] | None
    """The running process's own document; None: none runs."""
    gates: list[dict[str, Any]]
    no_lots: LedgerError | None
    """Why lots could not be read; positions do not depend on that."""
    source: str
    """`process`, `exchange` (asked just now) or `ledger` (what it last knew)."""
    at: str


async def read(
    settings: Settings,
    tell: Callable[[str], object],
    *,
    symbol: str = "",
    status: str = "",
    ended: bool = False,
) -> Found:
    """`symbol` and `status` choose lots, `ended` adds the ended ones; positions come whole. `tell` hears of a
    damaged database that is made anew.

    Raises ExchangeError, ConfigError, DamagedLedgerError.
    """
    marks: dict[str, Decimal] = {}
    try:
        client = await ControlClient.connect(socket_path(settings.data_dir))
    except NotRunningError:
        from backstay.app.look import look, look_spot, spot_prices

        table, gates, source, at = [], [], "ledger", ""
        spot = "spot " if Product.USDM in settings.products else ""  # as the status of a process has it
        whole = any(not manager.by_lot for manager in settings.engine(Product.SPOT).managers)
        for looking, prefix in ((look, ""), (look_spot, spot)) if whole else ((look, ""),):
            seen = await looking(settings)
            table += view.rows(
                seen.account, settings.engine(), seen.at, marks=seen.marks, liquidations=seen.liquidations
            )
            gates += [{**gate, "gate": f"{prefix}{gate['gate']}"} for gate in view.gates(seen.account)]
            source, at = "exchange" if seen.live else source, view.iso(seen.at) or ""
            marks |= seen.account.marks | seen.marks
        document = None
        with contextlib.suppress(ExchangeError):  # lots are listed without prices rather than not at all
            prices = await spot_prices(settings)
            marks |= prices
            source = "exchange" if prices else source
    else:
        try:
            table = (await client.ask("positions"))["positions"]
            document = (await client.ask("status"))["status"]
        finally:
            await client.close()
        gates, source, at = document["gates"], "process", document["now"]
        told = document.get("spot", document).get("marks", {})
        marks |= {name: Decimal(price) for name, price in told.items()}
    held, failure = [], None
    try:
        held = lots_of(settings, marks, tell, symbol=symbol, status=status, ended=ended)
    except LedgerError as error:
        failure = error
    return Found(
        positions=table, lots=held, no_lots=failure, status=document, gates=gates, source=source, at=at
    )


def lots_of(
    settings: Settings,
    marks: dict[str, Decimal],
    tell: Callable[[str], object],
    *,
    symbol: str = "",
    status: str = "",
    ended: bool = False,
) -> list[dict[str, Any]]:
    """Swing lots from the store; none where no spot account was ever run. What a manager guards as a whole is
    a position, and none of its buys is shown as a lot. Raises StoreError and its siblings.
    """
    if not (settings.data_dir / SPOT_LEDGER).exists():
        return []
    from backstay.app.lots import lot_rows
    from backstay.app.store import reading

    store = reading(settings, tell)
    try:
        rows = lot_rows(store, time.time_ns(), marks, symbol=symbol, status=status, with_completed=ended)
    finally:
        store.close()
    engine = settings.engine()
    whole = {
        name
        for manager in engine.managers
        if manager.product is Product.SPOT and not manager.by_lot
        for name in manager.symbols
    }
    return [row for row in rows if row["symbol"] not in whole]


def offline_status(settings: Settings, found: Found) -> dict[str, Any]:
    """The document of `positions status` when no process runs: what store, ledger and venue tell."""
    from backstay.app.store import described, last_errors, last_seen

    seen = last_seen(settings)
    return {
        "running": False,
        "account": settings.account.name,
        "mode": settings.mode.value,
        "source": found.source,
        "now": found.at,
        "positions": view.counts(found.positions),
        "streams": {"private": "down", "orders": "down", "market": "down"},
        "gates": found.gates,
        "uptime_s": 0,
        "last_event_age_s": max(time.time_ns() - seen, 0) // 1_000_000_000 if seen else None,
        "rate_budget": {"limited_until": None, "halted": False},
        "database": described(settings),
        "errors": last_errors(settings),
    }


def lot_counts(lots: list[dict[str, Any]]) -> dict[str, int]:
    """How many lots are in each state."""
    from collections import Counter

    return dict(sorted(Counter(str(row["status"]).lower() for row in lots).items()))


def ages(found: Found) -> dict[str, int | None]:
    """Seconds since the oldest open position and the oldest open lot began; None: there is none."""

    def oldest(table: list[dict[str, Any]]) -> int | None:
        return max((row["age"] for row in table if row["age"] is not None), default=None)

    return {"oldest_position_s": oldest(found.positions), "oldest_lot_s": oldest(found.lots)}
