"""The simulated exchange of a backtest: the symbols of its bars, one account with nothing but a balance."""

from collections.abc import Sequence
from decimal import Decimal

from msgspec.structs import replace

from backstay.backtest.bars import Bars
from backstay.core.types import PositionMode, TimeNs
from backstay.simulator.engine import Engine
from backstay.simulator.feeds.ticks import Trade
from backstay.simulator.settings import EngineSettings
from backstay.simulator.specs import SymbolSpec, default_specs

ACCOUNT = "backtest"
UNLISTED = "SOLUSDT"
"""A symbol that is not in the simulated exchange's list gets the rules of this one."""


def open_exchange(
    markets: Sequence[Bars],
    *,
    start: TimeNs,
    seed: int,
    balance: Decimal,
    leverage: int,
    position_mode: PositionMode,
) -> Engine:
    """Open at `start` (ns), with each market at its first open. Resting orders fill when traded through."""
    settings = EngineSettings(fill_model="through", default_leverage=leverage)
    exchange = Engine(None, [_spec(b) for b in markets], start_ns=start, seed=seed, settings=settings)
    hedge = position_mode is PositionMode.HEDGE
    exchange.open_account(ACCOUNT, balance=balance, hedge=hedge, leverage=leverage)
    for bars in markets:
        first = bars.price(int(bars.open[0]))
        exchange.take(Trade(start, bars.symbol, first, bars.grid.step, buyer_maker=False))
    exchange.take_user_events()
    return exchange


def _spec(bars: Bars) -> SymbolSpec:
    """The venue's rules of the symbol, on the grid of its bars."""
    listed = {s.symbol: s for s in default_specs()}
    spec = listed.get(bars.symbol)
    if spec is None:
        spec = replace(listed[UNLISTED], symbol=bars.symbol, base=bars.symbol.removesuffix("USDT"))
    return replace(spec, tick=bars.grid.tick, step=bars.grid.step, price=bars.price(int(bars.open[0])))
