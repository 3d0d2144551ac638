"""Spot's WebSocket paths and stream names (`binance-spot.md` sections 6 and 8)."""

import re
from urllib.parse import unquote

from backstay.simulator.server.routes import Handshake

_INTERVAL = r"(1s|1m|3m|5m|15m|30m|1h|2h|4h|6h|8h|12h|1d|3d|1w|1M)"
_STREAM = re.compile(
    rf"[^@!A-Z]+@(aggTrade|trade|kline_{_INTERVAL}(@\+08:00)?|miniTicker|ticker(_1h|_4h|_1d)?|bookTicker|avgPrice|"
    r"depth(5|10|20)?(@100ms)?|referencePrice|blockTrade)|!miniTicker@arr|!ticker_(1h|4h|1d)@arr",
)


def spot_route_of(stream: str) -> str | None:
    """`market` for a stream name that exists; None otherwise: subscribing works, nothing comes."""
    return "market" if _STREAM.fullmatch(stream) else None


def open_spot_target(target: str) -> Handshake | int:
    """The handshake of a URL (path and query), or the HTTP status of its refusal."""
    path, _, query = target.partition("?")
    parts = [unquote(part) for part in path.split("/") if part]
    values: dict[str, list[str]] = {}
    for member in query.split("&") if query else ():
        name, _, value = member.partition("=")
        values.setdefault(name, []).append(unquote(value))
    unit = values.get("timeUnit", ["MILLISECOND"])[-1].upper()
    if unit not in {"MILLISECOND", "MICROSECOND"}:
        return 400
    micro = unit == "MICROSECOND"
    if parts == ["ws-api", "v3"]:
        quiet = values.get("returnRateLimits") == ["false"]
        return Handshake("ws_api", return_limits=not quiet, micro=micro)
    if not parts or parts[0] not in {"ws", "stream"}:
        return 404
    names = parts[1:]
    for value in values.get("streams", []):
        if "," in value:
            return 400
        names.extend(part for part in value.split("/") if part)
    return Handshake(
        "market", combined=parts[0] == "stream", streams=tuple(dict.fromkeys(names)), micro=micro
    )
