"""Every check that can be made, with pass, warn or fail and what to do; reads only, sends nothing."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from backstay.app import preflight
from backstay.app.config import Settings, load_settings
from backstay.app.errors import AppError, ConfigError, ExchangeError
from backstay.app.ledgers import LEDGER
from backstay.app.locks import lock_paths
from backstay.app.look import Seen, look, make_venue
from backstay.app.permission import may_trade
from backstay.app.posts import ID_PREFIX, PAPER_SYMBOLS
from backstay.app.session import prepare_folders
from backstay.app.status import rows
from backstay.binance.net.sockets import SocketTransport
from backstay.binance.net.transport import Transport, TransportError
from backstay.binance.net.venue import BinanceVenue
from backstay.core import algo_orders, orders
from backstay.core.events import InstrumentsSnapshot
from backstay.core.modes import FACTS
from backstay.core.outcomes import VenueUnavailable
from backstay.core.types import MS, SECOND, Mode
from backstay.ledger.disk import FileDisk
from backstay.ledger.errors import LedgerError
from backstay.ledger.verify import verify
from backstay.runtime.lock import holder_of
from backstay.runtime.virtual_time import WallClock

ROOM_WARN = 1 << 30
ROOM_FAIL = 100 << 20
OFFSET_WARN = 250 * MS
OFFSET_FAIL = SECOND


class Check(msgspec.Struct, frozen=True):
    """One finding. `state`: pass, warn, fail, or skip (it could not be made, and why)."""

    name: str
    state: str
    detail: str
    todo: str = ""
    exit_code: int = 0
    """What a failure of this check means for a script."""


async def examine(path: Path | None, tell: Callable[[Check], object] = lambda _: None) -> list[Check]:
    """All checks, in order; `tell` hears each as soon as it is made. Raises nothing expected."""
    found: list[Check] = []

    def add(check: Check) -> None:
        found.append(check)
        tell(check)

    try:
        settings = load_settings(path)
    except ConfigError as error:
        add(Check("config", "fail", str(error), "mend the named key; docs/reference/configuration.md", 2))
        return found
    warnings = settings.warnings
    add(Check("config", "pass", f"mode {settings.mode}, {len(settings.policies)} managers"))
    for warning in warnings:
        add(Check("config", "warn", warning, "decide whether this is meant"))
    for check in (*_local(settings), *_ledger(settings)):
        add(check)
    if settings.mode is Mode.PAPER:
        add(Check("exchange", "pass", "PAPER has its exchange in the process: no keys, no network"))
        return found
    for check in await _exchange(settings):
        add(check)
    return found


# --- this machine ---------------------------------------------------------------------------------


def _local(settings: Settings) -> Iterator[Check]:
    closed = settings.locks
    if closed:
        yield Check("mode", "warn", " and ".join(closed), f"`run` refuses mode {settings.mode} until then")
    elif FACTS[settings.mode].sends:
        yield Check("mode", "pass", f"{settings.mode} is armed: orders are sent")
    else:
        yield Check("mode", "pass", f"{settings.mode} sends nothing")
    try:
        prepare_folders(settings)
        room = shutil.disk_usage(settings.data_dir).free
    except ConfigError as error:
        yield Check("data folder", "fail", str(error), "let this user write there, or change run.data_dir", 2)
        return
    state = "fail" if room < ROOM_FAIL else "warn" if room < ROOM_WARN else "pass"
    yield Check(
        "data folder",
        state,
        f"{settings.data_dir} is writable, {room >> 20} MB free",
        "make room: without it no order can be written down, so none is sent" if state != "pass" else "",
        6 if state == "fail" else 0,
    )
    for lock in lock_paths(settings):
        holder = holder_of(lock)
        if holder is not None:
            yield Check(
                "lock", "warn", f"process {holder.pid} ({holder.mode}) owns {lock.parent}", "it is running"
            )
            return
    yield Check("lock", "pass", "no process owns the account")


def _ledger(settings: Settings) -> Iterator[Check]:
    disk = FileDisk(settings.data_dir)
    if disk.size(LEDGER) is None:
        yield Check("ledger", "pass", "there is none yet")
        return
    try:
        result = verify(disk, LEDGER)
    except LedgerError as error:
        yield Check("ledger", "fail", str(error), "see docs/operating/incidents.md", 6)
        return
    if result.ok:
        yield Check("ledger", "pass", f"{result.records} records, the chain holds. {result.detail}".strip())
    else:
        yield Check(
            "ledger",
            "fail",
            f"record {result.first_bad}: {result.detail}",
            "keep a copy of the ledger folder, then read docs/operating/incidents.md",
            6,
        )


# --- the exchange ---------------------------------------------------------------------------------


async def _exchange(settings: Settings) -> list[Check]:
    found: list[Check] = []
    transport = SocketTransport()
    try:
        try:
            venue = make_venue(settings, transport)
        except ConfigError as error:
            return [Check("keys", "fail", str(error), "set the variables in .env", 2)]
        found.extend(await _reachable(settings, transport))
        if any(c.state == "fail" for c in found):
            return found
        try:
            found.extend(await _answers(settings, venue, transport))
            found.extend(await _streams(settings, transport))
        except VenueUnavailable as failure:
            told = preflight.unreachable(failure, settings)
            name = "keys" if failure.fatal else "exchange"
            found.append(Check(name, "fail", str(told), "see the message", told.exit_code))
            return found
    finally:
        await transport.close()
    if not any(c.state == "fail" for c in found):
        found.extend(await _account(settings))
    return found


async def _reachable(settings: Settings, transport: Transport) -> list[Check]:
    """REST answers, and this machine's clock against it."""
    clock = WallClock()
    url = settings.environment.usdm.rest
    try:
        before = clock.now_ns()
        reply = await transport.http("GET", f"{url}/fapi/v1/time", {}, b"", 10.0)
        after = clock.now_ns()
        stated = msgspec.json.decode(reply.body, type=dict[str, object]).get("serverTime")
    except (TransportError, msgspec.DecodeError) as error:
        return [Check("exchange", "fail", f"{url}: {error}", "check the network and endpoints.usdm.rest", 5)]
    if reply.status != 200 or not isinstance(stated, int):
        return [
            Check("exchange", "fail", f"{url} answered with {reply.status}", "is this the right host?", 5)
        ]
    offset = stated * MS - (before + after) // 2
    text = f"{offset / MS:+.0f} ms against the exchange, round trip {(after - before) / MS:.0f} ms"
    state = "fail" if abs(offset) > OFFSET_FAIL else "warn" if abs(offset) > OFFSET_WARN else "pass"
    todo = "" if state == "pass" else "let a time service set this machine's clock"
    return [
        Check("exchange", "pass", f"{url} answers"),
        Check("clock", state, text, todo, 5 if state == "fail" else 0),
        _headroom(reply.headers.get("x-mbx-used-weight-1m", "")),
    ]


