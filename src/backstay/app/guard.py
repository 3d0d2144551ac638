"""A guard: one owner, its ledger, its gateway, joined. Every command that runs the product makes one.

`open_guard` brings the account back from snapshot and ledger tail, `start` takes it over. Which transport
carries the bytes, which disk keeps them and which clock counts is the caller's choice, and nothing in here
knows whether they are real.
"""

import asyncio
import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from backstay import __version__
from backstay.app.ledger_paths import LEDGER, SPOT_LEDGER
from backstay.app.lives_told import fold_and_hear
from backstay.app.lot_alerts import LotAlerts
from backstay.app.market import MarketSide, SpotBooks, scored_symbols
from backstay.app.missed_fills import MissedFills
from backstay.app.settling import Settling, wishes
from backstay.binance.net.rest import Call
from backstay.binance.net.spot_venue import SpotVenue
from backstay.binance.net.timings import SPOT as SPOT_TIMINGS
from backstay.binance.net.timings import Timings
from backstay.binance.net.transport import Transport
from backstay.binance.net.venue import BinanceVenue
from backstay.binance.wire.endpoints import SpotEndpoints, UsdmEndpoints
from backstay.binance.wire.sign import Signer
from backstay.core.engine import Engine, Manager
from backstay.core.events import RunStarted
from backstay.core.records import Body, Noted
from backstay.core.state import AccountState, ScopeState, pack, unpack
from backstay.core.types import MS, Mode, PositionMode, Product, Scope, TimeNs
from backstay.ledger.audit.lines import REST_CALL
from backstay.ledger.codec import Head
from backstay.ledger.disk import Disk
from backstay.ledger.errors import JournalError
from backstay.ledger.journal import Journal, Writer
from backstay.ledger.opening import open_ledger
from backstay.ledger.shared import SharedAccounts
from backstay.ledger.snapshots import SnapshotStore
from backstay.marketdata.news import NO_NEWS, NewsDesk
from backstay.runtime.owner import PATIENT, Owner
from backstay.runtime.ports import Clock, Entropy, Lease
from backstay.runtime.rounds import Rounds
from backstay.runtime.starting import Patience
from backstay.telemetry.redaction import redact

SNAPSHOT_EVERY = 5_000
"""Records between two snapshots: bounds what a restart has to fold."""


class GuardConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What a run is, resolved from configuration."""

    account: str
    mode: Mode
    environment: str
    position_mode: PositionMode
    engine: Engine
    armed: bool
    id_prefix: str = "bs-"
    endpoints: UsdmEndpoints | SpotEndpoints
    fee_symbol: str = ""
    news: NewsDesk = NO_NEWS
    """Scheduled windows and headlines that scores look at."""
    spot_timings: Timings = SPOT_TIMINGS
    """How long spot's connections are waited for."""
    spot_microseconds: bool = False
    """Spot's times in microseconds."""
    look_every: float = 0.0
    """Seconds between two rounds of reads while all seems well; 0: none."""

    @property
    def product(self) -> Product:
        return Product.SPOT if isinstance(self.endpoints, SpotEndpoints) else Product.USDM

    @property
    def ledger(self) -> str:
        """Path of the account's ledger in the data folder."""
        return SPOT_LEDGER if self.product is Product.SPOT else LEDGER


class World(msgspec.Struct, frozen=True, kw_only=True):
    """What the process stands on: real sockets and files, or their stand-ins."""

    transport: Transport
    signer: Signer
    clock: Clock
    entropy: Entropy
    disk: Disk
    writer: Writer
    lease: Lease
    log: Callable[[str], None]
    quiet_ns: TimeNs = 0
    """For so long before it was opened no earlier process can have sent anything."""


