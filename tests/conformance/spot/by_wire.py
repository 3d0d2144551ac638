"""The second way for spot: the whole program over bytes, before a scripted venue."""

import asyncio
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from backstay.app.entropy import SeededEntropy
from backstay.app.guard import GuardConfig, World, open_guard
from backstay.binance.net.transport import NotWritten, OnClosed, OnMessage
from backstay.binance.wire.endpoints import SpotEndpoints
from backstay.binance.wire.sign import HmacSigner
from backstay.core.contexts import OrderContext
from backstay.core.types import Mode, PositionMode
from backstay.ledger.writers import InlineWriter

from tests.binance.wire import samples
from tests.conformance.by_core import slot_name
from tests.conformance.by_wire import AUTHENTICATION, ByWire, ScriptedTransport, Socket, _subscribed
from tests.conformance.rows import sample

ENDPOINTS = SpotEndpoints(rest="http://venue", stream="ws://venue", ws_api="ws://venue/ws-api/v3")


class SpotTransport(ScriptedTransport):
    """User data and orders have connections to one address; what is asked there tells which it is."""

    async def websocket(
        self,
        url: str,
        on_message: OnMessage,
        on_closed: OnClosed,
        *,
        timeout_s: float = 10.0,
        quiet_s: float = 0.0,
    ) -> Socket:
        del timeout_s, quiet_s
        await asyncio.sleep(0)
        if self._dead or not self.reachable:
            raise NotWritten("the fixture's venue cannot be reached")
        api = "ws-api" in urlsplit(url).path
        socket = Socket(on_message, on_closed, self._called if api else _subscribed)
        self.sockets.append(("api" if api else "market", socket))
        return socket

    def _called(self, socket: Socket, data: bytes) -> None:
        request = json.loads(data)
        number, method = request["id"], request["method"]

        def reply(answer: bytes) -> None:
            socket.hear(json.dumps({"id": number, **json.loads(answer)}).encode())

        if method == "userDataStream.subscribe.signature":
            self.sockets.append(("private", socket))
            answer = json.dumps({"status": 200, "result": {"subscriptionId": 0}}).encode()
            asyncio.get_running_loop().call_soon(reply, answer)
        elif method == "session.subscriptions":
            reply(json.dumps({"status": 200, "result": [{"subscriptionId": 0}]}).encode())
        else:
            self._ask(method, request["params"], reply)


class SpotByWire(ByWire):
    async def start(self) -> None:
        self._runs += 1
        self._transport = SpotTransport(self._desk, self._asked)
        self._guard = open_guard(
            GuardConfig(
                account="conformance",
                mode=Mode.PAPER,
                environment="paper",
                position_mode=PositionMode.ONE_WAY,
                engine=self._engine,
                armed=True,
                endpoints=ENDPOINTS,
                fee_symbol="BTCUSDT",
            ),
            World(
                transport=self._transport,
                signer=HmacSigner("k" * 64, "s" * 64),
                clock=self._clock,
                entropy=SeededEntropy(f"conformance/{self._runs}"),
                disk=self._disk,
                writer=InlineWriter(delay_s=0.0005),
                lease=self._lease,
                log=lambda _: None,
            ),
        )
        self._guard.listeners.append(lambda *_: self._look())
        await self._guard.start()
        await asyncio.sleep(0.01)

    def push(self, frame: bytes) -> None:
        for line in frame.splitlines():
            for socket in self._transport.open_sockets("private"):
                socket.hear(line)

    def mark(self, price: str) -> None:
        frame = sample("mini", samples.SPOT_MARKET)
        frame = frame | {"E": self._desk.now_ms, "c": price, "s": "BTCUSDT"}
        for socket in self._transport.open_sockets("market"):
            socket.hear(json.dumps(frame).encode())

    def _asked(self, verb: str, params: dict[str, Any], reply: Callable[[bytes], None]) -> None:
        said = {k: v for k, v in params.items() if k not in AUTHENTICATION}
        if verb == "order.cancel":
            self._desk.cancel(said, reply)
            return
        assert verb in {"order.place", "orderList.place.oco"}, verb
        if verb == "order.place":
            names = [params["newClientOrderId"]]
        else:
            names = [params["listClientOrderId"]]
            names += [
                n for n in (params["aboveClientOrderId"], params["belowClientOrderId"]) if n != names[0]
            ]
        self._desk.place({name: slot_name(self._context(name)) for name in names}, said, reply)

    def _context(self, name: str) -> OrderContext:
        held = [s.contexts[name] for s in self.account.scopes.values() if name in s.contexts]
        assert held, f"I-18: {name} was sent without a context"
        return held[0]
