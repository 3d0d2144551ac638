"""Fault plans as data: what shall go wrong, to which message, how often and when.

A plan is a mapping (YAML or JSON)::

    rules:
      - name: the ack is lost
        match: {surface: ws_api, endpoint: "POST /fapi/v1/algoOrder", nth: 2}
        effect: timeout_after_accept
      - match: {surface: private, event: ORDER_TRADE_UPDATE, probability: 0.1}
        effect: {delay: {ms: 400}}
      - match: {symbol: BTCUSDT, from_ms: 60000, until_ms: 90000}
        effect: halt

An unknown field, surface or effect is a `FaultPlanError` that names it and the nearest known one. Nothing
here acts:
`injector.py` decides which rule fires, the handler does what the effect says.
"""

import difflib
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import msgspec
import yaml

SURFACES: Final = ("rest", "ws_api", "public", "market", "private")


class FaultPlanError(ValueError):
    """The plan cannot be read: what, in which rule, and what was probably meant."""


class Match(msgspec.Struct, frozen=True):
    """All members that are given must hold. Times count from the moment the plan was installed.

    `nth`: only these matches, counted from 1. `every`: each k-th. `times`: at most so many firings.
    `endpoint` is "METHOD /path" and holds for the WebSocket method of the same endpoint too; `method` is a
    WebSocket API method or an HTTP verb. `event` is the `e` of a frame, `status` its `o.X`, `stream` a
    market stream's name.
    `client_id` is the beginning of a client order id.
    """

    surface: str | None = None
    endpoint: str | None = None
    method: str | None = None
    event: str | None = None
    status: str | None = None
    stream: str | None = None
    symbol: str | None = None
    account: str | None = None
    client_id: str | None = None
    nth: tuple[int, ...] = ()
    every: int | None = None
    times: int | None = None
    probability: float = 1.0
    at_ms: float | None = None
    from_ms: float | None = None
    until_ms: float | None = None


class Effect(msgspec.Struct, frozen=True):
    kind: str
    args: dict[str, Any]


class Rule(msgspec.Struct, frozen=True):
    name: str
    match: Match
    effect: Effect


class FaultPlan(msgspec.Struct, frozen=True):
    rules: tuple[Rule, ...] = ()

    @classmethod
    def parse(cls, text: str, origin: str = "fault plan") -> "FaultPlan":
        """A plan from YAML or JSON text. `origin` names the file in errors."""
        try:
            data = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise FaultPlanError(f"{origin}: neither YAML nor JSON: {error}") from error
        return cls.of(data if data is not None else {}, origin)

    @classmethod
    def of(cls, data: object, origin: str = "fault plan") -> "FaultPlan":
        """A plan from plain data: a mapping with `rules`, or the list of rules itself."""
        if isinstance(data, list):
            data = {"rules": data}
        plan = _mapping(data, origin, ("rules",))
        rules = plan.get("rules", [])
        if not isinstance(rules, list):
            raise FaultPlanError(f"{origin}: rules must be a list")
        return cls(tuple(_rule(rule, f"{origin}, rule {i}") for i, rule in enumerate(rules, 1)))


REQUEST: Final = "request"
FRAME: Final = "frame"
WORLD: Final = "world"
STATE: Final = "state"

