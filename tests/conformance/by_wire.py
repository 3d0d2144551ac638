"""The second way: the whole program over bytes. Owner, executor, recoverer, ledger, gateway and codec are the
real ones; what is scripted is the venue at the other end of the transport.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from backstay.app.entropy import SeededEntropy
from backstay.app.guard import Guard, GuardConfig, World, open_guard
from backstay.app.host import GuardHost
from backstay.binance.net.transport import HttpReply, NotWritten, OnClosed, OnMessage
from backstay.binance.wire.endpoints import UsdmEndpoints
from backstay.binance.wire.sign import HmacSigner
from backstay.core.engine import Engine
from backstay.core.events import OperatorAction, OperatorCommand
from backstay.core.state import AccountState
from backstay.core.types import Mode, PositionMode, Trust
from backstay.ledger.memory_disk import MemoryDisk
from backstay.ledger.writers import InlineWriter
from backstay.runtime.virtual_time import LoopClock

from tests.binance.wire import samples
from tests.conformance.by_core import slot_name
from tests.conformance.desk import Desk
from tests.conformance.rows import sample

VERBS = {
    "place": "place",
    "modify": "amend",
    "cancel": "cancel",
    "POST": "place",
    "PUT": "amend",
    "DELETE": "cancel",
}
AUTHENTICATION = {"apiKey", "signature", "timestamp", "recvWindow"}
ENDPOINTS = UsdmEndpoints(
    rest="http://venue",
    public_stream="ws://venue/public",
    market_stream="ws://venue/market",
    private_stream="ws://venue/private",
    ws_api="ws://venue/ws-fapi/v1",
)


class Held:
    """The lease, which a fixture may take away."""

    mine = True

    def held(self) -> bool:
        return self.mine


class Socket:
    def __init__(
        self, on_message: OnMessage, on_closed: OnClosed, on_sent: Callable[["Socket", bytes], None]
    ) -> None:
        self.hear, self._on_closed, self._on_sent = on_message, on_closed, on_sent
        self.is_open = True

    def send(self, data: bytes) -> None:
        if not self.is_open:
            raise NotWritten("closed")
        self._on_sent(self, data)

    def close(self) -> None:
        self.end("closed by us")

    def end(self, reason: str) -> None:
        if self.is_open:
            self.is_open = False
            asyncio.get_running_loop().call_soon(self._on_closed, reason)

    def vanish(self) -> None:
        self.is_open = False


class ScriptedTransport:
    """The `Transport` port over a desk: bytes in, bytes out, in the order in which the fixture says them."""

    def __init__(
        self, desk: Desk, ask: Callable[[str, dict[str, Any], Callable[[bytes], None]], None]
    ) -> None:
        self._desk, self._ask = desk, ask
        self.sockets: list[tuple[str, Socket]] = []
        self.reachable = True
        self._dead = False

    async def http(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float
    ) -> HttpReply:
        del headers, body, timeout_s
        if self._dead:
            raise NotWritten("the process is gone")
        await asyncio.sleep(0)
        where = urlsplit(url)
        query = dict(parse_qsl(where.query))
        what = where.path.rpartition("/")[2]
        if what == "time":
            return _json(200, {"serverTime": self._desk.now_ms})
        if what == "listenKey":
            return _json(200, sample("listen_key"))
        if method != "GET":
            future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
            self._ask(VERBS[method], query, future.set_result)
            answer = json.loads(await future)
            return _json(answer["status"], answer.get("result") or answer["error"])
        self._desk.reads_made += 1
        if self._desk.reads.status != 200:
            return _json(self._desk.reads.status, {"code": -1000, "msg": "the fixture refuses reads"})
        status, rows = self._desk.read(where.path, query)
        return HttpReply(status, {}, rows)

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
        surface = self.surface(url)
        if self._dead or (surface in self.listening and not self.reachable):
            raise NotWritten("the fixture's venue cannot be reached")
        socket = Socket(on_message, on_closed, self._asked if surface == self.asking else _subscribed)
        self.sockets.append((surface, socket))
        return socket

    asking = "ws-fapi"
    """The surface that takes requests."""
    listening = frozenset({"private"})
    """The surfaces that cannot be reached while the fixture's stream is lost."""

    def surface(self, url: str) -> str:
        """What a connection to this address is for."""
        return urlsplit(url).path.split("/")[1]

    def _asked(self, socket: Socket, data: bytes) -> None:
        request = json.loads(data)

        def reply(answer: bytes) -> None:
            socket.hear(json.dumps({"id": request["id"], **json.loads(answer)}).encode())

        self._ask(VERBS[request["method"].partition(".")[2]], request["params"], reply)

    def open_sockets(self, surface: str) -> list[Socket]:
        return [s for name, s in self.sockets if name == surface and s.is_open]

    def abort(self) -> None:
        self._dead = True
        for _, socket in self.sockets:
            socket.vanish()

    async def close(self) -> None:
        for _, socket in self.sockets:
            socket.close()


