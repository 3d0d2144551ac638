"""The simulated Binance as one sans-I/O object: requests, frames and time in, outputs out.

A host owns sockets (or their stand-ins in memory) and the clock. It calls a method for everything that
arrives, calls
`advance` when `next_at` has come, and delivers what `outputs` returns. Every method that takes `now` first
brings the venue to that time, so that what should have happened before a request has happened.
"""

import random
from collections.abc import Mapping

from backstay.simulator.server import control
from backstay.simulator.server.auth import Credentials, Keyring
from backstay.simulator.server.clock import VenueClock
from backstay.simulator.server.connections import Conn, Outbox, count_message
from backstay.simulator.server.desk import Desk
from backstay.simulator.server.faults import FaultPlan, FaultPlanError
from backstay.simulator.server.injector import Subject
from backstay.simulator.server.outputs import Output
from backstay.simulator.server.port import EnginePort
from backstay.simulator.server.product import USDM, Product
from backstay.simulator.server.rest import RestDoor
from backstay.simulator.server.settings import HOUR, SECOND, ServerSettings
from backstay.simulator.server.streams import Streams
from backstay.simulator.server.subscriptions import Subscriptions
from backstay.simulator.server.world import World
from backstay.simulator.server.ws_api import WsApiDoor

_POLICY = 1008
_GOING_AWAY = 1001


