"""The desk behind both doors: REST and the WebSocket API hand it a request, it hands back an outcome.

Order of the checks: ban and weight, key, permission, parameters, time, signature, order count, injected
faults, then the engine. What the venue answers itself (ping, time, listen keys, limits) is answered here.
"""

import random
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from backstay.simulator.errors import Refusal
from backstay.simulator.server import replies
from backstay.simulator.server.auth import Credentials, Keyring
from backstay.simulator.server.connections import Conn
from backstay.simulator.server.endpoints import Endpoint, Security
from backstay.simulator.server.faults import Effect
from backstay.simulator.server.injector import Injector, Subject
from backstay.simulator.server.limits import Limits, Usage
from backstay.simulator.server.listen_keys import ListenKeys
from backstay.simulator.server.port import EnginePort
from backstay.simulator.server.product import USDM, Product
from backstay.simulator.server.replies import VenueError, encode
from backstay.simulator.server.request_log import Entry, RequestLog
from backstay.simulator.server.settings import MS, SECOND, ServerSettings
from backstay.simulator.server.spot_answers import Answer, SpotAnswers

_PROTOCOL_ONLY = frozenset(
    {"timestamp", "recvWindow", "signature", "apiKey", "returnRateLimits", "listenKey"}
)


class Request(msgspec.Struct):
    """One request, already parsed. `payload` is the text that `signature` must cover."""

    conn: Conn
    endpoint: Endpoint
    method: str
    params: dict[str, str]
    api_key: str | None
    payload: str
    signature: str | None
    micro: bool = False


class Outcome(msgspec.Struct):
    """What the door sends, and how. `body` is the bare JSON result, or `{code, msg}` of `error`."""

    status: int = 200
    body: bytes = b"{}"
    error: VenueError | None = None
    usage: Usage | None = None
    account: str | None = None
    silent: bool = False
    cut: bool = False
    delay: int = 0
    copies: int = 1
    hold: int = 0
    micro: bool = False

    def fail(self, error: VenueError) -> None:
        self.status, self.error, self.body = error.status, error, error.body(micro=self.micro)


