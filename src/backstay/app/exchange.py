"""The simulated Binance alone, on real sockets, for any client (`backstay exchange serve`)."""

import time
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import msgspec

from backstay.app.errors import ConfigError
from backstay.app.nearest import suggestion
from backstay.simulator.engine import Engine
from backstay.simulator.feeds.base import open_feed, paced
from backstay.simulator.feeds.grid import Grid
from backstay.simulator.server.auth import Credentials
from backstay.simulator.server.faults import FaultPlan
from backstay.simulator.server.handler import SimulatedBinance
from backstay.simulator.server.serve import Served, serve
from backstay.simulator.server.settings import ServerSettings
from backstay.simulator.settings import EngineSettings
from backstay.simulator.specs import default_specs

API_KEY = "simulated" + "k" * 55
API_SECRET = "simulated" + "s" * 55
ACCOUNT = "main"
PRODUCTS = ("usdm",)


class ExchangeOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What to serve. The keys are no secrets: this exchange has no money."""

    host: str = "127.0.0.1"
    port: int = 9080
    control_port: int = 9081
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
    """Serve until `close()`. Raises ConfigError, FeedError, FaultPlanError, ServeError."""
    specs = {s.symbol: s for s in default_specs()}
    for symbol in options.symbols:
        if symbol not in specs:
            raise ConfigError(
                f"--symbols: the simulated exchange has no {symbol}; {suggestion(symbol, specs)}"
            )
    now = time.time_ns()
    grids = {s.symbol: Grid(s.tick, s.step) for s in specs.values()}
    from_market = options.feed in {"synthetic", "live"}
    symbols = options.symbols or (tuple(specs) if from_market else ())
    feed = open_feed(
        options.feed,
        seed=options.seed,
        symbols=symbols,
        start_ns=now if options.feed == "synthetic" else None,
        grids=grids,
    )
    feed = paced(feed, start_ns=now)
    plan = _plan(options.faults)
    engine = Engine(
        feed,
        [specs[name] for name in feed.symbols if name in specs],
        start_ns=now,
        seed=options.seed,
        settings=EngineSettings(),
    )
    engine.open_account(ACCOUNT, balance=options.balance, hedge=options.hedge)
    venue = SimulatedBinance(
        engine,
        {options.api_key: Credentials.hmac(options.api_key, options.api_secret)},
        start_ns=now,
        seed=options.seed,
        settings=ServerSettings.for_sockets(),
        faults=plan,
    )
    served = await serve(venue, host=options.host, port=options.port, control_port=options.control_port)
    if options.speed != 1.0:
        venue.clock.set_speed(Fraction(str(options.speed)), served.pump.now())
    return served


def _plan(path: Path | None) -> FaultPlan | None:
    if path is None:
        return None
    try:
        return FaultPlan.parse(path.expanduser().read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"--faults: {path} cannot be read: {error.strerror}") from None
