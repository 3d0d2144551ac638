"""The exchanges that PAPER has inside the process, as a configuration wants them: synthetic markets."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Protocol

import msgspec

from backstay.app.config import Settings
from backstay.app.look import ledger_state
from backstay.app.market import history_minutes
from backstay.app.paper import Embedded, PaperExchange, PaperSpotExchange, with_history
from backstay.app.preflight import PAPER_SYMBOLS, check_symbols
from backstay.core.state import AccountState
from backstay.core.types import MS, ZERO, Product
from backstay.runtime.virtual_time import WallClock
from backstay.simulator.feeds.base import Feed, open_feed
from backstay.simulator.feeds.grid import Grid
from backstay.simulator.specs import default_specs
from backstay.simulator.spot.specs import default_spot_specs


class Listed(Protocol):
    """What a simulated symbol tells of its grid."""

    @property
    def tick(self) -> Decimal: ...

    @property
    def step(self) -> Decimal: ...


def embedded(settings: Settings, product: Product) -> Embedded:
    """The exchange of one product. Raises ConfigError."""
    return spot_exchange(settings) if product is Product.SPOT else usdm_exchange(settings)


def listed(product: Product) -> Mapping[str, Listed]:
    """What the simulated exchange trades."""
    if product is Product.SPOT:
        return {s.symbol: s for s in default_spot_specs()}
    return {s.symbol: s for s in default_specs()}


class _Market(msgspec.Struct, frozen=True):
    """A synthetic market that begins now."""

    feed: Feed
    start_ns: int
    seed: int
    time_ns: Callable[[], int]


def _market(settings: Settings, product: Product, symbols: Sequence[str]) -> _Market:
    """A market of these symbols. Raises ConfigError for one that the simulated exchange does not trade."""
    known = listed(product)
    check_symbols(settings, list(known), product)
    clock = WallClock()
    now = clock.now_ns()
    grids = {name: Grid(known[name].tick, known[name].step) for name in symbols}
    return _Market(
        open_feed("synthetic", seed=now % 1_000_003, symbols=symbols, start_ns=now, grids=grids),
        start_ns=now,
        # Trade ids begin at a multiple of the seed: a later exchange must count on from an earlier one's, and
        # a process that is started again may be back within the second.
        seed=now // (10 * MS),
        time_ns=clock.now_ns,
    )


def usdm_exchange(settings: Settings) -> PaperExchange:
    """A market of the configured symbols."""
    market = _market(settings, Product.USDM, settings.symbols or PAPER_SYMBOLS)
    return PaperExchange(
        market.feed,
        start_ns=market.start_ns,
        seed=market.seed,
        time_ns=market.time_ns,
        hedge=settings.account.position_mode.value == "hedge",
        engine_settings=with_history(history_minutes(settings.engine(Product.USDM))),
    )


def spot_exchange(settings: Settings) -> PaperSpotExchange:
    """The same of spot. The account holds what its lots held when the last run ended."""
    market = _market(settings, Product.SPOT, settings.symbols_of(Product.SPOT))
    return PaperSpotExchange(
        market.feed,
        start_ns=market.start_ns,
        seed=market.seed,
        time_ns=market.time_ns,
        held=_held(ledger_state(settings, Product.SPOT)),
    )


def _held(account: AccountState) -> dict[str, Decimal]:
    """Base coins of all lots that are open."""
    coins: dict[str, Decimal] = {}
    for key, s in account.scopes.items():
        rules = account.instruments.get(key.symbol)
        if rules is not None and s.lots is not None and s.lots.total:
            coins[rules.base] = coins.get(rules.base, ZERO) + s.lots.total
    return coins
