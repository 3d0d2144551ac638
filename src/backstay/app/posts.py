"""Posts: one per product, each a guard with the transport that it talks by and, in PAPER, its exchange.

Spot and USD-M futures are two accounts (docs/decisions, two product groups): two owners and two ledgers in
one process, under one lock, and nothing else shared. Which of them a run opens follows from its managers.
"""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from backstay.app import logs
from backstay.app.config import Settings
from backstay.app.entropy import SystemEntropy
from backstay.app.guard import Guard, GuardConfig, World, open_guard
from backstay.app.headlines import Headlines, read_windows
from backstay.app.market import scored_symbols
from backstay.app.permission import may_trade
from backstay.app.preflight import (
    ID_PREFIX,
    NAMES,
    PAPER_SYMBOLS,
    Preflight,
    check_symbols,
    preflight,
    unreachable,
)
from backstay.binance.net.sockets import SocketTransport
from backstay.binance.net.transport import Transport
from backstay.binance.wire.sign import Signer
from backstay.core.modes import FACTS
from backstay.core.outcomes import VenueUnavailable
from backstay.core.types import Mode, PositionMode, Product
from backstay.ledger.disk import FileDisk
from backstay.ledger.writers import ThreadedWriter
from backstay.marketdata.news import NewsDesk
from backstay.runtime.lock import InstanceLock
from backstay.runtime.starting import Delay, Patience, patiently
from backstay.runtime.virtual_time import WallClock

if TYPE_CHECKING:
    from backstay.app.paper import Embedded


class Post(msgspec.Struct, frozen=True, eq=False):
    """One product's guard, and what it stands on."""

    guard: Guard
    transport: Transport
    exchange: "Embedded | None"
    headlines: Headlines | None = None

    @property
    def product(self) -> Product:
        return self.guard.config.product

    async def check(
        self, settings: Settings, patience: Patience, tell: Callable[[Delay], object]
    ) -> Preflight | None:
        """Ask the venue what must be right before anything is taken over (not in PAPER, but for symbols).

        Raises ConfigError and ExchangeError, the latter also when the patience is over.
        """
        if self.exchange is not None:
            from backstay.app.paper_exchanges import listed

            check_symbols(settings, list(listed(self.product)), self.product)
            return None
        try:
            return await patiently(
                lambda: self._check(settings),
                f"checking keys, symbols and the {NAMES[self.product]} account",
                patience=patience,
                jitter=self.guard.world.entropy.jitter,
                tell=tell,
            )
        except VenueUnavailable as failure:
            raise unreachable(failure, settings, self.product) from None

    async def _check(self, settings: Settings) -> Preflight:
        found = await preflight(self.guard.venue, settings, self.product)
        if FACTS[settings.mode].sends:
            offset = self.guard.venue.venue_now_ns() - self.guard.world.clock.now_ns()
            await may_trade(settings, self.transport, found.instruments, self.product, offset)
        return found

    async def start(self, settings: Settings, patience: Patience) -> None:
        """Take the account over. Raises ExchangeError."""
        try:
            await self.guard.start(patience)
            if self.headlines is not None:
                self.headlines.start()
        except VenueUnavailable as failure:
            raise unreachable(failure, settings, self.product) from None

    async def discard(self) -> None:
        """Close what was opened and never started."""
        self.guard.journal.close()
        await self.close()

    async def close(self) -> None:
        """Connections and, in PAPER, the exchange; the guard has stopped."""
        if self.headlines is not None:
            await self.headlines.stop()
        await self.transport.close()
        if self.exchange is not None:
            self.exchange.close()


def open_post(settings: Settings, lock: InstanceLock, product: Product) -> Post:
    """Open ledger and gateway of one product, in the running loop. Connects nothing yet.

    Raises ConfigError, DamagedLedgerError, JournalError, FeedError.
    """
    exchange: Embedded | None = None
    transport: Transport
    signer: Signer
    if settings.mode is Mode.PAPER:
        # The simulated exchange is much to load: a run at a real one does without.
        from backstay.app.paper_exchanges import embedded

        exchange = embedded(settings, product)
        transport, signer = exchange.transport(), exchange.signer()
    else:
        signer = settings.secrets.signer(settings.mode)
        transport = SocketTransport()
    world = World(
        transport=transport,
        signer=signer,
        clock=WallClock(),
        entropy=SystemEntropy(),
        disk=FileDisk(settings.data_dir),
        writer=ThreadedWriter(),
        lease=lock,
        log=logging.getLogger(f"{logs.ROOT}.gateway").info,
        quiet_ns=lock.quiet_ns,
    )
    news = NewsDesk(read_windows(settings.news.windows))
    guard = open_guard(msgspec.structs.replace(_config(settings, product), news=news), world)
    if exchange is not None:
        exchange.start()
    return Post(guard, transport, exchange, _headlines(settings, guard, news))


def _headlines(settings: Settings, guard: Guard, news: NewsDesk) -> Headlines | None:
    """Who looks at the headlines, where some are configured and scores are made."""
    if not settings.news.headlines or not scored_symbols(guard.config.engine):
        return None
    return Headlines(
        settings.news.headlines,
        news,
        every=settings.news.every,
        now_ns=guard.venue.venue_now_ns,
        tell=logging.getLogger(f"{logs.ROOT}.news").warning,
    )


def _config(settings: Settings, product: Product) -> GuardConfig:
    spot = product is Product.SPOT
    environment = settings.spot_environment if spot else settings.environment
    endpoints = environment.spot if spot else environment.usdm
    if settings.mode is Mode.PAPER:
        from backstay.app.paper import ENDPOINTS, SPOT_ENDPOINTS

        endpoints = SPOT_ENDPOINTS if spot else ENDPOINTS
    symbols = settings.symbols_of(product)
    return GuardConfig(
        account=settings.account.name,
        mode=settings.mode,
        environment=environment.name,
        position_mode=PositionMode.ONE_WAY if spot else settings.account.position_mode,
        engine=settings.engine(product),
        armed=settings.armed and FACTS[settings.mode].sends,
        id_prefix=ID_PREFIX,
        endpoints=endpoints,
        fee_symbol=symbols[0] if symbols else PAPER_SYMBOLS[0],
        spot_timings=settings.spot.timings(),
        spot_microseconds=settings.spot.microseconds,
        look_every=settings.run.look_every,
    )
