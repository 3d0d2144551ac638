"""The simulated Binance alone, on real sockets, for any client (`backstay exchange serve`)."""

import time
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import msgspec

from backstay.app.errors import ConfigError
from backstay.app.nearest import suggestion
from backstay.simulator.engine import Engine
from backstay.simulator.feeds.base import Feed, open_feed, paced
from backstay.simulator.feeds.grid import Grid
from backstay.simulator.server.auth import Credentials
from backstay.simulator.server.faults import FaultPlan
from backstay.simulator.server.handler import SimulatedBinance
from backstay.simulator.server.product import SPOT
from backstay.simulator.server.serve import Served, ServeError, serve
from backstay.simulator.server.settings import ServerSettings
from backstay.simulator.settings import EngineSettings
from backstay.simulator.specs import SymbolSpec, default_specs
from backstay.simulator.spot.engine import SpotEngine
from backstay.simulator.spot.specs import SpotSpec, default_spot_specs

API_KEY = "simulated" + "k" * 55
API_SECRET = "simulated" + "s" * 55
ACCOUNT = "main"
PRODUCTS = ("usdm", "spot")


class ExchangeOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What to serve. The keys are no secrets: this exchange has no money."""

    host: str = "127.0.0.1"
    port: int = 9080
    """Of the USD-M paths."""
    spot_port: int = 9081
    control_port: int = 9090
    """Of both products: `/sim/v1/...` is the first one's, `/sim/v1/<product>/...` that of the named one."""
    products: tuple[str, ...] = ("usdm",)
    feed: str = "synthetic"
    seed: int = 1
    speed: float = 1.0
    symbols: tuple[str, ...] = ()
    """Empty: those of the feed, or every symbol that the exchange knows."""
    balance: Decimal = Decimal(100_000)
    hedge: bool = False
    faults: Path | None = None
    api_key: str = API_KEY
    api_secret: str = API_SECRET


async def open_exchange(options: ExchangeOptions) -> Served:
    """Serve until `close()`. With both products, the second is `beside` the first, and ends with it.

    Raises ConfigError, FeedError, FaultPlanError, ServeError.
    """
    usdm = {s.symbol: s for s in default_specs()}
    spot = {s.symbol: s for s in default_spot_specs()}
    known = {name: None for product in options.products for name in (usdm if product == "usdm" else spot)}
    for symbol in options.symbols:
        if symbol not in known:
            raise ConfigError(
                f"--symbols: the simulated exchange has no {symbol}; {suggestion(symbol, known)}"
            )
    now = time.time_ns()
    made = {"usdm": lambda: _usdm(options, usdm, now), "spot": lambda: _spot(options, spot, now)}
    venues = [made[product]() for product in options.products]
    ports = {"usdm": options.port, "spot": options.spot_port}
    first = await serve(
        venues[0],
        host=options.host,
        port=ports[venues[0].product.name],
        control_port=options.control_port,
    )
    try:
        for venue in venues[1:]:
            port = ports[venue.product.name]
            first.add(await serve(venue, host=options.host, port=port, control_port=None))
    except ServeError:
        await first.close()
        raise
    if options.speed != 1.0:
        venues[0].clock.set_speed(Fraction(str(options.speed)), first.pump.now())
    return first


def _feed(options: ExchangeOptions, grids: Mapping[str, Grid], product: str, now: int) -> Feed:
    """The market of one product: its own symbols of those asked for."""
    symbols = tuple(s for s in options.symbols if s in grids)
    if options.symbols and not symbols:
        raise ConfigError(f"--symbols: none of {', '.join(options.symbols)} exists on {product}")
    if options.feed == "live" and product == "spot":
        raise ConfigError("--feed: live is the market of USD-M; give synthetic or recorded files for spot")
    if not symbols and options.feed in {"synthetic", "live"}:
        symbols = tuple(grids)
    feed = open_feed(
        options.feed,
        seed=options.seed,
        symbols=symbols,
        start_ns=now if options.feed == "synthetic" else None,
        grids=grids,
    )
    for name in feed.symbols:
        if name not in grids:
            raise ConfigError(f"--feed: {name} is not a symbol of the simulated {product} exchange")
    return paced(feed, start_ns=now)


def _keys(options: ExchangeOptions) -> dict[str, Credentials]:
    return {options.api_key: Credentials.hmac(options.api_key, options.api_secret)}


def _usdm(options: ExchangeOptions, specs: Mapping[str, SymbolSpec], now: int) -> SimulatedBinance:
    feed = _feed(options, {s.symbol: Grid(s.tick, s.step) for s in specs.values()}, "usdm", now)
    engine = Engine(
        feed,
        [specs[name] for name in feed.symbols],
        start_ns=now,
        seed=options.seed,
        settings=EngineSettings(),
    )
    engine.open_account(ACCOUNT, balance=options.balance, hedge=options.hedge)
    return SimulatedBinance(
        engine,
        _keys(options),
        start_ns=now,
        seed=options.seed,
        settings=ServerSettings.for_sockets(),
        faults=_plan(options.faults),
    )


def _spot(options: ExchangeOptions, specs: Mapping[str, SpotSpec], now: int) -> SimulatedBinance:
    feed = _feed(options, {s.symbol: Grid(s.tick, s.step) for s in specs.values()}, "spot", now)
    engine = SpotEngine(feed, [specs[name] for name in feed.symbols], start_ns=now, seed=options.seed)
    engine.open_account(ACCOUNT, balances={"USDT": options.balance, "USDC": options.balance})
    return SimulatedBinance(
        engine,
        _keys(options),
        start_ns=now,
        seed=options.seed,
        settings=ServerSettings.spot_for_sockets(),
        faults=_plan(options.faults),
        product=SPOT,
    )


def _plan(path: Path | None) -> FaultPlan | None:
    if path is None:
        return None
    try:
        return FaultPlan.parse(path.expanduser().read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"--faults: {path} cannot be read: {error.strerror}") from None
