"""The control side of the venue: `/sim/v1/clock|price|human|faults|truth|requests` (never on the Binance
paths).
"""

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any, Protocol
from urllib.parse import parse_qsl

import msgspec

from backstay.simulator.errors import Refusal
from backstay.simulator.server.clock import VenueClock
from backstay.simulator.server.desk import Desk
from backstay.simulator.server.faults import FaultPlan
from backstay.simulator.server.port import EnginePort
from backstay.simulator.server.replies import encode
from backstay.simulator.server.settings import MS


class Venue(Protocol):
    """What the control side reaches of the handler."""

    now: int
    clock: VenueClock
    desk: Desk
    engine: EnginePort

    def advance(self, now: int) -> None: ...

    def install(self, plan: FaultPlan, now: int) -> None: ...

    def clear_faults(self, now: int) -> None: ...


class ControlError(Exception):
    """A control request that cannot be done: what is wrong and what is expected."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


def handle(
    venue: Venue,
    method: str,
    path: str,
    body: bytes,
    now: int,
) -> tuple[int, bytes]:
    """Answer one control request with a status and a JSON body; errors are `{"error": text}`."""
    name, _, query = path.partition("?")
    action = _ACTIONS.get((method, name))
    try:
        if action is None:
            known = ", ".join(f"{m} {p}" for m, p in _ACTIONS)
            raise ControlError(f"{method} {name} is not a control path; known: {known}", 404)
        arguments = {**dict(parse_qsl(query)), **_json(body, yaml=name == "/sim/v1/faults")}
        return 200, encode(action(venue, arguments, now))
    except ControlError as error:
        return error.status, encode({"error": str(error)})
    except (ValueError, LookupError, TypeError) as error:
        # A FaultPlanError says it all; of the rest the engine could make nothing.
        return 400, encode({"error": str(error) or type(error).__name__})
    except Refusal as refusal:
        return 400, encode({"error": refusal.msg, "code": refusal.code, "msg": refusal.msg})


def _json(body: bytes, *, yaml: bool) -> dict[str, Any]:
    if not body.strip():
        return {}
    try:
        data = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        if not yaml:
            raise ControlError(f"the body must be a JSON object: {error}") from error
        # A fault plan may come as YAML, as it stands in its file.
        data = {"plan": body.decode(errors="replace")}
    if isinstance(data, list):
        return {"rules": data}
    if not isinstance(data, dict):
        raise ControlError("the body must be a JSON object")
    return data


def _clock(venue: Venue, given: dict[str, Any], now: int) -> Any:
    _only(given, ("advance_ms", "advance", "speed"))
    if "speed" in given:
        venue.clock.set_speed(_ratio(given["speed"]), now)
    step = 0
    if "advance_ms" in given:
        step = int(_decimal(given["advance_ms"], "advance_ms") * MS)
    elif "advance" in given:
        step = _duration(given["advance"])
    if step:
        venue.clock.advance(step)
        venue.advance(now + step)
    return {"now_ms": venue.now // MS, "now_ns": venue.now, "speed": float(venue.clock.speed)}


def _read_clock(venue: Venue, _given: dict[str, Any], _now: int) -> Any:
    return {"now_ms": venue.now // MS, "now_ns": venue.now, "speed": float(venue.clock.speed)}


def _price(venue: Venue, given: dict[str, Any], now: int) -> Any:
    _only(given, ("symbol", "price"))
    price = _decimal(_needed(given, "price"), "price")
    if price <= 0:
        raise ControlError("price must be above 0")
    symbol = str(_needed(given, "symbol"))
    venue.engine.set_price(symbol, price, now)
    return {"symbol": symbol, "price": str(price), "now_ms": now // MS}


def _human(venue: Venue, given: dict[str, Any], now: int) -> Any:
    action = dict(given)
    account = _account(venue, action)
    action.pop("account", None)
    _needed(action, "do")
    return {"account": account, "result": venue.engine.human(account, action, now)}


def _faults(venue: Venue, given: dict[str, Any], now: int) -> Any:
    replace = given.pop("replace", False)
    if "plan" in given:
        plan = FaultPlan.parse(str(given["plan"]))
    else:
        plan = FaultPlan.of(given)
    if replace in {True, "true"}:
        venue.clear_faults(now)
    venue.install(plan, now)
    return {"installed": len(plan.rules), "rules": venue.desk.injector.report()}


def _read_faults(venue: Venue, _given: dict[str, Any], _now: int) -> Any:
    return {"rules": venue.desk.injector.report()}


def _clear_faults(venue: Venue, _given: dict[str, Any], now: int) -> Any:
    venue.clear_faults(now)
    return {"rules": []}


def _truth(venue: Venue, given: dict[str, Any], _now: int) -> Any:
    _only(given, ("account",))
    account = _account(venue, given)
    return {"account": account, "now_ms": venue.now // MS, **venue.engine.truth(account)}


def _requests(venue: Venue, given: dict[str, Any], _now: int) -> Any:
    _only(given, ("after", "limit"))
    after, limit = given.get("after", "0"), given.get("limit")
    if not str(after).isdigit() or (limit is not None and not str(limit).isdigit()):
        raise ControlError("after and limit must be whole numbers")
    log = venue.desk.log
    return {
        "received": log.count,
        "requests": log.after(int(after), None if limit is None else int(limit)),
    }


type _Action = Callable[[Venue, dict[str, Any], int], Any]
_ACTIONS: dict[tuple[str, str], _Action] = {
    ("POST", "/sim/v1/clock"): _clock,
    ("GET", "/sim/v1/clock"): _read_clock,
    ("POST", "/sim/v1/price"): _price,
    ("POST", "/sim/v1/human"): _human,
    ("POST", "/sim/v1/faults"): _faults,
    ("GET", "/sim/v1/faults"): _read_faults,
    ("DELETE", "/sim/v1/faults"): _clear_faults,
    ("GET", "/sim/v1/truth"): _truth,
    ("GET", "/sim/v1/requests"): _requests,
}


def _account(venue: Venue, given: dict[str, Any]) -> str:
    known = venue.desk.keyring.accounts()
    account = given.get("account", known[0] if known else "")
    if account not in known:
        raise ControlError(f"unknown account {account!r}; known: {', '.join(known)}")
    return str(account)


def _only(given: dict[str, Any], known: tuple[str, ...]) -> None:
    for name in given:
        if name not in known:
            raise ControlError(f"unknown field {name!r}; known: {', '.join(known)}")


def _needed(given: dict[str, Any], name: str) -> Any:
    if name not in given:
        raise ControlError(f"field {name!r} is missing")
    return given[name]


def _decimal(value: Any, name: str) -> Decimal:
    try:
        found = Decimal(str(value))
    except InvalidOperation as error:
        raise ControlError(f"{name} must be a number, not {value!r}") from error
    if not found.is_finite() or found < 0:
        raise ControlError(f"{name} must be a number from 0, not {value!r}")
    return found


def _ratio(value: Any) -> Fraction:
    speed = Fraction(_decimal(value, "speed"))
    if speed <= 0:
        raise ControlError("speed must be above 0")
    return speed


_UNITS = {"ms": MS, "s": 1000 * MS, "m": 60_000 * MS, "h": 3_600_000 * MS}


def _duration(value: Any) -> int:
    text = str(value)
    unit = next((u for u in ("ms", "s", "m", "h") if text.endswith(u)), None)
    if unit is None:
        raise ControlError(f"advance must be a duration such as 500ms, 5s, 10m or 2h, not {value!r}")
    return int(_decimal(text[: -len(unit)], "advance") * _UNITS[unit])