def _headroom(used: str) -> Check:
    if not used.isdigit():
        return Check("rate headroom", "skip", "the exchange did not state the used weight")
    weight = int(used)
    crowded = weight > 1200
    return Check(
        "rate headroom",
        "warn" if crowded else "pass",
        f"{weight} of 2400 request weight used in this minute",
        "something else uses this address: find it, or give this program its own" if crowded else "",
    )


async def _answers(settings: Settings, venue: BinanceVenue, transport: Transport) -> list[Check]:
    """Filters, keys, permissions, modes. Raises VenueUnavailable."""
    found = []
    instruments = await venue.read_instruments()
    names = [i.symbol for i in instruments.instruments]
    found.append(
        _tried("filters", lambda: preflight.check_symbols(settings, names), f"{len(names)} symbols known")
    )
    if found[0].state == "fail":
        return found  # the account's answers depend on a symbol that exists
    found.extend(
        Check("filters", "warn", f"{i.symbol} is {i.status}", "nothing can be placed")
        for i in instruments.instruments
        if i.symbol in settings.symbols and not i.trading
    )
    account = await venue.read_account_mode()
    found.append(Check("keys", "pass", f"accepted ({settings.secrets.kind(settings.mode)})"))
    found.append(await _permission(settings, transport, instruments))
    wanted = settings.account.position_mode
    found.append(
        _tried(
            "position mode", lambda: preflight.check_account(settings, account), f"{wanted}, as configured"
        )
    )
    if account.multi_assets:
        found.append(
            Check("margin mode", "warn", "multi-assets mode", "margin is shared between assets: is it meant?")
        )
    isolated = {r.symbol: r.isolated for r in account.leverages if r.symbol in settings.symbols}
    for row in account.leverages:
        limit = settings.risk.max_leverage
        if row.symbol in settings.symbols and limit is not None and row.leverage > limit:
            todo = "no exposure is added there until the leverage is set lower at the exchange"
            found.append(
                Check("leverage", "warn", f"{row.symbol} is at {row.leverage}x, limit {limit}x", todo)
            )
    if isolated:
        shown = ", ".join(f"{s} {'isolated' if i else 'cross'}" for s, i in sorted(isolated.items()))
        found.append(Check("margin mode", "pass", shown))
    return found


