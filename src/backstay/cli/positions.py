"""`positions list|status|close`: by the running process, or by a look of our own when none runs."""

import getpass
import sys
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from backstay.app.errors import ConfigError, RefusedError, ReviewError
from backstay.cli import common
from backstay.cli.common import ConfigOption, JsonOption, YesOption, confirm, loop, show_json
from backstay.cli.exits import Exit, complain
from backstay.cli.tables import WIDTH, lots_text, positions_table

if TYPE_CHECKING:
    from decimal import Decimal

    from rich.console import Console
    from rich.table import Table

    from backstay.app.config import Settings
    from backstay.app.positions import Found

app = App(name="positions", help="What is open, how it stands, and closing one.", help_format="plaintext")


@app.command(name="list")
def list_(
    *,
    symbol: Annotated[str, Parameter(help="Only this symbol.")] = "",
    status: Annotated[str, Parameter(help="Only this status, such as GUARDED or UNPROTECTED.")] = "",
    min_age: Annotated[str, Parameter(help="Only positions at least this old, such as 10h.")] = "",
    sort: Annotated[
        Literal["age", "pnl", "symbol"],
        Parameter(show_default=True, help="Oldest first, worst first, or by name."),
    ] = "symbol",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> int:
    """Every open position with its protection."""
    from backstay.app import status as view
    from backstay.app.nearest import suggestion
    from backstay.app.positions import read
    from backstay.app.units import duration

    try:
        age = duration(min_age) if min_age else 0
    except ValueError as error:
        raise ConfigError(f"--min-age: {error}") from None
    known = (*view.STATUSES, *view.LOT_STATUSES)
    if status and status.upper() not in known:
        raise ConfigError(f"--status: {status!r} is not known; {suggestion(status.upper(), known)}")
    found = loop(read(common.settings(config), complain, symbol=symbol, status=status))
    positions, lots = (
        view.chosen(table, symbol=symbol, status=status, min_age=age, sort=sort)
        for table in (found.positions, found.lots)
    )
    if json:
        show_json({"positions": [*positions, *lots], "source": found.source, "at": found.at})
        return _without_lots(found)
    if found.source != "process":
        complain(SOURCES[found.source])
    if positions:
        page().print(positions_table(positions))
    if positions and lots:
        print()
    if lots:
        print("\n".join(lots_text(lots)))
    if not positions and not lots:
        print("no open position")
    return _without_lots(found)


def _without_lots(found: "Found") -> int:
    """What is shown is shown; that lots are missing from it is told, and is the exit code."""
    if found.no_lots is None:
        return Exit.DONE
    complain(f"lots of spot are not shown: {found.no_lots}")
    return found.no_lots.exit_code


SOURCES = {
    "exchange": "no process runs: read from the exchange and the ledger just now",
    "ledger": "no process runs: this is what the ledger last knew (a PAPER exchange ends with its process)",
}


def page() -> "Console":
    """For tables: the terminal's width, or the one that they are made for."""
    from rich.console import Console

    return Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=WIDTH)


@app.command
def status(*, config: ConfigOption = None, json: JsonOption = False) -> int:
    """Counts, streams, ages, recent errors, uptime, database, rate budget."""
    from backstay.app.positions import ages, lot_counts, offline_status, read

    settings = common.settings(config)
    found = loop(read(settings, complain))
    document = dict(found.status) if found.status is not None else offline_status(settings, found)
    if found.lots:
        document["lots"] = {**document.get("lots", {}), **lot_counts(found.lots)}
    document["ages"] = ages(found)
    if json:
        show_json(document)
    else:
        _print_status(document)
    return _without_lots(found)


FIGURES = ("positions", "lots", "streams", "clock", "rate_budget", "naked_ms", "counters", "ledger")


