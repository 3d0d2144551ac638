"""The demo's spot story: coins bought by hand in many partial fills, each sold again at its own profit.

A Spot exchange of its own beside that of futures, a guard of its own, and an owner who buys while prices rise
and fall, the process dies and comes back, and the network goes away. The figures are the auditor's.
"""

import asyncio
import random
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

from backstay.app.demo_options import DemoOptions
from backstay.app.entropy import SeededEntropy
from backstay.app.guard import Guard, GuardConfig, World, open_guard
from backstay.app.incidents import PATIENCE_S
from backstay.app.ledger_paths import SPOT_LEDGER
from backstay.app.paper import ACCOUNT, SPOT_ENDPOINTS, PaperSpotExchange
from backstay.app.spot_auditor import SpotAuditor
from backstay.core.engine import Engine, Manager
from backstay.core.names import counted
from backstay.core.types import SECOND, Direction, Mode, PositionMode, Product, TimeNs
from backstay.ledger.disk import FileDisk
from backstay.ledger.verify import verify
from backstay.ledger.writers import InlineWriter
from backstay.runtime.ports import Lease
from backstay.runtime.virtual_time import LoopClock
from backstay.simulator.feeds.grid import Grid
from backstay.simulator.feeds.synthetic import SyntheticFeed
from backstay.simulator.spot.specs import SpotSpec, default_spot_specs
from backstay.strategies.swing.policy import SellWhen, SwingPolicy
from backstay.strategies.swing.wanted import Swing

PREFIX = "bs-"
SYMBOLS = {"SOLUSDT": SellWhen.FILL, "TRUMPUSDC": SellWhen.TARGET}
"""One symbol whose lots are offered at once, one whose lots wait for their price."""
PROFIT = Decimal("0.0015")
"""Small enough for lots to be sold within minutes."""
CALM_BP = 40
"""Typical move of a minute, in basis points: coins move more than the futures of the other story."""
LAST_BUY_S = 60
"""The owner stops buying so long before the end."""
OUTAGE = "the network of spot is gone for twelve seconds"
CUT = "the spot account's stream is cut"
KILLED = "the process that sells lots is killed, and coins are bought meanwhile"