async def _permission(settings: Settings, transport: Transport, instruments: InstrumentsSnapshot) -> Check:
    if not FACTS[settings.mode].sends:
        return Check("permissions", "skip", f"mode {settings.mode} only reads")
    try:
        await may_trade(settings, transport, instruments)
    except ExchangeError as error:
        return Check("permissions", "fail", str(error), "see the message", error.exit_code)
    return Check(
        "permissions", "pass", "the keys may trade futures (asked by a test order, which is not placed)"
    )


def _tried(name: str, check: Callable[[], None], good: str) -> Check:
    try:
        check()
    except AppError as error:
        return Check(name, "fail", str(error), "see the message", error.exit_code)
    return Check(name, "pass", good)


async def _streams(settings: Settings, transport: Transport) -> list[Check]:
    """Every WebSocket host shakes hands (what flows there is seen only in a run)."""
    hosts = settings.environment.usdm
    symbol = (settings.symbols or PAPER_SYMBOLS)[0].lower()
    found = []
    for name, url in (
        ("market stream", f"{hosts.market_stream}/stream?streams={symbol}@markPrice@1s"),
        ("order connection", hosts.ws_api),
    ):
        try:
            socket = await transport.websocket(url, lambda _: None, lambda _: None, timeout_s=10.0)
        except TransportError as error:
            found.append(
                Check(name, "fail", f"{url.partition('?')[0]}: {error}", "check endpoints and network", 5)
            )
        else:
            socket.close()
            found.append(Check(name, "pass", "connects"))
    return found


async def _account(settings: Settings) -> list[Check]:
    """Orders of ours that nobody remembers, positions without a stop."""
    try:
        seen = await look(settings)
    except (ExchangeError, LedgerError) as error:
        return [Check("account", "fail", str(error), "see the message", error.exit_code)]
    orphans = list(_orphans(seen))
    found = [
        Check(
            "orphan orders",
            "warn",
            f"{len(orphans)} orders with our prefix and no context: {', '.join(orphans[:5])}",
            "another ledger placed them; cancel them at the exchange if no other process owns them",
        )
        if orphans
        else Check("orphan orders", "pass", "none")
    ]
    table = rows(seen.account, settings.engine(), seen.at, marks=seen.marks)
    told = {"UNMANAGED", "REVIEW"}
    naked = [r["id"] for r in table if r["protected"] == "no" and r["status"] not in told]
    waiting = [r for r in table if r["status"] == "REVIEW"]
    if waiting:
        ids = ", ".join(r["id"] for r in waiting)
        found.append(Check("reviews", "warn", f"unprotected until reviewed: {ids}", waiting[0]["todo"]))
    if naked:
        todo = "`backstay run` protects them, or place a stop by hand"
        found.append(Check("positions", "fail", f"unprotected: {', '.join(naked)}", todo, 4))
    else:
        found.append(Check("positions", "pass", f"{len(table)} open, none of the managed ones unprotected"))
    return found


def _orphans(seen: Seen) -> Iterator[str]:
    for s in seen.account.scopes.values():
        for order in s.orders.values():
            if (
                orders.is_open(order)
                and order.client_id.startswith(ID_PREFIX)
                and order.client_id not in s.contexts
            ):
                yield f"{order.symbol} {order.kind} {order.order_id}"
        for algo in s.algos.values():
            known = algo.client_id in s.contexts
            if algo_orders.is_open(algo) and algo.client_id.startswith(ID_PREFIX) and not known:
                yield f"{algo.symbol} {algo.kind} {algo.algo_id}"


def verdict(checks: list[Check]) -> int:
    """The exit code of the worst failure; 0 when nothing failed."""
    codes = [c.exit_code or 1 for c in checks if c.state == "fail"]
    return codes[0] if codes else 0
