"""One run: the real guard on a virtual machine, against the simulated venue, among people and faults.

A run is a pure function of its case: the seed, the scenario, and the acts and faults that were drawn from
them (or what a shrinker left of these).
"""

import asyncio
from collections.abc import Collection, Mapping
from decimal import Decimal
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from backstay.app.guard import GuardConfig
from backstay.app.ledger_paths import LEDGER
from backstay.app.paper import ACCOUNT, ENDPOINTS, PaperExchange
from backstay.core.engine import Engine, Manager
from backstay.core.events import OperatorAction
from backstay.core.reviews import CONFLICT
from backstay.core.types import MS, SECOND, Mode, PositionMode, PositionSide, Product, Scope
from backstay.runtime.virtual_time import LoopClock
from backstay.simulation.acts import OPERATOR, Act, body_of
from backstay.simulation.case import Case, Outcome
from backstay.simulation.faults import Fault, Kind
from backstay.simulation.life import Life
from backstay.simulation.machine import Machine
from backstay.simulation.market import ShortFeed
from backstay.simulation.mishaps import Mishaps
from backstay.simulation.observers.base import AMENDS, CANCELS, PLACES, PREFIX, Observer, Sent, Watch
from backstay.simulation.observers.every import ALL
from backstay.simulation.plans import KINDS
from backstay.simulation.process import DULL, TENDING, HeardLog, Word
from backstay.simulation.setup import Setup, draw_setup, scenario
from backstay.simulation.words import frame_words
from backstay.simulator.server.request_log import Entry
from backstay.strategies.position_manager.wanted import PositionManager

D = Decimal
SETTLE_S = 320
"""After the last fault: within this everything must have come to rest (absence of an accepted conditional
order alone takes a minute to prove)."""
CALM_S = 20
"""So long nothing was missing and nothing was sent; with rounds some of them besides."""
QUIET_S = 30


