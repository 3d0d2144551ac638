"""A session: lock, exchange, ledger and guard of one configuration, opened together and closed together."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime

from backstay.app import logs, paper
from backstay.app.config import Settings
from backstay.app.entropy import SystemEntropy
from backstay.app.errors import ConfigError, RefusedError
from backstay.app.following import Following
from backstay.app.garbage import CollectorAtRest
from backstay.app.guard import Guard, GuardConfig, World, open_guard
from backstay.app.host import GuardHost
from backstay.app.paper import PaperExchange
from backstay.app.permission import may_trade
from backstay.app.preflight import Preflight, check_symbols, preflight, unreachable
from backstay.binance.net.sockets import SocketTransport
from backstay.binance.net.transport import Transport
from backstay.binance.wire.sign import Signer
from backstay.core.modes import FACTS
from backstay.core.outcomes import VenueUnavailable
from backstay.core.types import Mode
from backstay.ledger.disk import FileDisk
from backstay.ledger.writers import ThreadedWriter
from backstay.runtime.control import ControlServer, socket_path
from backstay.runtime.lock import InstanceLock
from backstay.runtime.starting import Delay, Patience, patiently
from backstay.runtime.virtual_time import WallClock
from backstay.simulator.feeds.base import open_feed
from backstay.simulator.feeds.grid import Grid
from backstay.simulator.specs import default_specs

ID_PREFIX = "bs-"
PAPER_SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")


def iso_now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def ignored(_delay: Delay) -> None:
    """Nobody waits for this start."""


def may_run(settings: Settings) -> None:
    """The locks on the mode. Raises RefusedError naming the switch that is missing."""
    if settings.locks:
        raise RefusedError(
            f"mode {settings.mode} sends orders only with its switches on, and "
            f"{' and '.join(settings.locks)}. Nothing was started; docs/operating/modes.md tells them all"
        )


class Session:
    """Everything that one running process has. Made by `open_session`."""

    def __init__(
        self,
        settings: Settings,
        lock: InstanceLock,
        guard: Guard,
        transport: Transport,
        exchange: PaperExchange | None,
    ) -> None:
        self.settings = settings
        self.lock = lock
        self.guard = guard
        self.host = GuardHost(guard)
        self.page_url = ""
        """Where the status page is; empty: there is none."""
        self._transport = transport
        self._exchange = exchange
        self._control: ControlServer | None = None
        self._garbage = CollectorAtRest(guard.is_calm, guard.at_rest)
        self._following = Following(settings, guard)
        self.host.database = self._following.database

    async def check(self, tell: Callable[[Delay], object] = ignored) -> Preflight | None:
        """Ask the venue what must be right before anything is taken over (not in PAPER, but for symbols).

        Raises ConfigError and ExchangeError, the latter also when the configured patience is over.
        """
        if self._exchange is not None:
            check_symbols(self.settings, [s.symbol for s in default_specs()])
            return None
        try:
            return await patiently(
                self._check,
                "checking keys, position mode and symbols",
                patience=self._patience,
                jitter=self.guard.world.entropy.jitter,
                tell=tell,
            )
        except VenueUnavailable as failure:
            raise unreachable(failure, self.settings) from None

    async def _check(self) -> Preflight:
        found = await preflight(self.guard.venue, self.settings)
        if FACTS[self.settings.mode].sends:
            offset = self.guard.venue.venue_now_ns() - self.guard.world.clock.now_ns()
            await may_trade(self.settings, self._transport, found.instruments, offset)
        return found

    async def start(self) -> None:
        """Take the account over. Raises ExchangeError."""
        try:
            await self.guard.start(self._patience)
        except VenueUnavailable as failure:
            raise unreachable(failure, self.settings) from None
        self._garbage.start()
        self._following.start()

    @property
    def _patience(self) -> Patience:
        return Patience(total_s=self.settings.run.start_patience)

    async def listen(self) -> None:
        """Open the control socket. Raises ControlError."""
        self._control = ControlServer(socket_path(self.settings.data_dir), self.host)
        await self._control.start()

    async def close(self, reason: str) -> None:
        """Stop everything, orders stay resting; saves ledger and snapshot. Safe to call at any stage."""
        self._garbage.close()
        try:
            if self._control is not None:
                await self._control.close()
            self._following.guard_stops()
            await self.guard.stop(reason)
        finally:
            await self._following.stop()
            await self._transport.close()
            if self._exchange is not None:
                self._exchange.close()
            self.lock.release()


async def open_session(settings: Settings, lock: InstanceLock) -> Session:
    """Open ledger and gateway under a lock that is held already. Connects nothing yet.

    Raises ConfigError, DamagedLedgerError, JournalError, FeedError.
    """
    exchange: PaperExchange | None = None
    transport: Transport
    signer: Signer
    if settings.mode is Mode.PAPER:
        exchange = _paper(settings)
        transport, signer = exchange.transport(), exchange.signer()
    else:
        signer = settings.secrets.signer(settings.mode)
        transport = SocketTransport()
    try:
        guard = open_guard(_config(settings), _world(settings, lock, transport, signer))
    except BaseException:
        await transport.close()
        raise
    if exchange is not None:
        exchange.start()
    return Session(settings, lock, guard, transport, exchange)


def _config(settings: Settings) -> GuardConfig:
    environment = settings.environment
    in_process = settings.mode is Mode.PAPER
    symbols = settings.symbols
    return GuardConfig(
        account=settings.account.name,
        mode=settings.mode,
        environment=environment.name,
        position_mode=settings.account.position_mode,
        engine=settings.engine(),
        armed=settings.armed and FACTS[settings.mode].sends,
        id_prefix=ID_PREFIX,
        endpoints=paper.ENDPOINTS if in_process else environment.usdm,
        fee_symbol=symbols[0] if symbols else PAPER_SYMBOLS[0],
    )


def _world(settings: Settings, lock: InstanceLock, transport: Transport, signer: Signer) -> World:
    return World(
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


def _paper(settings: Settings) -> PaperExchange:
    """A synthetic market of the configured symbols, from now on."""
    clock = WallClock()
    known = {s.symbol: s for s in default_specs()}
    symbols = settings.symbols or PAPER_SYMBOLS
    check_symbols(settings, list(known))
    grids = {name: Grid(known[name].tick, known[name].step) for name in symbols}
    now = clock.now_ns()
    feed = open_feed("synthetic", seed=now % 1_000_003, symbols=symbols, start_ns=now, grids=grids)
    hedge = settings.account.position_mode.value == "hedge"
    return PaperExchange(feed, start_ns=now, seed=now % 1_000_003, time_ns=clock.now_ns, hedge=hedge)


def prepare_folders(settings: Settings) -> None:
    """The data folder, there and writable. Raises ConfigError."""
    folder = settings.data_dir
    probe = folder / ".writable"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise ConfigError(
            f"run.data_dir: {folder} cannot be written ({error.strerror}). Let this user write there, or "
            "choose another folder"
        ) from None