class Guard:
    """A running, or about to run, guard of one account."""

    def __init__(
        self,
        config: GuardConfig,
        world: World,
        *,
        account: AccountState,
        told: dict[Scope, ScopeState],
        journal: Journal,
        snapshots: SnapshotStore[AccountState],
        reports: tuple[str, ...],
    ) -> None:
        self.config = config
        self.world = world
        self.journal = journal
        self.reports = reports
        """What opening the ledger had to repair, one sentence each."""
        self.shared = SharedAccounts()
        """What this process knows of the ledger's past: its readers go on with it."""
        self.shared.publish(journal.seq, account)
        self._snapshots = snapshots
        self._snapshot_due = SNAPSHOT_EVERY
        self._burial: asyncio.Task[None] | None = None
        self.listeners: list[Callable[[int, TimeNs, Body], None]] = []
        self.owner = Owner(
            clock=world.clock,
            entropy=world.entropy,
            journal=journal,
            engine=config.engine,
            lease=world.lease,
            account=account,
            on_record=self._recorded,
            told=told,
        )
        self.venue = self._gateway(config.endpoints)
        self.market: MarketSide | None = None
        """None on spot, where nothing is scored."""
        self.settling: Settling | None = None
        self.missed: MissedFills | None = None
        if isinstance(self.venue, BinanceVenue):
            wanted = wishes(config.engine, config.position_mode)
            self.settling = Settling(
                self.owner, self.venue, wanted, mode=config.mode, armed=config.armed, tell=world.log
            )
            policies = scored_symbols(config.engine)
            self.market = MarketSide(self.owner, self.venue, policies, tell=world.log, news=config.news)
            self.missed = MissedFills(self.owner, self.venue, journal, tell=world.log)
            self.listeners.append(self.missed.record)
        else:
            SpotBooks(self.owner, self.venue)
        self.rounds = Rounds(
            self.owner,
            self.venue,
            every_s=config.look_every,
            spot=config.product is Product.SPOT,
            tell=world.log,
        )
        self.venue.hear_calls(self._called)
        if config.product is Product.SPOT:
            self.listeners.append(LotAlerts(self.owner).record)

    def _gateway(self, endpoints: UsdmEndpoints | SpotEndpoints) -> BinanceVenue | SpotVenue:
        config, world, owner = self.config, self.world, self.owner
        orders = config.mode is not Mode.DRY_RUN_PRIVATE
        if isinstance(endpoints, SpotEndpoints):
            return SpotVenue(
                transport=world.transport,
                endpoints=endpoints,
                signer=world.signer,
                clock=world.clock,
                entropy=world.entropy,
                on_event=owner.on_event,
                on_mark=owner.on_mark,
                on_lost=owner.fail,
                fee_symbol=config.fee_symbol,
                id_prefix=config.id_prefix,
                order_connection=orders,
                timings=config.spot_timings,
                microseconds=config.spot_microseconds,
                log=world.log,
            )
        return BinanceVenue(
            transport=world.transport,
            endpoints=endpoints,
            signer=world.signer,
            clock=world.clock,
            entropy=world.entropy,
            on_event=owner.on_event,
            on_mark=owner.on_mark,
            position_mode=config.position_mode,
            fee_symbol=config.fee_symbol,
            id_prefix=config.id_prefix,
            order_connection=orders,
            log=world.log,
        )

    async def start(self, patience: Patience = PATIENT) -> None:
        """Take the account over and return when it is guarded (I-33). Raises VenueUnavailable."""
        run = self.owner.account.run
        await self.owner.start(
            RunStarted(
                account=self.config.account,
                mode=self.config.mode,
                environment=self.config.environment,
                position_mode=self.config.position_mode,
                id_prefix=self.config.id_prefix,
                writer=run.writer + 1 if run is not None else 1,
                armed=self.config.armed,
                managers=describe(self.config.engine),
                limits=msgspec.json.encode(self.config.engine.limits).decode(),
                version=__version__,
                quiet_ms=self.world.quiet_ns // MS,
            ),
            self.venue,
            patience,
        )
        self.rounds.start()
        if self.missed is not None:
            self.missed.start()
        if self.settling is not None:
            await self.settling.run()
        if self.market is not None:
            self.market.start()
        for report in self.reports:
            self.owner.note(Noted("ledger_repaired", {"detail": report}))

    async def stop(self, reason: str) -> None:
        """Stop and keep everything: ledger, snapshot. Resting orders stay at the venue."""
        await self.rounds.stop()
        if self.missed is not None:
            await self.missed.stop()
        if self.settling is not None:
            await self.settling.stop()
        if self.market is not None:
            await self.market.stop()
        await self.owner.stop(reason)
        if not self.owner.failed.done():
            self.snapshot()
            self.journal.close()
            return
        # It failed: of what is still open as much is closed as can be; why is known already.
        with contextlib.suppress(JournalError, OSError):
            self.journal.close()

    def kill(self) -> None:
        """Die as by `kill -9`: nothing is flushed, answered or closed politely. For demo and tests."""
        self.owner.abandon()
        self.rounds.abandon()
        if self.market is not None:
            self.market.abandon()
        if self.settling is not None:
            self.settling.abandon()
        if self.missed is not None:
            self.missed.abandon()
        self._abort()
        # The connections are dead, so closing the gateway reaches nobody: it only ends the tasks and timers
        # that would have ended with the process.
        self._burial = asyncio.get_running_loop().create_task(self.venue.close(), name="burial")

    def _abort(self) -> None:
        abort = getattr(self.world.transport, "abort", None)
        if abort is None:
            raise RuntimeError("this transport cannot be aborted; kill the process instead")
        abort()

    def is_calm(self) -> bool:
        """No position waits for its stop: a good moment for what takes a while. Lots wait for none."""
        if self.config.product is Product.SPOT:
            return True
        return not any(s.naked_since for s in self.owner.account.scopes.values())

    def at_rest(self) -> None:
        """To be called now and then in a calm moment: keeps the state when enough has been recorded since."""
        if self.journal.seq < self._snapshot_due or self.owner.failed.done():
            return
        try:
            self.snapshot()
        except JournalError as error:
            self.owner.fail(error)
        except OSError as error:
            # A snapshot only saves time; that the disk cannot be written is the ledger's to say.
            self._snapshot_due = self.journal.seq + SNAPSHOT_EVERY
            self.world.log(f"no snapshot was taken: {error}")

    def snapshot(self) -> None:
        """Keep the present state, so that a restart folds only what comes after."""
        head = self.journal.durable_now()
        if isinstance(head, Head):
            self._snapshots.save(self.owner.account, head)
            self.shared.publish(head.seq, self.owner.account)
        self._snapshot_due = self.journal.seq + SNAPSHOT_EVERY

    def _called(self, call: Call) -> None:
        """A REST call of a run is part of its record."""
        detail: dict[str, str | int] = {
            "method": call.method,
            "path": call.path,
            "parameters": redact(call.parameters),
            "status": call.status,
            "latency_us": call.latency_ns // 1000,
        }
        if call.code:
            detail["code"] = call.code
        if call.message:
            detail["message"] = redact(call.message)
        self.tell(Noted(REST_CALL, detail))

    def tell(self, note: Noted) -> None:
        """Record a fact for people on behalf of what has no part in the run's fate.

        Nothing before the run's first record, and nothing once it died or its ledger is gone.
        """
        owner = self.owner
        if owner.stats.started_at and not owner.failed.done() and self._burial is None:
            owner.keep(lambda: owner.note(note))

    def _recorded(self, seq: int, at: TimeNs, body: Body) -> None:
        for listener in tuple(self.listeners):
            try:
                listener(seq, at, body)
            except Exception as error:  # noqa: BLE001 - a reader that breaks may not stop what it reads
                self.listeners.remove(listener)
                self.world.log(f"a reader of the ledger broke at record {seq}, it hears no more: {error!r}")


