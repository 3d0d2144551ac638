"""From a configuration and files to a backtest, its ledger to a folder. Wrong input is one ConfigError."""

import csv
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

import msgspec

from backstay.app.backtest_setup import Opening, Outcome, Setup, check
from backstay.app.backtesting import backtest
from backstay.app.config import Settings
from backstay.app.errors import ConfigError
from backstay.app.ledger_paths import LEDGER
from backstay.app.status import iso
from backstay.backtest.bars import Bars, load
from backstay.core.types import MS, Product, Side
from backstay.ledger.codec import GENESIS
from backstay.ledger.disk import FileDisk
from backstay.ledger.journal import Journal
from backstay.ledger.writers import InlineWriter
from backstay.simulator.feeds.grid import symbol_in
from backstay.simulator.feeds.marks import Funding, read_funding

COLUMNS = ("time", "symbol", "side", "quantity")
BALANCE_MOST = Decimal(1_000_000_000_000)
ALPHA_MOST = Decimal(10)


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for besides the configuration."""

    data: tuple[Path, ...]
    funding: tuple[Path, ...] = ()
    positions: Path | None = None
    balance: Decimal = Decimal(10_000)
    leverage: int = 5
    alpha: Decimal = Decimal("0.5")
    seed: int = 1
    every_bar: bool = False


def prepare(settings: Settings, options: Options) -> Setup:
    """Read and check everything. Raises ConfigError, BarsRefused, FeedError."""
    if not options.balance:
        raise ConfigError("--balance is 0; an account needs something to trade with")
    if options.balance > BALANCE_MOST:
        raise ConfigError(f"--balance is {options.balance}; at most {BALANCE_MOST:f}")
    if options.alpha > ALPHA_MOST:
        raise ConfigError(f"--alpha is {options.alpha}; at most {ALPHA_MOST}")
    if not 1 <= options.leverage <= 125:
        raise ConfigError(f"--leverage is {options.leverage}; the venue knows 1 to 125")
    if not any(manager.product is Product.USDM for manager in settings.policies):
        raise ConfigError("managers: none trades USD-M futures, so there is nothing to run; name one")
    bars = tuple(load(path) for path in options.data)
    known = {b.symbol: b for b in bars}
    setup = Setup(
        engine=settings.engine(Product.USDM),
        bars=bars,
        position_mode=settings.account.position_mode,
        balance=options.balance,
        leverage=options.leverage,
        alpha=options.alpha,
        funding=_funding(options.funding, known),
        openings=_openings(options.positions, known) if options.positions is not None else (),
        seed=options.seed,
        every_bar=options.every_bar,
    )
    try:
        check(setup)
    except ValueError as error:
        raise ConfigError(f"--data: {error}") from None
    return setup


def run(setup: Setup, ledger: Path | None) -> Outcome:
    """Run it; with `ledger`, keep the records there. Raises ConfigError where a ledger is there already."""
    if ledger is None:
        return _run(setup, None)
    disk = FileDisk(ledger)
    try:
        if disk.size(LEDGER) is not None:
            raise ConfigError(f"--ledger: {ledger} holds a ledger already; name a new folder")
    except OSError as error:
        raise ConfigError(
            f"--ledger: {ledger} cannot be used ({error.strerror}); name a new folder"
        ) from None
    journal = Journal(disk, LEDGER, start=GENESIS, writer=InlineWriter())
    try:
        return _run(setup, journal)
    finally:
        journal.close()


def _run(setup: Setup, journal: Journal | None) -> Outcome:
    try:
        return backtest(setup, journal)
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _funding(paths: tuple[Path, ...], known: Mapping[str, Bars]) -> dict[str, Funding]:
    found: dict[str, Funding] = {}
    for path in paths:
        symbol = symbol_in(path.name)
        if symbol is None or symbol not in known:
            raise ConfigError(f"--funding: {path.name} is of {symbol or 'no symbol'}, which no --data has")
        if symbol in found:
            raise ConfigError(f"--funding: {symbol}: two files of rates; give each symbol one")
        found[symbol] = read_funding(path)
    return found


def _openings(path: Path, known: Mapping[str, Bars]) -> tuple[Opening, ...]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.DictReader(file)
            if tuple(rows.fieldnames or ()) != COLUMNS:
                raise ConfigError(f"--positions: {path.name} must begin with the line {','.join(COLUMNS)}")
            return tuple(
                _opening(row, known, f"--positions: {path.name}, row {i}") for i, row in enumerate(rows, 1)
            )
    except OSError as error:
        raise ConfigError(f"--positions: {path} cannot be read ({error.strerror})") from None


def _opening(row: dict[str, str], known: Mapping[str, Bars], where: str) -> Opening:
    try:
        moment = datetime.fromisoformat(row["time"])
        quantity = Decimal(row["quantity"])
        side = Side(row["side"].upper())
    except (ValueError, InvalidOperation, TypeError, AttributeError):
        raise ConfigError(f"{where}: write such as 2025-05-05T12:00:00,BTCUSDT,BUY,0.010") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    if row["symbol"] not in known:
        raise ConfigError(f"{where}: {row['symbol']} is a symbol without --data")
    if not (quantity.is_finite() and quantity > 0):
        raise ConfigError(f"{where}: the quantity {quantity} is not above zero")
    at, bars = round(moment.timestamp() * 1000) * MS, known[row["symbol"]]
    first, last = int(bars.open_time[0]), int(bars.open_time[-1])
    if not first <= at <= last:
        raise ConfigError(
            f"{where}: {iso(at)} lies outside of the bars, which open {iso(first)} to {iso(last)}"
        )
    return Opening(at, row["symbol"], side, quantity)