# Effect -> (where it may apply, its arguments: name -> (kind, default; ... = mandatory)).
# WORLD happens once when its time comes or its message matches; STATE holds from from_ms until until_ms.
type _Args = dict[str, tuple[str, object]]
EFFECTS: Final[dict[str, tuple[frozenset[str], _Args]]] = {
    "drop": (frozenset({REQUEST, FRAME}), {}),
    "delay": (frozenset({REQUEST, FRAME}), {"ms": ("number", ...)}),
    "duplicate": (frozenset({REQUEST, FRAME}), {"copies": ("count", 1)}),
    "reorder": (frozenset({REQUEST, FRAME}), {"hold_ms": ("number", 50.0)}),
    "cut": (
        frozenset({REQUEST, FRAME, WORLD}),
        {"when": ("before|after", "after"), "surface": ("|".join(SURFACES), None)},
    ),
    "half_open": (frozenset({REQUEST, FRAME, WORLD}), {"surface": ("|".join(SURFACES), None)}),
    "silent": (
        frozenset({REQUEST, FRAME, WORLD}),
        {"ms": ("number", None), "surface": ("|".join(SURFACES), None)},
    ),
    "refuse_connection": (frozenset({"connect"}), {"status": ("count", 503)}),
    "timeout_after_accept": (frozenset({REQUEST}), {}),
    "timeout_before": (frozenset({REQUEST}), {}),
    "error": (
        frozenset({REQUEST}),
        {
            "code": ("int", ...),
            "msg": ("text", "Injected fault."),
            "status": ("count", 400),
            "executed": ("bool", False),
        },
    ),
    "throttle_429": (frozenset({REQUEST}), {"retry_after": ("count", 5)}),
    "ban_418": (frozenset({REQUEST, WORLD}), {"seconds": ("count", 120)}),
    "text_503": (
        frozenset({REQUEST}),
        {"text": ("unknown|unavailable|internal", "unknown"), "executed": ("bool", None)},
    ),
    "-1007": (frozenset({REQUEST}), {"executed": ("bool", True)}),
    "-1008": (frozenset({REQUEST}), {}),
    "partial_fills": (frozenset({STATE}), {"max_qty": ("decimal", None)}),
    "visibility_lag": (
        frozenset({STATE}),
        {"ms": ("number", ...), "lagging": ("orders|algo|positions|balances|trades|all", "all")},
    ),
    "stuck_triggering": (frozenset({STATE}), {}),
    "reject_child": (frozenset({STATE}), {"reason": ("text", "Margin is insufficient.")}),
    "slippage": (frozenset({STATE}), {"rate": ("decimal", ...)}),
    "restricted": (frozenset({STATE}), {"code": ("int", -4087)}),
    "pending_modify": (frozenset({STATE}), {"ms": ("number", ...)}),
    "algo_query_miss": (frozenset({STATE}), {}),
    "clock_skew": (frozenset({STATE}), {"ms": ("signed", ...)}),
    "halt": (
        frozenset({STATE}),
        {"symbol": ("text", None), "status": ("TRADING_HALT|TRADING_CANCEL_ONLY|CLOSE", "TRADING_HALT")},
    ),
    "keys_revoked": (frozenset({STATE}), {}),
    "listen_key_death": (frozenset({WORLD, REQUEST, FRAME}), {"announce": ("bool", True)}),
    "subscription_end": (frozenset({WORLD, REQUEST, FRAME}), {}),
    "server_shutdown": (frozenset({WORLD, REQUEST, FRAME}), {"ms": ("number", 10_000.0)}),
    "adl": (
        frozenset({WORLD, REQUEST, FRAME}),
        {"symbol": ("text", None), "side": ("BOTH|LONG|SHORT", None)},
    ),
    "liquidation": (
        frozenset({WORLD, REQUEST, FRAME}),
        {"symbol": ("text", None), "side": ("BOTH|LONG|SHORT", None)},
    ),
}

_REQUEST_FIELDS = ("endpoint", "method", "client_id")
_FRAME_FIELDS = ("event", "stream", "status")


def targets(rule: Rule) -> frozenset[str]:
    """Which kinds of thing a rule looks at: requests, frames, connections, or the clock alone."""
    where, _ = EFFECTS[rule.effect.kind]
    match = rule.match
    if STATE in where or "connect" in where:
        return where
    if match.at_ms is not None:
        return where & {WORLD}
    if any(getattr(match, name) for name in _REQUEST_FIELDS):
        return where & {REQUEST}
    if any(getattr(match, name) for name in _FRAME_FIELDS):
        return where & {FRAME}
    counted = match.nth or match.every or match.times or match.probability < 1.0
    if WORLD in where and not counted:
        return where & {WORLD}
    if match.surface in {"rest", "ws_api"}:
        return where & {REQUEST}
    return where & ({FRAME} if match.surface is not None else {REQUEST, FRAME})


