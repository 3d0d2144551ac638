"""Looking without owning: ledger and venue's answers folded in memory, nothing written, nothing sent.

For `positions` and `doctor` when no process runs.
"""

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from backstay.app.config import Settings
from backstay.app.entropy import SystemEntropy
from backstay.app.errors import ExchangeError
from backstay.app.ledger_paths import LEDGER, SPOT_LEDGER
from backstay.app.preflight import ID_PREFIX, unreachable
from backstay.binance.net.transport import Transport, TransportError
from backstay.binance.net.venue import BinanceVenue
from backstay.binance.wire.endpoints_spot import TICKER_PRICES
from backstay.core.account import fold, fold_in_place, scope_of
from backstay.core.events import AnyEvent, PositionsSnapshot, RecoveryEnded, RecoveryStarted
from backstay.core.outcomes import VenueUnavailable
from backstay.core.state import AccountState, pack, unpack
from backstay.core.types import Mode, Product, Scope, Subject, TimeNs
from backstay.ledger.disk import FileDisk
from backstay.ledger.reader import entries
from backstay.ledger.replay import fold_entries
from backstay.ledger.snapshots import SnapshotStore
from backstay.runtime.hydration import WHOLE_ACCOUNT, read_account
from backstay.runtime.trades import unread
from backstay.runtime.virtual_time import WallClock

if TYPE_CHECKING:
    from backstay.binance.net.spot_venue import SpotVenue

PRICE_TIMEOUT_S = 5.0
HYDRATED = (Subject.POSITIONS, Subject.REGULAR_ORDERS, Subject.ALGO_ORDERS)


class Seen(msgspec.Struct, frozen=True):
    """What was found."""

    account: AccountState
    marks: dict[str, Decimal]
    liquidations: dict[Scope, Decimal]
    at: TimeNs
    live: bool
    """The venue was asked; otherwise this is what the ledger last knew."""


def ledger_state(settings: Settings, product: Product = Product.USDM) -> AccountState:
    """The state that a product's ledger folds to; empty when there is none. Raises DamagedLedgerError."""
    disk = FileDisk(settings.data_dir)
    ledger = SPOT_LEDGER if product is Product.SPOT else LEDGER
    if disk.size(ledger) is None:
        return AccountState()
    snapshots = SnapshotStore(disk, ledger, pack=pack, unpack=unpack)
    newest, _ = snapshots.newest()
    account = newest.state if newest is not None else AccountState()
    tail = entries(disk, ledger, newest.head.offset if newest is not None else 0)
    return fold_entries(tail, account, fold_in_place)


def unheard(*_evidence: object) -> None:
    """A gateway for reads opens no stream; what it tells besides is not waited for."""


def _sockets() -> Transport:
    # Not at the top: what only reads the ledger would wait a third of a second for it.
    from backstay.binance.net.sockets import SocketTransport

    return SocketTransport()


def make_venue(settings: Settings, transport: Transport) -> BinanceVenue:
    """A gateway for reads alone. Raises ConfigError when the keys are missing."""
    return BinanceVenue(
        transport=transport,
        endpoints=settings.environment.usdm,
        signer=settings.secrets.signer(settings.mode),
        clock=WallClock(),
        entropy=SystemEntropy(),
        on_event=unheard,
        on_mark=unheard,
        position_mode=settings.account.position_mode,
        fee_symbol=settings.symbols[0] if settings.symbols else "BTCUSDT",
        order_connection=False,
    )


def make_spot_venue(settings: Settings, transport: Transport) -> "SpotVenue":
    """A gateway for reads alone. Raises ConfigError when the keys are missing."""
    from backstay.binance.net.spot_venue import SpotVenue

    return SpotVenue(
        transport=transport,
        endpoints=settings.spot_environment.spot,
        signer=settings.secrets.signer(settings.mode),
        clock=WallClock(),
        entropy=SystemEntropy(),
        on_event=unheard,
        on_mark=unheard,
        on_lost=unheard,
        fee_symbol=settings.symbols_of(Product.SPOT)[0],
        id_prefix=ID_PREFIX,
        order_connection=False,
        timings=settings.spot.timings(),
        log=unheard,
    )


