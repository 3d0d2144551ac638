"""`positions list|status|close`: by the running process, or by a look of our own when none runs."""

import getpass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from backstay.app.errors import ConfigError, RefusedError, ReviewError
from backstay.cli import common
from backstay.cli.common import ConfigOption, JsonOption, YesOption, confirm, console, loop, show_json
from backstay.cli.exits import Exit, complain

if TYPE_CHECKING:
    from rich.table import Table

    from backstay.app.config import Settings

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
    from backstay.app.units import duration

    try:
        age = duration(min_age) if min_age else 0
    except ValueError as error:
        raise ConfigError(f"--min-age: {error}") from None
    if status and status.upper() not in view.STATUSES:
        raise ConfigError(f"--status: {status!r} is not known; known are {', '.join(view.STATUSES)}")
    found = loop(read(common.settings(config)))
    rows = view.chosen(found["positions"], symbol=symbol, status=status, min_age=age, sort=sort)
    if json:
        show_json({"positions": rows, "source": found["source"], "at": found["at"]})
        return Exit.DONE
    if found["source"] != "process":
        complain(SOURCES[found["source"]])
    console().print(positions_table(rows) if rows else "no open position")
    return Exit.DONE


SOURCES = {
    "exchange": "no process runs: read from the exchange and the ledger just now",
    "ledger": "no process runs: this is what the ledger last knew (a PAPER exchange ends with its process)",
}


async def read(settings: "Settings") -> dict[str, Any]:
    """`positions`, `status` (None without a process), `source` and `at`."""
    from backstay.app.status import iso, rows
    from backstay.runtime.control import ControlClient, NotRunningError, socket_path

    try:
        client = await ControlClient.connect(socket_path(settings.data_dir))
    except NotRunningError:
        from backstay.app.look import look

        seen = await look(settings)
        table = rows(
            seen.account, settings.engine(), seen.at, marks=seen.marks, liquidations=seen.liquidations
        )
        source = "exchange" if seen.live else "ledger"
        return {"positions": table, "status": None, "source": source, "at": iso(seen.at), "seen": seen}
    try:
        positions = (await client.ask("positions"))["positions"]
        status = (await client.ask("status"))["status"]
        return {"positions": positions, "status": status, "source": "process", "at": status["now"]}
    finally:
        await client.close()


@app.command
def status(*, config: ConfigOption = None, json: JsonOption = False) -> int:
    """Counts, streams, ages, recent errors, uptime, rate budget."""
    settings = common.settings(config)
    found = loop(read(settings))
    document = found["status"] or _offline_status(settings, found)
    if json:
        show_json(document)
    else:
        _print_status(document)
    return Exit.DONE


def _offline_status(settings: "Settings", found: dict[str, Any]) -> dict[str, Any]:
    from backstay.app import status as view

    seen = found["seen"]
    return {
        "running": False,
        "account": settings.account.name,
        "mode": settings.mode.value,
        "source": found["source"],
        "now": found["at"],
        "positions": view.counts(found["positions"]),
        "streams": {"private": "down", "orders": "down", "market": "down"},
        "gates": view.gates(seen.account),
        "uptime_s": 0,
        "database": "none",
        "errors": [],
    }


def _print_status(document: dict[str, Any]) -> None:
    from rich.table import Table

    table = Table(show_header=False, box=None, pad_edge=False)
    running = document.get("running", True)
    table.add_row("process", f"running, pid {document['pid']}" if running else "none runs")
    for key in ("account", "mode", "environment", "uptime_s", "last_event_age_s", "health"):
        if key in document:
            value = document[key]
            table.add_row(key.replace("_", " "), value["why"] if isinstance(value, dict) else str(value))
    for key in ("positions", "streams", "clock", "rate_budget", "naked_ms", "counters", "ledger"):
        if key in document:
            table.add_row(key.replace("_", " "), "  ".join(f"{k} {v}" for k, v in document[key].items()))
    for gate in document["gates"]:
        table.add_row("shut", f"{gate['gate']}: {gate['reason']} (since {gate['since']})")
    for item in document["errors"]:
        table.add_row("error", f"{item['at']} {item['text']}")
    table.add_row("database", document["database"])
    console().print(table)