def _print_status(document: dict[str, Any]) -> None:
    from rich.table import Table

    from backstay.app.units import span

    table = Table(show_header=False, box=None, pad_edge=False)
    running = document.get("running", True)
    table.add_row("process", f"running, pid {document['pid']}" if running else "none runs")
    for key in ("account", "mode", "environment"):
        if key in document:
            table.add_row(key, str(document[key]))
    if running:
        table.add_row("up for", span(document["uptime_s"] * 1_000_000_000))
    for name, age in (("last event", document["last_event_age_s"]), *document["ages"].items()):
        if age is not None:
            label = name.removesuffix("_s").replace("_", " ")
            suffix = " ago" if name == "last event" else ""
            table.add_row(label, f"{span(age * 1_000_000_000)}{suffix}")
    if "health" in document:
        table.add_row("health", document["health"]["why"])
    _add_figures(table, document, "")
    if "spot" in document:
        _add_figures(table, document["spot"], "spot ")
    for review in document.get("reviews", ()):
        table.add_row("manual review", f"{review['scope']}: {review['why']}; {review['todo']}")
    for gate in document["gates"]:
        until = f", until {gate['until']}" if gate["until"] else ""
        todo = f"; {gate['todo']}" if gate["todo"] else ""
        table.add_row("shut", f"{gate['gate']}: {gate['reason']} (since {gate['since']}{until}){todo}")
    for item in document["errors"]:
        table.add_row("error", f"{item['at']} {item['text']}")
    table.add_row("database", document["database"])
    page().print(table)


def _add_figures(table: "Table", document: dict[str, Any], prefix: str) -> None:
    for key in FIGURES:
        values: dict[str, Any] = dict(document.get(key, {}))
        values |= {f"{name}_left": left for name, left in values.pop("left", {}).items()}
        shown = {k.replace("_", " "): v for k, v in values.items() if v is not None and v is not False}
        if shown:
            table.add_row(f"{prefix}{key.replace('_', ' ')}", ", ".join(f"{k} {v}" for k, v in shown.items()))