async def look(settings: Settings) -> Seen:
    """The account now: the ledger's contexts over the venue's positions and orders.

    In PAPER there is no venue without its process, and where spot alone is guarded no futures account is
    asked, so the ledger's last word it is. Raises ExchangeError,
    ConfigError, DamagedLedgerError.
    """
    account = ledger_state(settings)
    if settings.mode is Mode.PAPER or Product.USDM not in settings.products:
        return _remembered(account)
    transport = _sockets()
    try:
        venue = make_venue(settings, transport)
        read = await _read(venue)
    except VenueUnavailable as failure:
        raise unreachable(failure, settings) from None
    finally:
        await transport.close()
    positions = next(e for e in read if isinstance(e, PositionsSnapshot))
    rows = [(scope_of(positions.product, r.symbol, r.position_side), r) for r in positions.rows]
    return _seen(
        account,
        read,
        HYDRATED,
        {r.symbol: r.mark_price for _, r in rows if r.mark_price},
        {key: r.liquidation_price for key, r in rows if r.liquidation_price},
    )


async def look_spot(settings: Settings) -> Seen:
    """The same of the spot account: orders, balances and the trades since the ledger's last one.

    In PAPER it is the ledger's last word. Raises ExchangeError, ConfigError, DamagedLedgerError.
    """
    account = ledger_state(settings, Product.SPOT)
    if settings.mode is Mode.PAPER:
        return _remembered(account)
    transport = _sockets()
    try:
        venue = make_spot_venue(settings, transport)
        since = unread(account, settings.engine(Product.SPOT), venue.venue_now_ns())
        read = await read_account(venue, filters=True, trades=since)
    except VenueUnavailable as failure:
        raise unreachable(failure, settings, Product.SPOT) from None
    finally:
        await transport.close()
    return _seen(account, read, WHOLE_ACCOUNT, await spot_prices(settings), {})


def _remembered(account: AccountState) -> Seen:
    return Seen(account, {}, {}, WallClock().now_ns(), live=False)


def _seen(
    account: AccountState,
    read: Sequence[AnyEvent],
    subjects: tuple[Subject, ...],
    marks: dict[str, Decimal],
    liquidations: dict[Scope, Decimal],
) -> Seen:
    now = WallClock().now_ns()
    steps: tuple[AnyEvent, ...] = (RecoveryStarted(), *read, RecoveryEnded(subjects=subjects))
    for event in steps:
        account = fold(account, event, now)
    return Seen(account, marks, liquidations, now, live=True)


async def _read(venue: BinanceVenue) -> tuple[AnyEvent, ...]:
    return (
        await venue.read_account_mode(),
        await venue.read_instruments(),
        await venue.read_balances(),
        await venue.read_orders(None),
        await venue.read_algos(None),
        await venue.read_positions(None),
    )


async def spot_prices(settings: Settings) -> dict[str, Decimal]:
    """The last prices of spot's configured symbols, asked of the venue; none in PAPER.

    Raises ExchangeError.
    """
    symbols = settings.symbols_of(Product.SPOT)
    if settings.mode is Mode.PAPER or not symbols:
        return {}
    rest = settings.spot_environment.spot.rest
    asked = quote(json.dumps(symbols, separators=(",", ":")))
    transport = _sockets()
    try:
        url = f"{rest}{TICKER_PRICES.path}?symbols={asked}"
        reply = await transport.http(TICKER_PRICES.method, url, {}, b"", PRICE_TIMEOUT_S)
        rows = msgspec.json.decode(reply.body, type=list[_Price])
    except (TransportError, msgspec.DecodeError) as error:
        raise ExchangeError(f"{rest} told no prices ({error})") from None
    finally:
        await transport.close()
    return {row.symbol: row.price for row in rows}


class _Price(msgspec.Struct, frozen=True):
    symbol: str
    price: Decimal
