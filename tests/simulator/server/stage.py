"""A venue with a scripted engine behind it, and a hand for every door: what the protocol tests share."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from backstay.simulator.errors import Refusal
from backstay.simulator.server.auth import Credentials
from backstay.simulator.server.faults import FaultPlan
from backstay.simulator.server.handler import SimulatedBinance
from backstay.simulator.server.outputs import Answer, Frame, Output
from backstay.simulator.server.settings import ServerSettings
from backstay.simulator.settings import EngineFaults

MS = 1_000_000
SECOND = 1_000_000_000
START = 1_790_000_040 * SECOND  # a full minute and a full ten seconds
KEY = "k" * 64
SECRET = "s" * 64


class ScriptedEngine:
    """Echoes calls and emits what a test puts into it; knows nothing of markets."""

    def __init__(self) -> None:
        self.now = START
        self.wanted: set[str] = set()
        self.faults = EngineFaults()
        self.calls: list[tuple[str | None, str, dict[str, str]]] = []
        self.user: list[tuple[str, dict[str, Any]]] = []
        self.market: list[tuple[str, Any]] = []
        self.refuse: Refusal | None = None
        self.forced: list[tuple[str, str, str]] = []
        self.prices: dict[str, str] = {}

    def call(self, account: str | None, endpoint: str, params: Mapping[str, str], now: int) -> Any:
        self.calls.append((account, endpoint, dict(params)))
        if self.refuse is not None:
            raise self.refuse
        if endpoint == "POST /fapi/v1/order":
            self.user.append((str(account), order_event(params.get("newClientOrderId", "id"))))
        return {"endpoint": endpoint, "account": account, "params": dict(params)}

    def advance(self, now: int) -> None:
        self.now = now

    def next_at(self) -> int | None:
        return None

    def take_user_events(self) -> list[tuple[str, dict[str, Any]]]:
        events, self.user = self.user, []
        return events

    def take_market_events(self) -> list[tuple[str, Any]]:
        events, self.market = self.market, []
        return [e for e in events if e[0] in self.wanted]

    def set_price(self, symbol: str, price: Any, now: int) -> None:
        self.prices[symbol] = str(price)

    def human(self, account: str, action: dict[str, Any], now: int) -> Any:
        return {"done": action}

    def truth(self, account: str) -> dict[str, Any]:
        return {"positions": [], "orders": [], "account_name": account}

    def force_adl(self, account: str, symbol: str, now: int, *, position_side: str | None = None) -> None:
        self.forced.append(("adl", account, symbol))

    def force_liquidation(
        self, account: str, symbol: str, now: int, *, position_side: str | None = None
    ) -> None:
        self.forced.append(("liquidation", account, symbol))


def order_event(client_id: str, status: str = "NEW", symbol: str = "BTCUSDT") -> dict[str, Any]:
    return {
        "e": "ORDER_TRADE_UPDATE",
        "E": 1,
        "T": 1,
        "o": {"s": symbol, "c": client_id, "X": status, "x": status, "i": 1},
    }


class Stage:
    """One venue, its time, and shortcuts that return decoded answers."""

    def __init__(
        self,
        settings: ServerSettings | None = None,
        accounts: Mapping[str, Credentials] | None = None,
        faults: object = None,
        engine: Any = None,
    ) -> None:
        self.engine = engine or ScriptedEngine()
        self.now = START
        quick = settings or msgspec.structs.replace(ServerSettings.for_sockets(), strict_params=True)
        plan = None if faults is None else FaultPlan.of(faults)
        given = accounts or {KEY: Credentials.hmac(KEY, SECRET)}
        self.venue = SimulatedBinance(self.engine, given, start_ns=START, seed=7, settings=quick, faults=plan)
        self._next = 0
        self.delivered: list[Output] = []

    def later(self, ns: int) -> "Stage":
        self.now += ns
        self.venue.advance(self.now)
        self.collect()
        return self

    def collect(self) -> list[Output]:
        fresh = self.venue.outputs()
        self.delivered.extend(fresh)
        return fresh

    def conn(self) -> int:
        self._next += 1
        return self._next

    def raw(
        self,
        method: str,
        target: str,
        *,
        key: str | None = KEY,
        body: bytes = b"",
        peer: str = "127.0.0.1",
        conn: int | None = None,
    ) -> Answer | None:
        headers = {} if key is None else {"X-MBX-APIKEY": key}
        number = conn or self.conn()
        self.venue.http(number, method, target, headers, body, self.now, peer)
        fresh = self.collect()
        return next((o for o in fresh if isinstance(o, Answer) and o.conn == number), None)

    def rest(
        self,
        method: str,
        path: str,
        params: Mapping[str, object] | None = None,
        *,
        sign: bool = True,
        key: str | None = KEY,
        secret: str = SECRET,
        stamp: int | None = None,
        peer: str = "127.0.0.1",
    ) -> tuple[int, Any, dict[str, str]]:
        """A request in the usual form: status, decoded body, headers. Fails when nothing is answered."""
        answer = self.ask(method, path, params, sign=sign, key=key, secret=secret, stamp=stamp, peer=peer)
        assert answer is not None
        return answer.status, json.loads(answer.body), dict(answer.headers)

    def ask(
        self,
        method: str,
        path: str,
        params: Mapping[str, object] | None = None,
        *,
        sign: bool = True,
        key: str | None = KEY,
        secret: str = SECRET,
        stamp: int | None = None,
        peer: str = "127.0.0.1",
    ) -> Answer | None:
        given = dict(params or {})
        if sign:
            given.setdefault("timestamp", self.now // MS if stamp is None else stamp)
        query = "&".join(f"{k}={quote(str(v), safe='')}" for k, v in given.items())
        if sign:
            query += "&signature=" + hmac.new(secret.encode(), query.encode(), hashlib.sha256).hexdigest()
        return self.raw(method, f"{path}?{query}" if query else path, key=key, peer=peer)

    def open(self, target: str, peer: str = "127.0.0.1") -> int:
        number = self.conn()
        assert self.venue.ws_open(number, target, self.now, peer) == 101
        return number

    def say(self, conn: int, message: object) -> list[Any]:
        """Send JSON (or bytes) on a socket; the decoded frames that come back on it at once."""
        data = message if isinstance(message, bytes) else json.dumps(message).encode()
        self.venue.ws_message(conn, data, self.now)
        return self.heard(conn, self.collect())

    def happen(self, account: str = "main", *events: dict[str, Any]) -> list[Output]:
        self.engine.user.extend((account, event) for event in events)
        self.venue.advance(self.now + 1)
        self.now += 1
        return self.collect()

    def tick(self, stream: str, payload: Any) -> list[Output]:
        self.engine.market.append((stream, payload))
        self.now += 1
        self.venue.advance(self.now)
        return self.collect()

    @staticmethod
    def heard(conn: int, outputs: list[Output]) -> list[Any]:
        return [msgspec.json.decode(o.data) for o in outputs if isinstance(o, Frame) and o.conn == conn]

    def call(
        self, conn: int, method: str, params: Mapping[str, object] | None = None, *, sign: bool = True
    ) -> Any:
        """A WebSocket API request, signed with the HMAC key; the answer, or None when there is none."""
        given: dict[str, object] = dict(params or {})
        if sign:
            given |= {"apiKey": KEY, "timestamp": self.now // MS}
            text = "&".join(f"{k}={given[k]}" for k in sorted(given))
            given["signature"] = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
        heard = self.say(conn, {"id": "r1", "method": method, "params": given})
        return heard[0] if heard else None
