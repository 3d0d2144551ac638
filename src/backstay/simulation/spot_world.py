"""One run of spot: the real guard with the swing strategy against the simulated Spot exchange.

The machine, the processes and the way of a run are the world's (`world.py`); here are the venue, what is
heard of it, what its people do, and how a run of spot may end.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from backstay.app.guard import GuardConfig
from backstay.app.ledger_paths import SPOT_LEDGER
from backstay.app.paper import ACCOUNT, SPOT_ENDPOINTS, PaperSpotExchange
from backstay.binance.net.outcomes import StreamLost
from backstay.core.engine import Engine, Manager
from backstay.core.events import BalancesSnapshot, OperatorAction, OperatorCommand
from backstay.core.lots import every
from backstay.core.records import Body
from backstay.core.state import AccountState
from backstay.core.types import MS, Direction, Mode, PositionMode, Product
from backstay.simulation.acts import Act
from backstay.simulation.faults import Kind
from backstay.simulation.machine import Machine
from backstay.simulation.market import ShortFeed
from backstay.simulation.observers.base import PREFIX, Sent
from backstay.simulation.observers.spot_safe_stop import SafeStop
from backstay.simulation.observers.spot_watch import SPOT_AMENDS, SPOT_CANCELS, SPOT_PLACES, SpotWatch
from backstay.simulation.process import Word
from backstay.simulation.spot_acts import COMMANDS, LOT_COMMANDS, first_prices, spot_body_of
from backstay.simulation.spot_plans import KINDS
from backstay.simulation.spot_scene import spot_frame_words
from backstay.simulation.spot_setup import draw_spot_setup
from backstay.simulation.world import World
from backstay.simulator.server.request_log import Entry
from backstay.strategies.swing.wanted import Swing

READS = frozenset({"account", "openOrders", "myTrades"})


class SpotWorld(World):
    """Plays one case of spot. Made inside the loop."""

    kinds: Mapping[str, Kind] = KINDS
    commands = LOT_COMMANDS | COMMANDS
    ledger = SPOT_LEDGER
    events_come_by = "ws_api"
    watch: SpotWatch
    words = staticmethod(spot_frame_words)

    def set_stage(self) -> None:
        case, clock = self.case, self.clock
        setup = draw_spot_setup(case.seed, case.scenario)
        self.setup = setup  # type: ignore[assignment]  # another product's setup, the same role
        self.watch = SpotWatch(
            setup,
            self.start_ns // MS,
            lambda: clock.now_ns() // MS,
            price=self.price,
            account=self._account,
            flush=self._flush,
        )
        feed = ShortFeed(
            setup.traded,
            seed=case.seed,
            start_ns=self.start_ns,
            duration_ms=setup.duration_ms,
            gap_ms=setup.gap_ms * max(1, setup.duration_ms // 150_000),
            heat=setup.heat,
            prices=first_prices(setup.symbols),
            ticks={name: spec.tick for name, spec in setup.specs.items()},
        )
        self.exchange = PaperSpotExchange(  # type: ignore[assignment]  # another product's venue
            feed,
            start_ns=self.start_ns,
            seed=case.seed,
            time_ns=clock.now_ns,
            specs=setup.specs,
            held={"BNB": setup.bnb} if setup.bnb else None,
            burns_bnb=setup.burns_bnb,
            settings=setup.server,
            engine_settings=setup.engine,
        )
        for asset, row in self._venue_balances().items():
            self.watch.truth.balances[asset] = row

    def _venue_balances(self) -> dict[str, Any]:
        rows = self.exchange.engine.truth(ACCOUNT)["balances"]
        return {row["asset"]: (Decimal(row["free"]), Decimal(row["locked"])) for row in rows}

    def _account(self) -> AccountState | None:
        process = self.process
        if process is None or process.machine.dead or process.guard.journal.failure is not None:
            return None
        return process.guard.owner.account

    def _flush(self) -> None:
        if self.process is not None:
            self.process.guard.journal.durable_now()

    # --- the guard ----------------------------------------------------------------------------------

    def engine(self) -> Engine:
        long = frozenset({Direction.LONG})
        managers = [
            Manager(Swing(), policy, frozenset({symbol}), long, Product.SPOT, by_lot=True)
            for symbol, policy in self.watch.setup.policies.items()
        ]
        return Engine(tuple(managers))

    def config(self) -> GuardConfig:
        return GuardConfig(
            account=ACCOUNT,
            mode=Mode.PAPER,
            environment="paper",
            position_mode=PositionMode.ONE_WAY,
            engine=self.engine(),
            armed=True,
            id_prefix=PREFIX,
            endpoints=SPOT_ENDPOINTS,
            fee_symbol=self.setup.symbols[0],
            look_every=self.look_every,
        )

    # --- what is watched ----------------------------------------------------------------------------

    def read_request(self, machine: Machine, entry: Entry) -> Sent | None:
        endpoint, params = entry.endpoint, entry.params
        action = "place" if endpoint in SPOT_PLACES else "amend" if endpoint in SPOT_AMENDS else "cancel"
        if action == "cancel" and endpoint not in SPOT_CANCELS:
            return None
        name = "newClientOrderId" if action == "place" else "origClientOrderId"
        client_id = params.get(name) or params.get("cancelOrigClientOrderId", "")
        if action != "place" and params.get("orderId"):
            client_id = self.watch.truth.names.get(int(params["orderId"]), "")
        key = (params.get("symbol", ""), "BOTH")
        return Sent(machine, entry.at // MS, action, "regular", client_id, params, endpoint, entry, key)

    def hear(self, machine: Machine, surface: str, data: bytes) -> None:
        watch = self.watch
        if surface == "private":
            event = msgspec.json.decode(data).get("event")
            if event is not None:
                watch.told.frame(event)
            return
        if not surface.startswith("http GET"):
            return
        name, _, query = surface.partition("?")
        what = name.rpartition("/")[2]
        rounds = watch.rounds and not watch.is_blind(machine)  # they throw away what they read
        if what == "account" and not rounds:
            watch.told.read_balances(msgspec.json.decode(data))
        if what == "myTrades":
            watch.told.read_trades(msgspec.json.decode(data))
        if what in READS and self.is_up_for(machine):
            watch.spot_read(machine, what, dict(parse_qsl(query)).get("symbol", ""))

    def _recorded(self, machine: Machine, body: Body) -> None:
        """Where rounds read, what was no round's is known by its being taken in."""
        super()._recorded(machine, body)
        told = self.watch.told
        if self.watch.rounds and isinstance(body, BalancesSnapshot):
            told.take_balances(body)

    def is_up_for(self, machine: Machine) -> bool:
        """The process has a user data stream: what it reads counts from now on."""
        process = self.process
        if process is None or process.machine is not machine:
            return False
        return any(o[0] == "private" for o in process.wire.open)

    def _tell_all(self) -> None:
        """No observer of spot asks for what the process has just learnt."""

    def _on_lost(self, machine: Machine, surface: str) -> None:
        if surface == "private" and self.is_up_for(machine):
            self.tell(f"process {machine.number}: the former private connection ended")
            return  # another one has taken over (the planned reconnect): nothing was missed
        super()._on_lost(machine, surface)
        if surface == "private":
            self.watch.away_ms.setdefault(machine.number, self.watch.now_ms())

    def _on_hear(self, machine: Machine, surface: str, data: bytes) -> None:
        if surface == "private" and machine.number in self.watch.away_ms:
            for observer in self.observers:
                if isinstance(observer, SafeStop):
                    observer.stream_back(machine)
            del self.watch.away_ms[machine.number]
        super()._on_hear(machine, surface, data)

    def is_expected(self, error: BaseException) -> bool:
        """The safe stop, once the stream has been away for as long as was configured."""
        process = self.process
        if isinstance(error, StreamLost) and process is not None:
            self.tell(f"process {process.machine.number} stops safely, without its stream")
            for observer in self.observers:
                if isinstance(observer, SafeStop):
                    observer.gave_up(process.machine)
            return True
        return super().is_expected(error)

    # --- people -------------------------------------------------------------------------------------

    def body_of(self, act: Act) -> dict[str, Any] | None:
        return spot_body_of(act, self.watch.truth, self.price(act.symbol))

    def operate(self, act: Act) -> None:
        if act.do in COMMANDS:
            word = self.command(OperatorAction(act.do))
            if word is Word.SAID and act.do == "ack":
                self.watch.acks_ms.append(self.watch.now_ms())
            elif word is not Word.LOST:
                # Where it may have been kept, or not, nothing need be sold.
                self.watch.paused = act.do == "pause" or word is Word.UNKNOWN
            return
        account = self._account()
        scope = self.watch.scope(act.symbol)
        s = account.scopes.get(scope) if account is not None else None
        if s is None or s.lots is None or not s.lots.count:
            return
        lots = sorted(every(s.lots), key=lambda lot: lot.trade_id)
        lot = lots[int(act.leg) % len(lots)]
        action = OperatorAction.CLOSE if act.do == "close_lot" else OperatorAction.FORGET
        event = OperatorCommand(
            action=action, who="operator", scope=scope, reason="simulation", lot=lot.trade_id
        )
        if self.say_command(event) is not Word.LOST:
            self.watch.close_asked.setdefault((act.symbol, lot.trade_id), self.watch.now_ms())