@app.command
def close(
    *,
    position_id: Annotated[str, Parameter(help="As in the list; the symbol alone where it is the only one.")],
    market_price: Annotated[
        bool, Parameter(negative=(), help="At market, without being asked about it.")
    ] = False,
    force: Annotated[
        bool, Parameter(negative=(), help="Also when its state is in doubt; asks before.")
    ] = False,
    yes: YesOption = False,
    reason: Annotated[str, Parameter(help="Why; it is kept in the ledger.")] = "",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> int:
    """Close one position with a reduce-only market order, and wait until it is closed."""
    settings = common.settings(config)
    found = loop(read(settings))
    row = _row(found["positions"], position_id)
    _may_close(row, force=force, yes=yes, market_price=market_price)
    document = loop(_close(settings, row, reason or "closed by its operator"))
    if json:
        show_json({"position_id": row["id"], **document})
    else:
        complain(f"{row['id']}: closed")
    return Exit.DONE


def _row(table: list[dict[str, Any]], position_id: str) -> dict[str, Any]:
    from backstay.app.nearest import suggestion
    from backstay.app.status import scope_of_id

    row = scope_of_id(table, position_id)
    if row is None:
        ids = [r["id"] for r in table]
        hint = suggestion(position_id, ids) if ids else "nothing is open"
        raise ConfigError(f"--position-id: there is no open position {position_id!r}; {hint}")
    return row


def _may_close(row: dict[str, Any], *, force: bool, yes: bool, market_price: bool) -> None:
    """Raises RefusedError, ReviewError."""
    if row["status"] == "UNMANAGED":
        raise RefusedError(
            f"{row['id']} belongs to no configured manager, and what is not ours is not touched; close it at "
            "the exchange"
        )
    if row["status"] in {"MANUAL_REVIEW", "RECOVERING"}:
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
    from backstay.core.types import parse_scope

    symbol, side, _ = row["id"].rsplit("-", 2)
    scope = parse_scope(f"{row['product']}:{symbol}:{side}")
    return await closing.close(
        settings, OperatorAction.CLOSE, who=getpass.getuser(), reason=reason, scope=scope
    )


def positions_table(rows: list[dict[str, Any]]) -> "Table":
    """The rows for a terminal."""
    from rich.table import Table
    from rich.text import Text

    from backstay.app.units import span

    table = Table(box=None, pad_edge=False)
    for head in (
        "id",
        "side",
        "quantity",
        "entry",
        "mark",
        "pnl",
        "age",
        "stop",
        "take-profit",
        "DCA",
        "liq",
        "protected",
        "status",
    ):
        table.add_column(
            head, justify="right" if head in {"quantity", "entry", "mark", "pnl", "age", "liq"} else "left"
        )
    for row in rows:
        pnl, stop, profit, dca = row["unrealised_pnl"], row["stop"], row["take_profit"], row["dca"]
        percent = pnl["percent"]
        naked = row["protected"] == "no" and row["status"] != "UNMANAGED"
        table.add_row(
            row["id"],
            row["side"],
            row["quantity"],
            row["entry_price"],
            row["mark_price"] or "",
            Text(f"{pnl['quote']} ({percent}%)", style="red" if percent.startswith("-") else "green")
            if percent
            else "",
            span(row["age"] * 1_000_000_000) if row["age"] is not None else "",
            f"{stop['price'] or ''} {stop['state']}".strip(),
            f"{profit['price'] or ''} {profit['state']}".strip(),
            f"{dca['done']}/{dca['total']}" + (f" {dca['next_price']}" if dca["next_price"] else ""),
            f"{row['distance_to_liquidation']}%" if row["distance_to_liquidation"] else "",
            Text(row["protected"], style="bold red" if naked else "green"),
            row["status"],
        )
    return table