def _rule(data: object, where: str) -> Rule:
    raw = _mapping(data, where, ("name", "match", "effect"))
    if "effect" not in raw:
        raise FaultPlanError(f"{where}: effect is missing")
    effect = _effect(raw["effect"], where)
    match = _match(raw.get("match", {}), where)
    rule = Rule(str(raw.get("name", effect.kind)), match, effect)
    if not targets(rule):
        raise FaultPlanError(
            f"{where}: effect {effect.kind} cannot follow from what is matched; it applies to "
            f"{', '.join(sorted(EFFECTS[effect.kind][0]))}",
        )
    return rule


def _effect(data: object, where: str) -> Effect:
    if isinstance(data, Mapping):
        if len(data) != 1:
            raise FaultPlanError(f"{where}: effect must be a name or {{name: {{arguments}}}}")
        kind, given = next(iter(data.items()))
    else:
        kind, given = data, {}
    name = str(kind)
    if name not in EFFECTS:
        raise FaultPlanError(f"{where}: unknown effect {name!r}{_nearest(name, EFFECTS)}")
    _, args = EFFECTS[name]
    raw = _mapping(given if given is not None else {}, f"{where}, effect {name}", tuple(args))
    values: dict[str, Any] = {}
    for arg, (kind_of, default) in args.items():
        if arg in raw:
            values[arg] = _value(raw[arg], kind_of, f"{where}, effect {name}: {arg}")
        elif default is ...:
            raise FaultPlanError(f"{where}: effect {name} needs {arg}")
        else:
            values[arg] = default
    return Effect(name, values)


_MATCH_KINDS: Final = {
    "surface": "|".join(SURFACES),
    "endpoint": "text",
    "method": "text",
    "event": "text",
    "status": "text",
    "stream": "text",
    "symbol": "text",
    "account": "text",
    "client_id": "text",
    "nth": "counts",
    "every": "count",
    "times": "count",
    "probability": "probability",
    "at_ms": "number",
    "from_ms": "number",
    "until_ms": "number",
}


def _match(data: object, where: str) -> Match:
    raw = _mapping(data if data is not None else {}, f"{where}, match", tuple(_MATCH_KINDS))
    values = {
        name: _value(value, _MATCH_KINDS[name], f"{where}, match: {name}") for name, value in raw.items()
    }
    return Match(**values)


def _value(value: Any, kind: str, where: str) -> Any:
    whole = isinstance(value, int) and not isinstance(value, bool)
    number = whole or isinstance(value, float)
    if kind == "text" and isinstance(value, (str, int, float)) and not isinstance(value, bool):
        return str(value)
    if kind == "decimal" and (number or isinstance(value, str)):
        try:
            exact = Decimal(str(value))
        except InvalidOperation:
            exact = Decimal(-1)
        if exact.is_finite() and exact >= 0:
            return exact
    if kind == "bool" and isinstance(value, bool):
        return value
    if (kind == "int" and whole) or (kind == "count" and whole and value > 0):
        return value
    if (kind == "signed" and number) or (kind == "number" and number and value >= 0):
        return float(value)
    if kind == "probability" and number and 0 <= value <= 1:
        return float(value)
    if kind == "counts":
        items = value if isinstance(value, list) else [value]
        if items and all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in items):
            return tuple(items)
    if "|" in kind:
        if value in kind.split("|"):
            return value
        raise FaultPlanError(f"{where}: unknown value {value!r}{_nearest(str(value), kind.split('|'))}")
    wanted = {
        "text": "a text",
        "decimal": "a number from 0",
        "bool": "true or false",
        "int": "a whole number",
        "count": "a whole number above 0",
        "counts": "a whole number above 0, or a list of them",
        "signed": "a number",
        "number": "a number from 0",
        "probability": "a number from 0 to 1",
    }[kind]
    raise FaultPlanError(f"{where}: {value!r} is not {wanted}")


def _mapping(data: object, where: str, known: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(data, Mapping):
        raise FaultPlanError(f"{where}: a mapping is wanted, {type(data).__name__} found")
    for name in data:
        if name not in known:
            raise FaultPlanError(f"{where}: unknown field {name!r}{_nearest(str(name), known)}")
    return {str(name): value for name, value in data.items()}


def _nearest(name: str, known: Iterable[str]) -> str:
    names = list(known)
    close = difflib.get_close_matches(name, names, 1, 0.4)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; known: {', '.join(names)}" if names else "; none is known here"