class World(Life):
    """Plays one case. Made inside the loop."""

    def __init__(
        self, case: Case, clock: LoopClock, *, observers: tuple[type[Observer], ...] = ALL, tell: bool = False
    ) -> None:
        super().__init__(clock)
        self.case = case
        self.start_ns = clock.now_ns()
        self.look_every = scenario(case.scenario).look_every
        self.set_stage()
        self.watch.rounds = bool(self.look_every)
        self.watch.disk = lambda: self._disk
        self.observers = [make(self.watch) for make in observers]
        self.told_story = tell
        self.story: list[tuple[int, str]] = []
        self.heard = 0
        self.fault_counts: dict[str, int] = {}
        self.over = False
        self._digest = sha256(usedforsecurity=False)
        self.traffic = 0
        """Requests that reached the venue, but for those that tend a connection (rounds never end)."""
        self.exchange.listen(self._happened)
        desk = self.exchange.venue.desk
        desk.log = HeardLog(self.setup.server.request_log, self._arrived)
        self.mishaps = Mishaps(self)

    # --- the product that is played -------------------------------------------------------------------

    kinds: Mapping[str, Kind] = KINDS
    commands: Collection[str] = OPERATOR
    """The acts that are the operator's."""
    ledger = LEDGER
    events_come_by = "private"
    """The venue's surface that the account's events come by."""

    def set_stage(self) -> None:
        """What the seed draws: the setup, what is watched, the venue with its market."""
        case, clock = self.case, self.clock
        self.setup: Setup = draw_setup(case.seed, case.scenario)
        self.watch = Watch(self.setup, self.start_ns // MS, lambda: clock.now_ns() // MS)
        setup = self.setup
        feed = ShortFeed(
            setup.symbols,
            seed=case.seed,
            start_ns=self.start_ns,
            duration_ms=setup.duration_ms,
            gap_ms=setup.gap_ms,
            heat=setup.heat,
        )
        self.exchange: PaperExchange = PaperExchange(
            feed,
            start_ns=self.start_ns,
            seed=case.seed,
            time_ns=clock.now_ns,
            hedge=setup.hedge,
            settings=setup.server,
            engine_settings=setup.engine,
        )

    def engine(self) -> Engine:
        """As configured."""
        policy = self.setup.policy
        manager = Manager(PositionManager(), policy, frozenset(self.setup.symbols), frozenset(policy.sides))
        return Engine((manager,), self.setup.limits)

    def config(self) -> GuardConfig:
        """What the guard is configured to be."""
        setup = self.setup
        return GuardConfig(
            account=ACCOUNT,
            mode=Mode.PAPER,
            environment="paper",
            position_mode=PositionMode.HEDGE if setup.hedge else PositionMode.ONE_WAY,
            engine=self.engine(),
            armed=True,
            id_prefix=PREFIX,
            endpoints=ENDPOINTS,
            fee_symbol=setup.symbols[0],
            look_every=self.look_every,
        )

    # --- what is watched ----------------------------------------------------------------------------

    def tell(self, words: str) -> None:
        """A line of the story, if anybody listens."""
        if self.told_story:
            self.story.append((self.clock.now_ns() // MS - self.watch.start_ms, words))

    def _arrived(self, entry: Entry) -> None:
        machine = self._sender
        self.traffic += entry.endpoint not in TENDING and not self.watch.rounds
        if machine is None:
            return
        sent = self.read_request(machine, entry)
        if sent is None:
            for observer in self.observers:
                observer.requested(machine, entry.endpoint)
            return
        self._digest.update(f"{entry.at} {entry.endpoint} {sent.client_id}\n".encode())
        for observer in self.observers:
            observer.arrived(sent)
        self.watch.all_sent.append(sent)
        if sent.action == "place":
            self.watch.sent[sent.client_id] = sent
        if self.told_story:
            shown = {k: v for k, v in entry.params.items() if k not in DULL}
            self.tell(f"request {entry.endpoint} {shown}")

    def read_request(self, machine: Machine, entry: Entry) -> Sent | None:
        """A mutation as observers see it; None for every other request."""
        endpoint = entry.endpoint
        surface = PLACES.get(endpoint) or CANCELS.get(endpoint) or AMENDS.get(endpoint)
        if surface is None:
            return None
        params = entry.params
        name = "clientAlgoId" if surface == "algo" else "newClientOrderId"
        action = "place" if endpoint in PLACES else "amend" if endpoint in AMENDS else "cancel"
        if action != "place" and surface == "regular":
            name = "origClientOrderId"
        client_id = params.get(name, "")
        placed = self.watch.sent.get(client_id) if action != "place" else None
        leg = (
            placed.key
            if placed is not None
            else (params.get("symbol", ""), params.get("positionSide", "BOTH"))
        )
        return Sent(machine, entry.at // MS, action, surface, client_id, params, endpoint, entry, leg)

    def _happened(self, frame: dict[str, Any]) -> None:
        legs = self.watch.truth.frame(frame)
        for observer in self.observers:
            observer.happened(frame, legs)
        if self.told_story:
            self.tell(f"venue: {self.words(frame)}")

    words = staticmethod(frame_words)

    def _on_send(self, machine: Machine, surface: str, data: bytes) -> None:
        self._sender = machine

    def _on_hear(self, machine: Machine, surface: str, data: bytes) -> None:
        self.heard += 1
        if self.process is not None and machine is self.process.machine:
            self.hear(machine, surface, data)

    def hear(self, machine: Machine, surface: str, data: bytes) -> None:
        """The running process is told something by the venue."""
        if surface == "private":
            frame = msgspec.json.decode(data)
            legs = self.watch.told.frame(frame)
            for observer in self.observers:
                observer.heard(legs)
            return
        if not surface.startswith("http GET"):
            return
        name, _, query = surface.partition("?")
        told, now = self.watch.told, self.watch.now_ms()
        asked = dict(parse_qsl(query))
        symbol = asked.get("symbol", "")
        if self.watch.rounds and not symbol and not self.watch.is_blind(machine):
            return  # a round throws away what it reads
        if name.endswith("positionRisk"):
            told.read_positions(msgspec.json.decode(data), now, symbol, int(asked["timestamp"]))
        elif name.endswith("openOrders"):
            told.read_ends(msgspec.json.decode(data), symbol, self.watch.truth)
        elif name.endswith(("openAlgoOrders", "/algoOrder")):
            rows = msgspec.json.decode(data)
            told.read(rows if isinstance(rows, list) else [rows], now)
        if not symbol:
            self.watch.was_read(machine, name)
        self._tell_all()

    def _tell_all(self) -> None:
        """The process may have learnt anything."""
        for observer in self.observers:
            observer.heard(set(self.watch.told.legs))

    def _on_lost(self, machine: Machine, surface: str) -> None:
        self.tell(f"process {machine.number}: the {surface} connection ended")
        if surface == "private":
            self.watch.stream_lost(machine)

    # --- people ---------------------------------------------------------------------------------------

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """A request to the venue's control side. Raises ValueError."""
        return self.exchange.control(method, path, body)

    def price(self, symbol: str) -> Decimal:
        """The last price of a market."""
        return self.exchange.engine.last(symbol)

    def act(self, act: Act) -> None:
        """Somebody does something; what the venue refuses is not done."""
        if act.do in self.commands:
            self.operate(act)
            return
        if act.do == "move":
            price = self.price(act.symbol) * (1 + act.amount / 10_000)
            self.tell(f"the market of {act.symbol} jumps by {act.amount} bp to {price:.2f}")
            self.control("POST", "/sim/v1/price", {"symbol": act.symbol, "price": f"{price:f}"})
            return
        body = self.body_of(act)
        if body is None:
            return
        self.tell(f"by hand: {act.do} {body}")
        try:
            self.control("POST", "/sim/v1/human", body)
        except ValueError as refused:
            self.tell(f"by hand: {act.do} was refused ({refused})")

    def body_of(self, act: Act) -> dict[str, Any] | None:
        """What the venue is asked for this act; None: it means nothing here and now."""
        return body_of(act, self.watch.truth, self.price(act.symbol), hedge=self.setup.hedge)

    def operate(self, act: Act) -> None:
        """The operator of the guard."""
        watch = self.watch
        if act.do == "close_scope":
            side = act.leg if self.setup.hedge else "BOTH"
            watch.closing[act.symbol, side] = watch.now_ms()
            self.command(OperatorAction.CLOSE, Scope(Product.USDM, act.symbol, PositionSide(side)))
        elif self.command(OperatorAction(act.do)) is Word.SAID and act.do == "kill":
            watch.flattening_ms = watch.flattening_ms or watch.now_ms()

    # --- the run --------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Everything, from the first start to the verdicts."""
        self.exchange.start()
        at_once = [f for f in self.case.faults if not f.at_ms]
        for fault in at_once:
            self.befall(fault)
        await self.boot()
        todo: list[tuple[int, int, Act | Fault]] = [(a.at_ms, 0, a) for a in self.case.acts]
        todo += [(f.at_ms, 1, f) for f in self.case.faults if f.at_ms]
        for at_ms, _, item in sorted(todo, key=lambda t: t[:2]):
            await self.until_ms(at_ms)
            if isinstance(item, Act):
                self.act(item)
            else:
                self.befall(item)
        await self.until_ms(self.setup.duration_ms)
        self.mishaps.heal()
        await self.settle()
        self.over = True
        for observer in self.observers:
            observer.over(self)
        await self.finish()

    def befall(self, fault: Fault) -> None:
        """A fault's moment has come."""
        self.fault_counts[fault.kind] = self.fault_counts.get(fault.kind, 0) + 1
        self.mishaps.happen(fault)

    async def until_ms(self, at_ms: int) -> None:
        """Sleep until so long after the beginning."""
        delay = at_ms / 1000 - (self.clock.now_ns() - self.start_ns) / SECOND
        if delay > 0:
            await asyncio.sleep(delay)

    async def settle(self) -> None:
        """Wait until every promise about rest holds, with an operator who answers to alarms; then watch the
        quiet.
        """
        resting = [o for o in self.observers if hasattr(o, "complaints")]
        calm = traffic = 0
        enough = CALM_S + 3 * self.look_every
        for second in range(SETTLE_S):
            await asyncio.sleep(1)
            if second % 10 == 9:
                self.acknowledge()
            complaints = [c for o in resting for c in o.complaints()]
            traffic, before = self.traffic, traffic
            good = not complaints and traffic == before and self.is_up() and not self.is_waiting()
            calm = calm + 1 if good else 0
            if calm >= enough:
                break
        self.tell("at rest" if calm >= enough else "not at rest")
        for observer in self.observers:
            if hasattr(observer, "begin_quiet"):
                observer.begin_quiet()
        await asyncio.sleep(QUIET_S)

    def is_up(self) -> bool:
        """A process is ready and listens to the account."""
        process = self.process
        return process is not None and process.ready and any(o[0] == "private" for o in process.wire.open)

    def is_waiting(self) -> bool:
        """Something refused, not sent or not read is to be tried again at a certain time."""
        if self.process is None:
            return True
        now, missed = self.process.machine.now_ns(), self.process.guard.missed
        if missed is not None and missed.waits:
            return True
        scopes = self.process.guard.owner.account.scopes.values()
        return any(s.retry_at > now or any(block.until > now for block in s.blocks) for s in scopes)

    def acknowledge(self) -> None:
        """An operator looks and acknowledges what waits for a human."""
        process = self.process
        if process is None or not process.ready:
            return
        account = process.guard.owner.account
        stuck = [
            k
            for k, s in account.scopes.items()
            if s.trust.value == "MANUAL_REVIEW" or any(b.effect == CONFLICT for b in s.blocks)
        ]
        if stuck or process.guard.venue.status().halted or "venue_halt" in account.gates:
            self.command(OperatorAction.ACK)
        for key in stuck:
            self.command(OperatorAction.ACK, key)

    async def finish(self) -> None:
        """Stop what runs; leave nothing behind."""
        self._stop_starts = True
        if self.next_start is not None:
            self.next_start.cancel()
        for process in (self.other, self.process):
            if process is not None and not process.machine.dead:
                self.boundaries += process.machine.boundaries
                process.machine.disarm()
                stop = process.guard.stop("the run is over")
                await asyncio.get_running_loop().create_task(stop, context=process.machine.context)
        self.exchange.close()
        if self.exchange.network.pump.failure is not None:
            raise self.exchange.network.pump.failure

    def outcome(self) -> Outcome:
        """What came of it."""
        if self.ledger in self._disk._files:  # noqa: SLF001 - the disk is part of this machine
            self._digest.update(self._disk.read(self.ledger))
        naked = next((o for o in self.observers if o.name == "naked"), None)
        return Outcome(
            seed=self.case.seed,
            scenario=self.case.scenario,
            violations=sorted(self.watch.violations, key=lambda v: v.at_ms),
            events=self.heard,
            private_events=self.watch.truth.frames,
            requests=self.exchange.venue.desk.log.count,
            faults=self.fault_counts,
            crashes=self.crashes,
            hits=self.hits,
            boundaries=self.boundaries,
            recovery_ms=self.recovery_ms,
            naked_ms=getattr(naked, "lengths", []),
            digest=self._digest.hexdigest(),
            story=self.story,
        )