class SimulatedBinance:
    """The venue's protocol around an engine.

    `accounts`: API key -> credentials; the engine must have opened the accounts that they name. `faults`
    count their times from `start_ns`. Deterministic: same engine, seed and calls, same outputs. `clock` is
    for hosts that run on another clock than the venue's; the handler itself takes venue time. `product` says
    whose paths, limits and habits it has; it must be the engine's.
    """

    def __init__(
        self,
        engine: EnginePort,
        accounts: Mapping[str, Credentials],
        *,
        start_ns: int,
        seed: int,
        settings: ServerSettings | None = None,
        faults: FaultPlan | None = None,
        product: Product = USDM,
    ) -> None:
        self.settings = settings or (ServerSettings.spot() if product.spot else ServerSettings())
        self.product = product
        rng = random.Random(f"backstay venue {seed}")
        self.engine = engine
        self.clock = VenueClock()
        self.now = start_ns
        self._outbox = Outbox(self.settings, random.Random(rng.randrange(2**63)))
        self.desk = Desk(
            engine, Keyring(accounts, self.settings, spot=product.spot), self.settings, rng, product
        )
        self._rest = RestDoor(self.desk, self._outbox)
        self._streams = Streams(self.desk, self._outbox)
        self._users = Subscriptions(self.desk, self._outbox, self._streams)
        self._ws_api = WsApiDoor(self.desk, self._outbox, self._users)
        self._conns: dict[int, Conn] = {}
        self._sockets: dict[int, Conn] = {}
        self.world = World(
            self.desk,
            self._streams,
            self._ws_api,
            self._users,
            self._outbox,
            lambda: list(self._conns.values()),
        )
        self.desk.world = self.world.act
        if faults is not None:
            self._check(faults)
            self.desk.injector.install(faults, start_ns)

    def http(
        self,
        conn: int,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes,
        now: int,
        peer: str = "127.0.0.1",
    ) -> None:
        """One HTTP request on connection `conn`. `target` is path and query exactly as sent."""
        self.advance(now)
        found = self._conns.get(conn)
        if found is None:
            found = self._conns[conn] = Conn(conn, "rest", peer, now)
        if found.dead or found.gone:
            return
        self._rest.request(found, method, target, headers, body, now)
        self._flush(now)

    def ws_open(self, conn: int, target: str, now: int, peer: str = "127.0.0.1") -> int:
        """A WebSocket handshake. Returns 101, or the HTTP status with which to refuse it."""
        self.advance(now)
        handshake = self.product.open_target(target)
        if isinstance(handshake, int):
            return handshake
        refusals = self.desk.injector.connection(Subject(surface=handshake.surface), now)
        if refusals:
            return int(refusals[0].args["status"])
        if len(handshake.streams) > self.settings.streams_per_connection:
            return 400
        found = Conn(conn, handshake.surface, peer, now)
        found.return_limits, found.micro = handshake.return_limits, handshake.micro
        if handshake.surface == "ws_api":
            refused = self._ws_api.connected(found, now)
            if refused is not None:
                return refused.status
        found.pinged = found.ponged = now
        found.closes = now + int(self.settings.connection_hours * HOUR)
        self._conns[conn] = self._sockets[conn] = found
        if handshake.surface != "ws_api":
            self._streams.opened(found, handshake)
        return 101

    def ws_message(self, conn: int, data: bytes, now: int) -> None:
        """One complete text or binary message of the client."""
        self.advance(now)
        found = self._incoming(conn, now)
        if found is None:
            return
        if found.surface == "ws_api":
            self._ws_api.message(found, data, now)
        else:
            self._streams.message(found, data, now)
        self._flush(now)

    def ws_ping(self, conn: int, data: bytes, now: int) -> None:
        self.advance(now)
        found = self._incoming(conn, now)
        if found is not None:
            self._outbox.pong(found, self._outbox.due(now, self._outbox.ack), data)

    def ws_pong(self, conn: int, _data: bytes, now: int) -> None:
        self.advance(now)
        found = self._incoming(conn, now)
        if found is not None:
            found.ponged = now

    def closed(self, conn: int, now: int) -> None:
        """The connection is gone, whoever closed it."""
        self.advance(now)
        found = self._conns.pop(conn, None)
        if found is not None:
            found.gone = True
            self._sockets.pop(conn, None)
            self._streams.closed(found)
            self._users.closed(found)

    def advance(self, now: int) -> None:
        """Bring the venue to `now`, step by step, so that every event carries and keeps its own time."""
        moment = self.next_at()
        while moment is not None and moment <= now:
            self._step(max(moment, self.now))
            following = self.next_at()
            if following is not None and following <= moment:
                break
            moment = following
        if now > self.now:
            self._step(now)

    def next_at(self) -> int | None:
        """Venue time of the next thing that happens by itself; None when nothing will."""
        others = (self.engine.next_at(), self.desk.keys.next_at(), self.desk.injector.next_at())
        first = min((m for m in others if m is not None), default=None)
        every, within = self.settings.ping_every_s * SECOND, self.settings.pong_within_s * SECOND
        notice = self.settings.shutdown_notice_s * SECOND
        for conn in self._sockets.values():
            if conn.gone:
                continue
            due = conn.pinged + every
            due = min(due, conn.closes)
            if notice and not conn.warned:
                due = min(due, conn.closes - notice)
            if conn.ponged < conn.pinged:
                due = min(due, conn.ponged + within)
            if conn.held:
                due = min(due, conn.held[0][0])
            if first is None or due < first:
                first = due
        return first

    def outputs(self) -> list[Output]:
        """What has come up for delivery since the last call."""
        return self._outbox.drain()

    def control(self, method: str, path: str, body: bytes, now: int) -> tuple[int, bytes]:
        """A request of the control side (`/sim/v1/...`). Returns HTTP status and JSON body."""
        self.advance(now)
        answer = control.handle(self, method, path, body, max(now, self.now))
        self._flush(self.now)
        return answer

    def install(self, plan: FaultPlan, now: int) -> None:
        """Add the rules of a plan; their times count from `now`. Raises `FaultPlanError`."""
        self._check(plan)
        self.desk.injector.install(plan, now)
        self._step(now)

    def clear_faults(self, now: int) -> None:
        """Forget all rules and end the states that they made."""
        for change in self.desk.injector.clear():
            self.world.change(change, now)

    def _check(self, plan: FaultPlan) -> None:
        for rule in plan.rules:
            if rule.effect.kind in self.product.foreign:
                raise FaultPlanError(
                    f"rule {rule.name!r}: the effect {rule.effect.kind} does not exist on {self.product.name}"
                )

    def _incoming(self, conn: int, now: int) -> Conn | None:
        found = self._conns.get(conn)
        if found is None or found.dead or found.gone:
            return None
        if found.surface != "ws_api" and not count_message(found, self.settings.messages_per_second, now):
            self._outbox.close(found, self._outbox.due(now, 0), _POLICY, "Too many requests")
            return None
        return found

    def _step(self, now: int) -> None:
        self.now = max(self.now, now)
        for change in self.desk.injector.due(now):
            self.world.change(change, now)
        self.engine.advance(now)
        self._flush(now)
        for key in self.desk.keys.expired(now):
            self._streams.expired(key, now)
        self._tend_sockets(now)

    def _tend_sockets(self, now: int) -> None:
        every, within = self.settings.ping_every_s * SECOND, self.settings.pong_within_s * SECOND
        notice = self.settings.shutdown_notice_s * SECOND
        for conn in list(self._sockets.values()):
            if conn.gone:
                continue
            if now >= conn.closes:
                self._outbox.close(conn, now, _GOING_AWAY, "connection lifetime is over")
                continue
            if notice and not conn.warned and now >= conn.closes - notice:
                self._users.shut_down(conn, now)
            if conn.ponged < conn.pinged and now >= conn.ponged + within:
                self._outbox.close(conn, now, _POLICY, "Pong timeout")
                continue
            if now >= conn.pinged + every:
                conn.pinged = now
                self._outbox.ping(conn, now, str(self.desk.clock_ms(now)).encode())
            if conn.held and now >= conn.held[0][0]:
                self._outbox.release(conn, now)

    def _flush(self, now: int) -> None:
        # A fault that follows from a frame may make the engine speak again: go on until it is silent.
        private = self._users.private if self.product.spot else self._streams.private
        while events := self.engine.take_user_events():
            for account, event in events:
                private(account, event, now)
        for stream, payload in self.engine.take_market_events():
            self._streams.market(stream, payload, now)