def _subscribed(socket: Socket, data: bytes) -> None:
    """A control frame of a market stream; its answer says that it was understood."""
    answer = json.dumps({"result": None, "id": json.loads(data)["id"]}).encode()
    asyncio.get_running_loop().call_soon(socket.hear, answer)


def _json(status: int, body: Any) -> HttpReply:
    return HttpReply(status, {}, json.dumps(body).encode())


class ByWire:
    """One guard on a disk in memory, before a scripted venue."""

    name = "wire"
    endpoints: Any = ENDPOINTS
    transport: type[ScriptedTransport] = ScriptedTransport

    def __init__(self, desk: Desk, engine: Engine, clock: LoopClock) -> None:
        self._desk, self._engine, self._clock = desk, engine, clock
        self._disk = MemoryDisk()
        self._lease = Held()
        self._runs = 0
        self._guard: Guard | None = None
        self.distrusted = False

    @property
    def guard(self) -> Guard:
        assert self._guard is not None
        return self._guard

    @property
    def account(self) -> AccountState:
        return self.guard.owner.account

    # --- what a fixture does --------------------------------------------------------------------

    async def start(self) -> None:
        self._runs += 1
        self._transport = self.transport(self._desk, self._asked)
        self._guard = open_guard(
            GuardConfig(
                account="conformance",
                mode=Mode.PAPER,
                environment="paper",
                position_mode=PositionMode.HEDGE if self._desk.case.given.hedge else PositionMode.ONE_WAY,
                engine=self._engine,
                armed=True,
                endpoints=self.endpoints,
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

    async def restart(self) -> None:
        self.guard.kill()
        self._disk = self._disk.copy()
        await asyncio.sleep(1)
        await self.start()

    def push(self, frame: bytes) -> None:
        for socket in self._transport.open_sockets("private"):
            socket.hear(frame)

    def mark(self, price: str) -> None:
        frame = sample("mark_price", samples.MARKET)
        frame |= {"E": self._desk.now_ms, "p": price}
        for socket in self._transport.open_sockets("market"):
            socket.hear(json.dumps(frame).encode())

    def stream(self, state: str) -> None:
        self._transport.reachable = state == "back"
        if state == "lost":
            for socket in self._transport.open_sockets("private"):
                socket.end("the fixture ends the connection")

    def lease(self, state: str) -> None:
        self._lease.mine = state == "back"

    def operator(self, action: OperatorAction) -> None:
        GuardHost(self.guard).command(OperatorCommand(action=action, who="operator"))

    async def wait(self, ms: int) -> None:
        await asyncio.sleep(ms / 1000)
        if self.guard.owner.failed.done():
            raise self.guard.owner.failed.result()

    async def stop(self) -> None:
        await self.guard.stop("the case is over")

    # --- what comes of it -----------------------------------------------------------------------

    def _look(self) -> None:
        if any(s.trust is not Trust.TRUSTED for s in self.account.scopes.values()):
            self.distrusted = True

    def _asked(self, verb: str, params: dict[str, Any], reply: Callable[[bytes], None]) -> None:
        names = ("clientAlgoId", "newClientOrderId", "origClientOrderId")
        custom_id = next(params[n] for n in names if n in params)
        held = [s.contexts[custom_id] for s in self.account.scopes.values() if custom_id in s.contexts]
        assert held, f"I-18: {custom_id} was sent without a context"
        said = {k: v for k, v in params.items() if k not in AUTHENTICATION}
        self._desk.ask(verb, slot_name(held[0]), said, reply)