class Desk:
    def __init__(
        self,
        engine: EnginePort,
        keyring: Keyring,
        settings: ServerSettings,
        rng: random.Random,
        product: Product = USDM,
    ) -> None:
        self.engine = engine
        self.product = product
        self.keyring = keyring
        self.settings = settings
        self.limits = Limits(settings, product.orders)
        self.keys = ListenKeys(settings, random.Random(rng.randrange(2**63)))
        self.injector = Injector(random.Random(rng.randrange(2**63)))
        self.log = RequestLog(settings.request_log)
        self.skew = 0
        self.world: Callable[[Effect, Subject, Conn | None, int], None] = _no_world
        self._spot = SpotAnswers(engine, self.limits, settings, lambda: self.skew)
        self._own: dict[str, Answer] = (
            self._spot.table()
            if product.spot
            else {
                "GET /api/v3/ping": _nothing,
                "GET /api/v3/time": self._time,
                "GET /fapi/v1/ping": _nothing,
                "GET /fapi/v1/time": self._time,
                "GET /fapi/v1/exchangeInfo": self._exchange_info,
                "GET /fapi/v1/rateLimit/order": lambda _who, _params, _now: self.limits.order_limits(),
                "POST /fapi/v1/listenKey": self._start_key,
                "PUT /fapi/v1/listenKey": self._extend_key,
                "DELETE /fapi/v1/listenKey": self._stop_key,
            }
        )
        self._own["GET /sapi/v1/account/apiRestrictions"] = _restrictions

    def clock_ms(self, now: int) -> int:
        """The venue's clock as clients see it: milliseconds, with the skew that a fault may add."""
        return (now + self.skew) // MS

    def perform(self, request: Request, now: int) -> Outcome:
        """Carry out one request. Never raises for what a client did; the outcome holds the refusal."""
        conn, endpoint = request.conn, request.endpoint
        entry = self.log.add(
            now,
            conn.id,
            conn.surface,
            request.method,
            endpoint.name,
            request.params,
            conn.peer,
        )
        outcome = Outcome(micro=request.micro)
        try:
            credentials = self._admit(request, outcome, now)
        except VenueError as error:
            outcome.fail(self._spot.over_limit(endpoint.name, request.params, outcome.account, error, now))
        else:
            entry.account = outcome.account or ""
            subject = _subject(request, outcome.account)
            effects = self.injector.request(subject, now)
            self._execute(request, credentials, outcome, effects, entry, subject, now)
        if outcome.error is not None and endpoint.failure_weight and outcome.usage is not None:
            spent = self.limits.charge_failure(conn.peer, endpoint.failure_weight, now)
            outcome.usage = msgspec.structs.replace(outcome.usage, weight=spent)
        entry.status = 0 if outcome.silent else outcome.status
        entry.code = 0 if outcome.error is None else outcome.error.code
        return outcome

    def _admit(self, request: Request, outcome: Outcome, now: int) -> Credentials | None:
        conn, endpoint = request.conn, request.endpoint
        ws = conn.surface == "ws_api"
        weight = self.limits.charge_weight(conn.peer, endpoint.cost(request.params), now, ws=ws)
        outcome.usage = Usage(weight)
        if endpoint.funding_pool:
            self.limits.charge_funding(conn.peer, now)
        credentials = self._authenticate(request, now)
        if credentials is not None:
            outcome.account = credentials.account
            if endpoint.orders != (0, 0):
                short, long = self.limits.charge_orders(credentials.account, endpoint, now)
                outcome.usage = Usage(weight, short, long)
        return credentials

    def _authenticate(self, request: Request, now: int) -> Credentials | None:
        endpoint, conn = request.endpoint, request.conn
        if endpoint.security is Security.NONE:
            return None
        session = conn.session if request.api_key is None else None
        credentials = self.keyring.identify(session.api_key if session else request.api_key, conn.peer)
        self.keyring.check_permission(credentials, trading=endpoint.trading, peer=conn.peer)
        if endpoint.security is Security.SIGNED:
            if self.settings.strict_params:
                endpoint.check_parameters(request.params)
            self.keyring.check_time(request.params, self.clock_ms(now))
            if session is None or request.signature is not None:
                self.keyring.check_signature(credentials, request.payload, request.signature)
        return credentials

    def _execute(
        self,
        request: Request,
        credentials: Credentials | None,
        outcome: Outcome,
        effects: list[Effect],
        entry: Entry,
        subject: Subject,
        now: int,
    ) -> None:
        run, forced = True, None
        for effect in effects:
            entry.fault.append(effect.kind)
            runs, error = self._before(effect, request, outcome, subject, now)
            run = run and runs
            forced = forced or error
        if run:
            entry.executed = True
            try:
                outcome.body = encode(self._run(request, credentials, now), micro=request.micro)
            except VenueError as error:
                entry.executed = False
                outcome.fail(error)
            except Refusal as refusal:
                entry.executed = False
                outcome.fail(VenueError(refusal.status, refusal.code, refusal.msg, detail=refusal.data))
        if forced is not None:
            outcome.fail(forced)

    def _run(self, request: Request, credentials: Credentials | None, now: int) -> Any:
        name = request.endpoint.name
        own = self._own.get(name)
        if own is not None:
            return own(credentials, request.params, now)
        params = {k: v for k, v in request.params.items() if k not in _PROTOCOL_ONLY}
        return self.engine.call(credentials.account if credentials else None, name, params, now)

    def _before(
        self,
        effect: Effect,
        request: Request,
        outcome: Outcome,
        subject: Subject,
        now: int,
    ) -> tuple[bool, VenueError | None]:
        """Apply one effect to the outcome. Returns whether the request still executes, and a forced error."""
        args = effect.args
        match effect.kind:
            case "drop" | "timeout_before" | "silent" | "half_open":
                outcome.silent = True
                if effect.kind == "silent":
                    self.world(effect, subject, request.conn, now)
                request.conn.dead = request.conn.dead or effect.kind == "half_open"
                return False, None
            case "timeout_after_accept":
                outcome.silent = True
            case "delay":
                outcome.delay += int(args["ms"] * MS)
            case "duplicate":
                outcome.copies += args["copies"]
            case "reorder":
                outcome.hold = int(args["hold_ms"] * MS)
            case "cut":
                outcome.silent = outcome.cut = True
                return args["when"] == "after", None
            case "error":
                return args["executed"], VenueError(args["status"], args["code"], args["msg"])
            case "throttle_429":
                until = now // MS + args["retry_after"] * 1000
                return False, replies.too_much_weight(
                    request.conn.peer,
                    self.settings.weight_per_minute,
                    per="minute",
                    now_ms=now // MS,
                    until_ms=until,
                )
            case "ban_418":
                until = now + args["seconds"] * SECOND
                self.limits.ban(request.conn.peer, until)
                return False, replies.banned(request.conn.peer, now_ms=now // MS, until_ms=until // MS)
            case "text_503":
                return _text_503(args["text"], args["executed"])
            case "-1007":
                return args["executed"], replies.backend_timeout()
            case "-1008":
                if self.product.spot:
                    return False, replies.server_busy()
                exempt = not _throttled(request.endpoint.name, request.params)
                return exempt, None if exempt else replies.system_protection()
            case _:
                self.world(effect, subject, request.conn, now)
        return True, None

    def _time(self, _who: Credentials | None, _params: Mapping[str, str], now: int) -> Any:
        return {"serverTime": self.clock_ms(now)}

    def _exchange_info(self, _who: Credentials | None, params: Mapping[str, str], now: int) -> Any:
        wanted = {k: v for k, v in params.items() if k not in _PROTOCOL_ONLY}
        info = dict(self.engine.call(None, "GET /fapi/v1/exchangeInfo", wanted, now))
        info["rateLimits"] = [
            {
                "rateLimitType": "REQUEST_WEIGHT",
                "interval": "MINUTE",
                "intervalNum": 1,
                "limit": self.settings.weight_per_minute,
            },
            *reversed(self.limits.order_limits()),
        ]
        info["serverTime"] = self.clock_ms(now)
        return info

    def _start_key(self, who: Credentials | None, _params: Mapping[str, str], now: int) -> Any:
        return {"listenKey": self.keys.start(_account(who), now).key}

    def _extend_key(self, who: Credentials | None, _params: Mapping[str, str], now: int) -> Any:
        return {"listenKey": self.keys.extend(_account(who), now).key}

    def _stop_key(self, who: Credentials | None, _params: Mapping[str, str], _now: int) -> Any:
        self.keys.stop(_account(who))
        return {}


def _no_world(effect: Effect, _subject: Subject, _conn: Conn | None, _now: int) -> None:
    raise LookupError(f"no handler for the effect {effect.kind}")


def _nothing(_who: Credentials | None, _params: Mapping[str, str], _now: int) -> Any:
    return {}


def _account(who: Credentials | None) -> str:
    if who is None:
        raise replies.bad_key_format()
    return who.account


def _restrictions(who: Credentials | None, _params: Mapping[str, str], _now: int) -> dict[str, Any]:
    if who is None:
        raise replies.bad_key_format()
    return {
        "ipRestrict": bool(who.addresses),
        "createTime": 1_600_000_000_000,
        "enableReading": who.reading,
        "enableWithdrawals": who.withdrawals,
        "enableInternalTransfer": False,
        "enableMargin": False,
        "enableFutures": who.futures,
        "permitsUniversalTransfer": False,
        "enableVanillaOptions": False,
        "enableFixApiTrade": False,
        "enableFixReadOnly": False,
        "enableSpotAndMarginTrading": who.spot,
        "enablePortfolioMarginTrading": False,
    }


def _subject(request: Request, account: str | None) -> Subject:
    params = request.params
    client_id = (
        params.get("newClientOrderId") or params.get("clientAlgoId") or params.get("origClientOrderId") or ""
    )
    return Subject(
        surface=request.conn.surface,
        endpoint=request.endpoint.name,
        method=request.method,
        symbol=params.get("symbol", ""),
        account=account or "",
        client_id=client_id,
    )


def _text_503(text: str, executed: bool | None) -> tuple[bool, VenueError]:
    code, message = {
        "unknown": (-1000, "Unknown error, please check your request or try again later."),
        "unavailable": (-1000, "Service Unavailable."),
        "internal": (-1001, "Internal error; unable to process your request. Please try again."),
    }[text]
    return (text == "unknown") if executed is None else executed, VenueError(503, code, message)


def _throttled(endpoint: str, params: Mapping[str, str]) -> bool:
    """Whether system protection (-1008) applies: placements that may open, never exits and cancels."""
    if endpoint not in {"POST /fapi/v1/order", "POST /fapi/v1/batchOrders", "POST /fapi/v1/order/test"}:
        return False
    leg = (params.get("positionSide"), params.get("side"))
    exits = leg in {("LONG", "SELL"), ("SHORT", "BUY")}
    flags = (params.get("reduceOnly", ""), params.get("closePosition", ""))
    return not exits and not any(flag.lower() == "true" for flag in flags)
