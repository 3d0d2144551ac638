"""The second way for spot: the whole program over bytes, before a scripted venue."""

import asyncio
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from backstay.binance.wire.endpoints import SpotEndpoints
from backstay.core.contexts import OrderContext

from tests.binance.wire import samples
from tests.conformance.by_core import slot_name
from tests.conformance.by_wire import AUTHENTICATION, ByWire, ScriptedTransport, Socket
from tests.conformance.rows import sample

ENDPOINTS = SpotEndpoints(rest="http://venue", stream="ws://venue", ws_api="ws://venue/ws-api/v3")


class SpotTransport(ScriptedTransport):
    """User data and orders have connections to one address; what is asked there tells which it is."""

    asking = "api"
    listening = frozenset({"api", "market"})

    def surface(self, url: str) -> str:
        return "api" if "ws-api" in urlsplit(url).path else "market"

    def _asked(self, socket: Socket, data: bytes) -> None:
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
    endpoints = ENDPOINTS
    transport = SpotTransport

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