@app.command
def close(
    *,
    position_id: Annotated[str, Parameter(help="As in the list; the symbol alone where it is the only one.")],
    market_price: Annotated[
        bool, Parameter(negative=(), help="At market, without being asked about it.")
    ] = False,
    limit_price: Annotated[str, Parameter(help="A lot: at this limit instead of at market.")] = "",
    force: Annotated[
        bool,
        Parameter(negative=(), help="Also in doubt: an uncertain size, a lot below its target; asks before."),
    ] = False,
    gone: Annotated[
        bool,
        Parameter(
            negative=(), help="A lot whose coins were sold or moved elsewhere: it ends, nothing is sold."
        ),
    ] = False,
    yes: YesOption = False,
    reason: Annotated[str, Parameter(help="Why; it is kept in the ledger.")] = "",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> int:
    """Close one position at market, or one lot at market or at a limit, and wait until that is done."""
    from backstay.app.positions import read
    from backstay.app.status import scope_of_id

    settings = common.settings(config)
    limit = _limit(limit_price, market_price=market_price)
    if gone and (limit is not None or market_price):
        raise ConfigError("--gone sells nothing, so it goes with no price")
    found = loop(read(settings, complain, ended=True))
    table = [*found.positions, *found.lots]
    if found.no_lots is not None and scope_of_id(table, position_id) is None:
        raise found.no_lots
    row = _row(table, position_id)
    reason = reason or "closed by its operator"
    if "trade_id" in row:
        from backstay.app.closing_lots import close_lot

        if gone:
            _may_end_lot(row, yes=yes)
        else:
            _may_close_lot(row, limit, force=force, yes=yes, market_price=market_price)
        who = getpass.getuser()
        document = loop(close_lot(settings, row, limit=limit, gone=gone, who=who, reason=reason))
    else:
        if limit is not None or gone:
            option = "--gone" if gone else "--limit-price"
            raise ConfigError(f"{option} is for lots; a position is closed at market")
        _may_close(row, force=force, yes=yes, market_price=market_price)
        document = loop(_close(settings, row, reason))
    if json:
        show_json({"position_id": row["id"], **document})
    else:
        complain(f"{row['id']}: {'closed' if document['closed'] else f'offered at {limit}'}")
    return Exit.DONE


def _limit(text: str, *, market_price: bool) -> "Decimal | None":
    """The limit asked for. Raises ConfigError."""
    from backstay.app.units import decimal

    if not text:
        return None
    if market_price:
        raise ConfigError("--market-price and --limit-price exclude each other")
    try:
        price = decimal(text)
    except ValueError as error:
        raise ConfigError(f"--limit-price: {error}") from None
    if price <= 0:
        raise ConfigError(f"--limit-price: {text} is not a price; write a number above 0")
    return price


def _may_close_lot(
    row: dict[str, Any], limit: "Decimal | None", *, force: bool, yes: bool, market_price: bool
) -> None:
    """Raises RefusedError. Selling below the target needs --force, and is asked about unless --yes."""
    from backstay.app.closing_lots import doubt

    at = f"at {limit}" if limit is not None else "at market"
    why = doubt(row, limit)
    if why and not force:
        raise RefusedError(f"{row['id']} was not closed: {why}. --force sells it all the same")
    question = f"Sell {row['quantity']} {row['symbol']}, bought at {row['buy_price']}, {at}?"
    if why:
        question = f"{why[0].upper()}{why[1:]}. {question}"
    else:
        yes = yes or market_price
    if not confirm(question, yes=yes):
        raise RefusedError("nothing was done: the closing was not confirmed (--yes confirms it)")


def _may_end_lot(row: dict[str, Any], *, yes: bool) -> None:
    """Raises RefusedError. Nobody would look after coins that are still there, so it is asked about."""
    from backstay.app.closing_lots import check_gone

    check_gone(row)
    question = f"Are the {row['quantity']} {row['symbol']} of {row['id']} sold or moved elsewhere?"
    if not confirm(question, yes=yes):
        raise RefusedError(
            "nothing was done: it was not confirmed that the coins are gone (--yes confirms it)"
        )


def _row(table: list[dict[str, Any]], position_id: str) -> dict[str, Any]:
    from backstay.app.lots import DONE
    from backstay.app.nearest import NAMED_MOST, suggestion
    from backstay.app.status import scope_of_id

    row = scope_of_id(table, position_id)
    if row is not None:
        return row
    ids = [r["id"] for r in table if r["status"] not in DONE]
    several = [name for name in ids if name.lower().startswith(position_id.lower() + "-")]
    if several:
        shown = ", ".join(several[:NAMED_MOST])
        raise ConfigError(f"--position-id: {position_id} are {len(several)}; name one of {shown}")
    hint = suggestion(position_id, ids) if ids else "nothing is open"
    raise ConfigError(f"--position-id: there is no open position {position_id!r}; {hint}")


def _may_close(row: dict[str, Any], *, force: bool, yes: bool, market_price: bool) -> None:
    """Raises RefusedError, ReviewError."""
    if row["status"] == "UNMANAGED":
        raise RefusedError(
            f"{row['id']} belongs to no configured manager, and what is not ours is not touched; close it at "
            "the exchange"
        )
    if row["status"] in {"MANUAL_REVIEW", "RECOVERING"} and not row.get("trusted"):
        if not force:
            raise ReviewError(
                f"{row['id']} is in {row['status']}: its size is not certain. Wait, or acknowledge it "
                "(`backstay ack`), or close it on the last known size with --force"
            )
        question = f"{row['id']} is in {row['status']}. Close {row['quantity']} on the last known size?"
    else:
        question = f"Close {row['side']} {row['quantity']} {row['symbol']} at market?"
        yes = yes or market_price
    if not confirm(question, yes=yes):
        raise RefusedError("nothing was done: the closing was not confirmed (--yes confirms it)")


async def _close(settings: "Settings", row: dict[str, Any], reason: str) -> dict[str, Any]:
    from backstay.app import closing
    from backstay.core.events import OperatorAction
    from backstay.core.names import scope_of_name

    scope = scope_of_name(row["product"], row["id"])
    return await closing.close(
        settings, OperatorAction.CLOSE, who=getpass.getuser(), reason=reason, scope=scope
    )
