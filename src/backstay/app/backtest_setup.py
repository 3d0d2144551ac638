"""What a backtest is given and what it gives back, and the two parts of a live run that it has no use for."""

from collections.abc import Iterator, Mapping
from decimal import Decimal

import msgspec

from backstay.app.status import iso
from backstay.backtest.bars import Bars
from backstay.backtest.results import Curve, Results
from backstay.backtest.trades import Trade
from backstay.backtest.venue import Latency
from backstay.core.engine import Engine
from backstay.core.names import counted
from backstay.core.records import Body
from backstay.core.scored import SignalScored
from backstay.core.types import PositionMode, Side, TimeNs
from backstay.signals.line import needed_bars
from backstay.simulator.feeds.marks import FUNDING_EVERY, Funding
from backstay.strategies.position_manager.policy import PositionPolicy
from backstay.strategies.scored.policy import ScoredPolicy


class Opening(msgspec.Struct, frozen=True):
    """A position that somebody opens by hand: at the first open not before `at`, at market."""

    at: TimeNs
    symbol: str
    side: Side
    quantity: Decimal


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be run."""

    engine: Engine
    bars: tuple[Bars, ...]
    position_mode: PositionMode = PositionMode.ONE_WAY
    balance: Decimal = Decimal(10_000)
    leverage: int = 5
    alpha: Decimal = Decimal("0.5")
    """Takers are worse off by this multiple of the bar's average true range."""
    funding: Mapping[str, Funding] = {}
    """By symbol; left out: the venue's usual rate."""
    openings: tuple[Opening, ...] = ()
    latency: Latency = Latency()
    seed: int = 1
    every_bar: bool = False
    """Leave nothing out: the slow way, which decides the same."""


class Outcome(msgspec.Struct, frozen=True):
    results: Results
    trades: tuple[Trade, ...]
    curve: Curve
    scores: tuple[SignalScored, ...]
    """Every score that was told, with its explanation."""
    defects: Mapping[str, str] = {}
    """By symbol: how its strategy failed first."""


class Always:
    """The lease of an account that nobody else knows."""

    def held(self) -> bool:
        return True


class Numbers:
    """A journal that only counts: nothing is kept."""

    def __init__(self) -> None:
        self.seq = 0

    def append(self, body: Body, *, at: TimeNs, cause: int) -> int:
        self.seq += 1
        return self.seq

    async def durable(self) -> None:
        """Nothing is waited for."""

    def durable_now(self) -> object:
        return None

    def kick(self) -> None:
        """Nothing is written."""


def doubts(setup: Setup) -> Iterator[str]:
    """What makes the figures say less than it seems."""
    managers = setup.engine.managers
    if not setup.openings and all(isinstance(m.policy, PositionPolicy) for m in managers):
        yield "no manager opens a position by itself, and without --positions nobody does"
    for bars in setup.bars:
        yield from _unscored(setup, bars)
        rows = setup.funding[bars.symbol].rows if bars.symbol in setup.funding else []
        first, last = int(bars.open_time[0]), bars.end(len(bars) - 1)
        if rows and (rows[0][0] > first + FUNDING_EVERY or rows[-1][0] < last - FUNDING_EVERY):
            known = f"{iso(rows[0][0])} to {iso(rows[-1][0])}"
            yield (
                f"{bars.symbol}: funding rates are known from {known}, its bars go from {iso(first)} to "
                f"{iso(last)}: before, the first one is charged, afterwards the usual rate"
            )


def _unscored(setup: Setup, bars: Bars) -> Iterator[str]:
    """Bars that end before the first score: no trade then says anything of the strategy."""
    for manager in setup.engine.managers:
        if isinstance(manager.policy, ScoredPolicy) and bars.symbol in manager.symbols:
            needed = needed_bars(manager.policy.score, bars.interval)
            if len(bars) < needed:
                known = counted(len(bars), "bar is", "bars are")
                yield f"{bars.symbol}: {known} known, and nothing is scored before {needed}: give more"


def check(setup: Setup) -> None:
    """Raises ValueError where symbols and bars do not belong together."""
    given = [b.symbol for b in setup.bars]
    twice = sorted({s for s in given if given.count(s) > 1})
    if twice:
        raise ValueError(f"{', '.join(twice)}: two files of bars; give each symbol one")
    wanted = {s for m in setup.engine.managers for s in m.symbols}
    missing = sorted(wanted - set(given))
    if missing:
        raise ValueError(f"{', '.join(missing)}: managers name it, and there are no bars of it")
    idle = sorted(s for s in set(given) - wanted if all(m.symbols for m in setup.engine.managers))
    if idle:
        raise ValueError(f"{', '.join(idle)}: no manager names it; add it to managers or leave its bars out")
