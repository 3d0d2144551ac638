"""`pause`, `resume`, `ack`, `kill`: an operator's words, to the running process; `kill` also to none."""

import getpass
import shlex
from itertools import count
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from backstay.cli import common
from backstay.cli.common import ConfigOption, DataDirOption, JsonOption, YesOption, confirm, loop, show_json
from backstay.cli.exits import Exit, complain

if TYPE_CHECKING:
    from pathlib import Path

    from backstay.app.config import Settings

type ScopeArgument = Annotated[
    str, Parameter(help="What is meant: BTCUSDT, BTCUSDT:LONG or usdm:BTCUSDT:BOTH; left out: everything.")
]
type ReasonOption = Annotated[str, Parameter(name="--reason", help="Why; it is kept in the ledger.")]


def pause(
    scope: ScopeArgument = "",
    *,
    reason: ReasonOption = "",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> int:
    """Open nothing more (no DCA, no entry). Protection goes on."""
    return _tell("pause", scope, reason, config, json=json)


def resume(
    scope: ScopeArgument = "",
    *,
    reason: ReasonOption = "",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> int:
    """End a pause, a kill switch or a halt."""
    return _tell("resume", scope, reason, config, json=json)


def ack(
    scope: ScopeArgument = "",
    *,
    reason: ReasonOption = "",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> int:
    """Acknowledge a manual review: the scope is read anew, never trusted blindly."""
    return _tell("ack", scope, reason, config, json=json)


def kill(
    *,
    symbol: Annotated[str, Parameter(help="Only this symbol.")] = "",
    all_orders: Annotated[
        bool, Parameter(negative=(), help="Cancel also orders that are not ours (USD-M futures).")
    ] = False,
    reason: ReasonOption = "",
    yes: YesOption = False,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> int:
    """Close every managed position at market, cancel what could open one, and stay closed until resume."""
    from backstay.app.errors import RefusedError
    from backstay.ledger.errors import DamagedLedgerError

    settings = common.settings(config, data_dir)
    what = f"{symbol.upper()} in" if symbol else "ALL managed positions of"
    also = ", and cancel ALL orders, also those that are not ours" if all_orders else ""
    asked = f"Close {what} account {settings.account.name} ({settings.mode}) at market{also}?"
    if not confirm(asked, yes=yes):
        raise RefusedError("nothing was done: the kill was not confirmed (--yes confirms it)")
    try:
        document = loop(_kill(settings, symbol.upper(), reason, all_orders=all_orders))
    except DamagedLedgerError as error:
        complain(str(error))
        complain(f"to be flat at once without it, cancelling ALL orders: {_aside(settings, symbol, config)}")
        return Exit.DAMAGED
    if json:
        show_json(document)
    else:
        _print_killed(document)
    return Exit.REVIEW if document["unknown"] else Exit.DONE


def _print_killed(document: dict[str, Any]) -> None:
    closed = ", ".join(document["closed"]) or "nothing was open"
    complain(f"kill: {closed}; flat now. `backstay resume` ends the kill switch")
    if document["left_alone"]:
        complain(f"left alone, as no manager is configured for it: {', '.join(document['left_alone'])}")
    if document["unknown"]:
        names = ", ".join(document["unknown"])
        complain(f"not known to this ledger, so not sold: {names}. Look at the exchange")


def _aside(settings: "Settings", symbol: str, config: "Path | None") -> str:
    """A kill that needs no ledger: in a new folder beside the present one."""
    here = settings.data_dir
    free = (here.with_name(f"{here.name}-kill-{number}") for number in count(1))
    words = ["backstay", "kill", "--all-orders", "--data-dir", str(next(f for f in free if not f.exists()))]
    words += ["--symbol", symbol] if symbol else []
    words += ["--config", str(config)] if config is not None else []
    return shlex.join(words)


def _tell(do: str, scope: str, reason: str, config: "ConfigOption", *, json: bool) -> int:
    settings = common.settings(config)
    document = loop(ask(settings, do, scope=scope, reason=reason))
    if json:
        show_json({"do": do, "scope": scope, "seq": document["seq"]})
    elif document["seq"]:
        complain(f"{do}: done (record {document['seq']})")
    else:
        complain(f"{do}: nothing changed, it was so already")
    return Exit.DONE


async def ask(settings: "Settings", do: str, **fields: Any) -> dict[str, Any]:
    """One request to the running process. Raises NotRunningError, ControlError."""
    from backstay.runtime.control import ControlClient, socket_path

    client = await ControlClient.connect(socket_path(settings.data_dir))
    try:
        return await client.ask(do, who=getpass.getuser(), **fields)
    finally:
        await client.close()


async def _kill(settings: "Settings", symbol: str, reason: str, *, all_orders: bool) -> dict[str, Any]:
    from backstay.app import closing
    from backstay.core.events import OperatorAction

    return await closing.close(
        settings,
        OperatorAction.KILL,
        symbol=symbol,
        who=getpass.getuser(),
        reason=reason or "kill",
        all_orders=all_orders,
    )