class SpotStory:
    """Directs the spot part of one demo on the running loop."""

    def __init__(
        self,
        options: DemoOptions,
        clock: LoopClock,
        end_ns: TimeNs,
        lease: Lease,
        tell: Callable[[str], None],
    ) -> None:
        self._options = options
        self._clock = clock
        self._end_ns = end_ns
        self._lease = lease
        self._tell = tell
        self._dice = random.Random(f"backstay spot {options.seed}")
        self._specs: dict[str, SpotSpec] = {s.symbol: s for s in default_spot_specs()}
        start_ns = clock.now_ns()
        grids = {name: Grid(self._specs[name].tick, self._specs[name].step) for name in SYMBOLS}
        prices = {name: self._specs[name].price for name in SYMBOLS}
        feed = SyntheticFeed(
            tuple(SYMBOLS),
            seed=options.seed,
            start_ns=start_ns,
            rate=Decimal("0.4"),
            volatility_bp=CALM_BP,
            grids=grids,
            prices=prices,
        )
        self.exchange = PaperSpotExchange(feed, start_ns=start_ns, seed=options.seed, time_ns=clock.now_ns)
        self.auditor = SpotAuditor(PREFIX)
        self.exchange.listen(self.auditor.event)
        self.disk = FileDisk(_unused(Path(options.data_dir)))
        self.policy = SwingPolicy(profit=PROFIT)
        self.guard: Guard | None = None
        self.lost: list[str] = []
        """Incidents after which the guard did not come to rest."""
        self._starts = 0
        self._parts: list[asyncio.Task[None]] = []

    # --- the guard ----------------------------------------------------------------------------------

    def _engine(self) -> Engine:
        managers = []
        for name, when in SYMBOLS.items():
            policy = SwingPolicy(symbols=(name,), profit=PROFIT, sell_when=when)
            sides = frozenset({Direction.LONG})
            managers.append(Manager(Swing(), policy, frozenset({name}), sides, Product.SPOT, by_lot=True))
        return Engine(tuple(managers))

    async def _open(self) -> None:
        self._starts += 1
        guard = open_guard(
            GuardConfig(
                account=ACCOUNT,
                mode=Mode.PAPER,
                environment="paper",
                position_mode=PositionMode.ONE_WAY,
                engine=self._engine(),
                armed=True,
                id_prefix=PREFIX,
                endpoints=SPOT_ENDPOINTS,
                fee_symbol=next(iter(SYMBOLS)),
            ),
            World(
                transport=self.exchange.transport(),
                signer=self.exchange.signer(),
                clock=self._clock,
                entropy=SeededEntropy(f"spot {self._options.seed}/{self._starts}"),
                disk=self.disk,
                writer=InlineWriter(delay_s=0.0005),
                lease=self._lease,
                log=lambda text: self._tell(f"spot gateway: {text}"),
            ),
        )
        self.guard = guard
        guard.listeners.append(lambda *_: self.auditor.follow(guard.owner.account))
        await guard.start()

    # --- the run ------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Open everything; the story then plays by itself. Raises what the guard fails with."""
        self.exchange.start()
        await self._open()
        self._parts = [asyncio.create_task(self._buys()), asyncio.create_task(self._incidents())]

    def raise_failures(self) -> None:
        """Raise what a part of the story, or the guard, has failed with."""
        for part in self._parts:
            if part.done() and not part.cancelled() and (failure := part.exception()) is not None:
                raise failure
        if self.guard is not None and self.guard.owner.failed.done():
            raise self.guard.owner.failed.result()

    async def rest(self) -> None:
        """Nothing more is bought and nothing more goes wrong."""
        for part in self._parts:
            part.cancel()
        await asyncio.gather(*self._parts, return_exceptions=True)
        if self.exchange.network.is_unplugged:
            self.exchange.network.plug()

    async def stop(self) -> None:
        """The story is over; the figures may be asked."""
        if self.guard is not None:
            await self.guard.stop("the demo is over")
        self.exchange.close()

    async def _buys(self) -> None:
        """The account's owner, buying by hand."""
        while self._clock.now_ns() < self._end_ns - LAST_BUY_S * SECOND:
            await asyncio.sleep(self._dice.randrange(20, 60))
            self._buy()

    def _buy(self) -> None:
        """One order that others fill part by part; the smallest parts are worth less than can be sold."""
        symbol = self._dice.choice(tuple(SYMBOLS))
        spec = self._specs[symbol]
        parts = []
        for _ in range(self._dice.randrange(1, 7)):
            worth = Decimal(self._dice.randrange(3, 120))
            size = worth / spec.price // spec.step * spec.step
            parts.append(f"{max(size, spec.step):f}")
        body = {"do": "in_parts", "symbol": symbol, "parts": ",".join(parts)}
        try:
            self.exchange.control("POST", "/sim/v1/human", body)
        except ValueError as refused:
            self._tell(f"the owner buys {symbol}: refused ({refused})")
        else:
            fills = counted(len(parts), "fill")
            self._tell(f"the owner buys {symbol}, in {fills}")

    async def _incidents(self) -> None:
        await asyncio.sleep(self._dice.randrange(60, 90))
        bag: list[str] = []
        while self._clock.now_ns() < self._end_ns - (PATIENCE_S + 30) * SECOND:
            if not bag:
                bag = [KILLED, OUTAGE, CUT]
            words = bag.pop(0)
            self._tell(f"incident: {words}")
            await self._happen(words)
            if not await self._recovered():
                self.lost.append(words)
            await asyncio.sleep(self._dice.randrange(150, 400))

    async def _happen(self, words: str) -> None:
        if words == CUT:
            rule = {"match": {"surface": "ws_api", "at_ms": 0}, "effect": {"cut": {"surface": "ws_api"}}}
            self.exchange.control("POST", "/sim/v1/faults", {"rules": [rule]})
            await asyncio.sleep(5)
        elif words == OUTAGE:
            self.exchange.network.unplug()
            await asyncio.sleep(4)
            self._buy()
            await asyncio.sleep(8)
            self.exchange.network.plug()
        elif self.guard is not None:
            self.guard.kill()
            self.guard = None
            await asyncio.sleep(2)
            self._buy()
            await asyncio.sleep(2)
            await self._open()

    async def _recovered(self) -> bool:
        for _ in range(PATIENCE_S * 2):
            await asyncio.sleep(0.5)
            account = self.guard.owner.account if self.guard is not None else None
            if account is not None and account.connected and all(s.trusted for s in account.scopes.values()):
                return True
        return False

    # --- what came of it ----------------------------------------------------------------------------

    def broken(self) -> list[str]:
        """The promises that did not hold."""
        if self.guard is None:
            return ["spot: no guard ran at the end"]
        self.auditor.read_requests(self.exchange.requests())
        found = self.auditor.broken(self.guard.owner.account, self.policy)
        found += [f"not survived: {words}" for words in self.lost]
        checked = verify(self.disk, SPOT_LEDGER)
        if not checked.ok:
            found.append(f"the ledger does not verify: {checked.detail}")
        return [f"spot: {text}" for text in found]

    def min_net_profit_pct(self) -> float | None:
        """The lowest net profit of a completed lot, in percent; None: none was completed."""
        lowest = self.auditor.min_net_profit()
        return round(float(lowest * 100), 4) if lowest is not None else None


def _unused(folder: Path) -> Path:
    """A folder without the ledger of an earlier demo: every demo's Spot exchange counts its trades anew."""
    found, number = folder, 2
    while (found / SPOT_LEDGER).exists():
        found, number = folder / f"spot-{number}", number + 1
    return found
