"""Paths and stream names: which socket a URL opens, and on which route a stream flows (`binance-usdm.md`
section 6).
"""

import re
from urllib.parse import unquote

import msgspec

ROUTES = ("public", "market", "private")
_SPEED = r"(@(100|250|500)ms)?"
_PUBLIC = re.compile(
    rf"!bookTicker|[^@!]+@(bookTicker|trade|depth(5|10|20)?{_SPEED}|rpiDepth(@500ms)?)",
)
_INTERVAL = r"(1m|3m|5m|15m|30m|1h|2h|4h|6h|8h|12h|1d|3d|1w|1M)"
_MARKET = re.compile(
    rf"[^@!]+@(aggTrade|kline_{_INTERVAL}|continuousKline_{_INTERVAL}|markPrice(@1s)?|miniTicker|ticker|"
    r"forceOrder|compositeIndex)|!(markPrice@arr(@1s)?|miniTicker@arr|ticker@arr|forceOrder@arr|"
    r"contractInfo|assetIndex@arr)|tradingSession",
)


class Handshake(msgspec.Struct, frozen=True):
    """What a WebSocket URL asks for. `surface`: public, market, private, unrouted or ws_api."""

    surface: str
    combined: bool = False
    streams: tuple[str, ...] = ()
    events: frozenset[str] | None = None
    return_limits: bool = True
    micro: bool = False


def route_of(stream: str) -> str | None:
    """The route on which a market stream flows; None for a name that the venue does not know."""
    if _PUBLIC.fullmatch(stream):
        return "public"
    if _MARKET.fullmatch(stream):
        return "market"
    return None


def open_target(target: str) -> Handshake | int:
    """The handshake of a URL (path and query), or the HTTP status of its refusal.

    A comma in `streams=` breaks the handshake (400); an unknown path is 404. A route that does not fit its
    streams, or none at all, is not refused: the socket opens and stays silent.
    """
    path, _, query = target.partition("?")
    parts = [unquote(part) for part in path.split("/") if part]
    values: dict[str, list[str]] = {}
    for member in query.split("&") if query else ():
        name, _, value = member.partition("=")
        values.setdefault(name, []).append(unquote(value))
    if parts[:1] == ["ws-fapi"]:
        if parts != ["ws-fapi", "v1"]:
            return 404
        return Handshake("ws_api", return_limits=values.get("returnRateLimits") != ["false"])
    surface = "unrouted"
    if parts and parts[0] in ROUTES:
        surface, parts = parts[0], parts[1:]
    elif not parts:
        return 404
    kind, names = (parts[0], parts[1:]) if parts else ("ws", [])
    if kind not in {"ws", "stream"}:
        return 404
    for value in [*values.get("streams", []), *values.get("listenKey", [])]:
        if "," in value:
            return 400
        names.extend(part for part in value.split("/") if part)
    wanted = [event for value in values.get("events", []) for event in value.split("/") if event]
    return Handshake(
        surface,
        combined=kind == "stream",
        streams=tuple(dict.fromkeys(names)),
        events=frozenset(wanted) if wanted else None,
    )
