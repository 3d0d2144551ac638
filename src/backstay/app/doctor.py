"""Every check that can be made, with pass, warn or fail and what to do; reads only, sends nothing."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from backstay.app import headlines, preflight
from backstay.app.config import Settings, load_settings
from backstay.app.doctor_checks import Check, protection, reachable, streams, tried
from backstay.app.doctor_spot import examine_spot
from backstay.app.errors import ConfigError, ExchangeError
from backstay.app.locks import lock_paths
from backstay.app.look import Seen, look, make_venue
from backstay.app.permission import may_trade
from backstay.app.preflight import ID_PREFIX, PAPER_SYMBOLS
from backstay.app.session import prepare_folders
from backstay.app.status import rows
from backstay.app.store import LEDGERS
from backstay.binance.net.sockets import SocketTransport
from backstay.binance.net.transport import Transport
from backstay.binance.net.venue import BinanceVenue
from backstay.core import algo_orders, orders
from backstay.core.events import InstrumentsSnapshot
from backstay.core.modes import FACTS
from backstay.core.names import counted
from backstay.core.outcomes import VenueUnavailable
from backstay.core.types import Mode, Product
from backstay.ledger.disk import FileDisk
from backstay.ledger.errors import LedgerError
from backstay.ledger.verify import verify
from backstay.runtime.lock import holder_of

ROOM_WARN = 1 << 30
ROOM_FAIL = 100 << 20
WEIGHT = 2_400
"""Request weight of a minute on USD-M."""


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
    add(Check("config", "pass", f"mode {settings.mode}, managers: {len(settings.policies)}"))
    for warning in warnings:
        add(Check("config", "warn", warning, "decide whether this is meant"))
    for check in (*_local(settings), *_ledgers(settings)):
        add(check)
    if settings.news.windows is not None or settings.news.headlines:
        add(await _news(settings))
    if settings.mode is Mode.PAPER:
        add(Check("exchange", "pass", "PAPER has its exchange in the process: no keys, no network"))
        return found
    if Product.USDM in settings.products:
        for check in await _exchange(settings):
            add(check)
    if Product.SPOT in settings.products:
        for check in await examine_spot(settings):
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


async def _news(settings: Settings) -> Check:
    try:
        windows, trouble = await headlines.examine(settings.news)
    except ConfigError as error:
        return Check("news", "fail", str(error), "mend the file, or leave news.windows out", 2)
    if trouble:
        return Check("news", "warn", trouble, "see news.headlines; scores go on without it")
    feed = ", the headlines can be read" if settings.news.headlines else ""
    return Check("news", "pass", f"{counted(windows, 'window')} scheduled{feed}")


def _ledgers(settings: Settings) -> Iterator[Check]:
    """Each account's ledger, those that are guarded and those that are there."""
    disk = FileDisk(settings.data_dir)
    for product, path in LEDGERS.items():
        name = "ledger" if product == Product.USDM else f"{product} ledger"
        if disk.size(path) is not None:
            yield _ledger(name, disk, path)
        elif product in settings.products:
            yield Check(name, "pass", "there is none yet")


def _ledger(name: str, disk: FileDisk, path: str) -> Check:
    try:
        result = verify(disk, path)
    except LedgerError as error:
        return Check(name, "fail", str(error), "see docs/operating/incidents.md", 6)
    if result.ok:
        records = counted(result.records, "record")
        return Check(name, "pass", f"{records}, the chain holds. {result.detail}".strip())
    return Check(
        name,
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
        rest = settings.environment.usdm.rest
        found.extend(
            await reachable(transport, rest, "/fapi/v1/time", key="endpoints.usdm.rest", weight=WEIGHT)
        )
        if any(c.state == "fail" for c in found):
            return found
        try:
            found.extend(await _answers(settings, venue, transport))
            found.extend(await streams(transport, _stream_hosts(settings, await venue.read_listen_key())))
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


async def _answers(settings: Settings, venue: BinanceVenue, transport: Transport) -> list[Check]:
    """Filters, keys, permissions, modes. Raises VenueUnavailable."""
    found = []
    instruments = await venue.read_instruments()
    names = [i.symbol for i in instruments.instruments]
    known = f"{counted(len(names), 'symbol')} known"
    found.append(tried("filters", lambda: preflight.check_symbols(settings, names), known))
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
        tried("position mode", lambda: preflight.check_account(settings, account), f"{wanted}, as configured")
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


def _stream_hosts(settings: Settings, listen_key: str) -> tuple[tuple[str, str], ...]:
    hosts = settings.environment.usdm
    symbol = (settings.symbols or PAPER_SYMBOLS)[0].lower()
    return (
        ("private stream", f"{hosts.private_stream}/ws/{listen_key}"),
        ("market stream", f"{hosts.market_stream}/stream?streams={symbol}@markPrice@1s"),
        ("order connection", hosts.ws_api),
    )


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
            f"{counted(len(orphans), 'order')} with our prefix and no context: {', '.join(orphans[:5])}",
            "another ledger placed them; cancel them at the exchange if no other process owns them",
        )
        if orphans
        else Check("orphan orders", "pass", "none")
    ]
    table = rows(seen.account, settings.engine(), seen.at, marks=seen.marks)
    return [*found, *protection(table)]


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
