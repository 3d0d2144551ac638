"""One run of spot holdings under guard: bought, added to and partly sold by hand, each under one list."""

import asyncio
from typing import Any

import msgspec

from backstay.core.engine import Engine, Manager
from backstay.core.events import FillsSnapshot, OperatorAction
from backstay.core.records import Body
from backstay.core.types import MS, Direction, Product
from backstay.simulation.acts import Act
from backstay.simulation.machine import Machine
from backstay.simulation.observers.base import Sent
from backstay.simulation.process import Word
from backstay.simulation.spot_world import SpotWorld
from backstay.simulator.server.request_log import Entry
from backstay.strategies.position_manager.wanted import PositionManager

LIST = "POST /api/v3/orderList/oco"


class GuardedWorld(SpotWorld):
    """Plays one case of guarded holdings. Made inside the loop."""

    def engine(self) -> Engine:
        long = frozenset({Direction.LONG})
        guards = self.watch.setup.guards.items()
        return Engine(
            tuple(Manager(PositionManager(), p, frozenset({name}), long, Product.SPOT) for name, p in guards)
        )

    def read_request(self, machine: Machine, entry: Entry) -> Sent | None:
        sent = super().read_request(machine, entry)
        if sent is None or entry.endpoint != LIST:
            return sent
        return msgspec.structs.replace(sent, client_id=entry.params.get("aboveClientOrderId", ""))

    def _arrived(self, entry: Entry) -> None:
        super()._arrived(entry)
        above = self.watch.sent.get(entry.params.get("aboveClientOrderId", ""))
        if entry.endpoint == LIST and above is not None:
            self.watch.sent[entry.params.get("belowClientOrderId", "")] = above

    def _recorded(self, machine: Machine, body: Body) -> None:
        super()._recorded(machine, body)
        if isinstance(body, FillsSnapshot):
            asyncio.get_running_loop().call_soon(self._follow, body.symbol)

    def _follow(self, symbol: str) -> None:
        """Since when a symbol is followed; a first read that a power cut took from the ledger never was."""
        process = self.process
        s = process.guard.owner.account.scopes.get(self.watch.scope(symbol)) if process is not None else None
        if s is not None and s.lots is not None:
            self.watch.followed[symbol] = s.lots.followed_at // MS

    def hear(self, machine: Machine, surface: str, data: bytes) -> None:
        super().hear(machine, surface, data)
        for observer in self.observers:
            observer.heard(set())

    def act(self, act: Act) -> None:
        if act.do == "close_scope":
            if self.command(OperatorAction.CLOSE, self.watch.scope(act.symbol)) is not Word.LOST:
                self.watch.closing[act.symbol, "BOTH"] = self.watch.now_ms()
            return
        if act.do == "sell_part":
            self._free(act.symbol)
        super().act(act)

    def _free(self, symbol: str) -> None:
        """By hand: what locks the holding is taken back."""
        lists: set[Any] = set()
        for order in list(self.watch.truth.resting(symbol, ours=True)):
            if order.list_id in lists:
                continue
            lists.add(order.list_id)
            body = {"do": "cancel", "symbol": symbol, "orderId": str(order.order_id)}
            self.tell(f"by hand: {body}")
            self.control("POST", "/sim/v1/human", body)