def open_guard(config: GuardConfig, world: World) -> Guard:
    """Open or create the ledger, repair its end, bring the state back.

    Raises DamagedLedgerError, JournalError.
    """
    snapshots = SnapshotStore(world.disk, config.ledger, pack=pack, unpack=unpack)
    opened = open_ledger(world.disk, config.ledger, snapshots)
    account = opened.snapshot.state if opened.snapshot is not None else AccountState()
    account, told = fold_and_hear(opened.tail(), account)
    journal = Journal(world.disk, config.ledger, start=opened.head, writer=world.writer)
    return Guard(
        config,
        world,
        account=account,
        told=told,
        journal=journal,
        snapshots=snapshots,
        reports=opened.reports,
    )


def describe(engine: Engine) -> str:
    """The resolved configuration as JSON text: what a replay needs to decide again."""
    return json.dumps([_described(m) for m in engine.managers], sort_keys=True, separators=(",", ":"))


def _described(manager: Manager) -> dict[str, Any]:
    code = getattr(manager.strategy, "code", None)
    return {
        "strategy": manager.strategy.name,
        "product": manager.product,
        "symbols": sorted(manager.symbols),
        "directions": sorted(manager.directions),
        "policy": json.loads(msgspec.json.encode(manager.policy)),
        **({"by_lot": True} if manager.by_lot else {}),
        **({"code": msgspec.to_builtins(code)} if code is not None else {}),
    }


def data_folder(path: str) -> Path:
    """The data folder, made when absent. Raises OSError with the folder's name."""
    folder = Path(path).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    return folder
