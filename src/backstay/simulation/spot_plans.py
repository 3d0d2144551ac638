"""What goes wrong on spot: the kinds of faults, with spot's own endpoints, events and surfaces.

User data and orders both live on the WebSocket API, each on a connection of its own; what befalls the
surface `ws_api` befalls both, and what matches a private event befalls the one with the account's events.
"""

from random import Random
from typing import Any

from msgspec.structs import replace

from backstay.simulation.faults import Fault, Kind, nothing, once
from backstay.simulation.plans import CRASH_BOUNDARIES, draw_plan
from backstay.simulation.plans import KINDS as USDM
from backstay.simulation.setup import scenario
from backstay.simulation.spot_setup import SpotSetup

PLACE = "POST /api/v3/order"
CANCEL = "DELETE /api/v3/order"
MUTATIONS = (PLACE, PLACE, PLACE, CANCEL)
LIST = "POST /api/v3/orderList/oco"
READS = (
    "GET /api/v3/account",
    "GET /api/v3/openOrders",
    "GET /api/v3/myTrades",
    "GET /api/v3/order",
    "GET /api/v3/account/commission",
)
EVENTS = ("executionReport", "outboundAccountPosition")
AWKWARD = ("buy_in_parts", "buy", "cancel_sell", "cancel_sell", "sell_free", "move", "deposit", "withdraw")


def _mutation(dice: Random) -> dict[str, Any]:
    return {"endpoint": dice.choice(MUTATIONS), "times": dice.randrange(1, 3)}


def _request(dice: Random) -> dict[str, Any]:
    if dice.randrange(3):
        return _mutation(dice)
    return {"endpoint": dice.choice(READS), "times": dice.randrange(1, 4)}


def _lag(dice: Random) -> dict[str, Any]:
    surface = dice.choice(("orders", "trades", "balances", "all"))
    return {"lagging": surface, "ms": dice.choice((300, 1_500, 4_000))}


def _by_hand(dice: Random, setup: SpotSetup) -> dict[str, Any]:
    return {
        "boundary": dice.choice(CRASH_BOUNDARIES),
        "when": dice.choice(("before", "after")),
        "nth": dice.choice((1, 1, 2, 3)),
        "do": dice.choice(AWKWARD),
        "symbol": dice.choice(setup.symbols),
        "leg": str(dice.randrange(1_000_000)),
        "amount": dice.choice(("0.5", "1", "25", "140")),
    }


def _as_usdm(name: str, draw: Any = None, **more: Any) -> Kind:
    """The kind of USD-M, with spot's own draw."""
    kind = USDM[name]
    return replace(kind, draw=kind.draw if draw is None else draw, **more)


def _away(fault: Fault) -> tuple[dict[str, Any], ...]:
    """The stream is cut and cannot come back; REST works."""
    refused = {"surface": "ws_api", "until_ms": fault.for_ms}
    return (
        {"match": refused, "effect": {"refuse_connection": {"status": 503}}},
        {"match": {"at_ms": 0}, "effect": {"cut": {"surface": "ws_api"}}},
    )


KINDS: dict[str, Kind] = {
    "answer_lost": _as_usdm("answer_lost", lambda d, _s: _request(d)),
    "request_lost": _as_usdm("request_lost", lambda d, _s: _request(d)),
    "throttled": _as_usdm("throttled", lambda d, _s: {**_request(d), "retry_after": d.randrange(1, 6)}),
    "answer_late": _as_usdm(
        "answer_late", lambda d, _s: {**_request(d), "ms": d.choice((80, 600, 2500, 7000))}
    ),
    "answer_twice": _as_usdm("answer_twice", lambda d, _s: {**_mutation(d), "surface": "ws_api"}),
    "cut_at_request": _as_usdm(
        "cut_at_request", lambda d, _s: {**_mutation(d), "when": d.choice(("before", "after"))}
    ),
    "text_503": _as_usdm(
        "text_503", lambda d, _s: {**_request(d), "text": d.choice(("unknown", "unavailable", "internal"))}
    ),
    "backend_timeout": _as_usdm(
        "backend_timeout", lambda d, _s: {**_mutation(d), "executed": d.randrange(2) == 0}
    ),
    "bad_timestamp": _as_usdm("bad_timestamp", lambda d, _s: _mutation(d)),
    "banned": _as_usdm("banned"),
    "events_lost": _as_usdm(
        "events_lost", lambda d, _s: {"event": d.choice(EVENTS), "times": d.randrange(1, 4)}
    ),
    "events_late": _as_usdm("events_late"),
    "events_twice": _as_usdm("events_twice"),
    "events_reordered": _as_usdm(
        "events_reordered", lambda d, _s: {"event": d.choice(EVENTS), "ms": d.choice((5, 60, 400))}
    ),
    "cut": _as_usdm("cut", lambda d, _s: {"surface": d.choice(("ws_api", "market"))}),
    "cut_at_event": Kind(
        lambda d, _s: {"event": d.choice(EVENTS)},
        lambda f: (
            {
                "match": {"surface": "private", "event": f.args["event"], "times": 1, "until_ms": f.for_ms},
                "effect": {"cut": {"when": "after"}},
            },
        ),
        "the user data stream is cut at one of its events",
        weight=3,
    ),
    "half_open": _as_usdm("half_open", lambda d, _s: {"surface": d.choice(("ws_api", "market"))}),
    "silent": _as_usdm("silent", lambda d, _s: {"surface": "ws_api", "ms": d.choice((1500, 6000, 15000))}),
    "refused_connections": _as_usdm(
        "refused_connections", lambda d, _s: {"surface": "ws_api", "status": d.choice((503, 502))}
    ),
    "subscription_end": Kind(
        lambda _d, _s: {}, once(lambda _f: "subscription_end"), "the subscription dies, and says so", weight=2
    ),
    "server_shutdown": Kind(
        lambda d, _s: {"ms": d.choice((500, 5_000))},
        once(lambda f: {"server_shutdown": {"ms": f.args["ms"]}}),
        "the venue announces the end of its connections",
        weight=1,
    ),
    "stream_away": Kind(
        lambda _d, _s: {},
        _away,
        "the user data stream is away for minutes, and REST works",
        span=(60_000, 1_400_000),
        weight=0,
    ),
    "visibility_lag": _as_usdm("visibility_lag", lambda d, _s: _lag(d)),
    "partial_fills": _as_usdm("partial_fills"),
    "slippage": _as_usdm("slippage"),
    "halt": _as_usdm("halt"),
    "keys_revoked": _as_usdm("keys_revoked"),
    "local_clock": _as_usdm("local_clock"),
    "filters_changed": _as_usdm("filters_changed"),
    "unplugged": _as_usdm("unplugged"),
    "clock_drift": _as_usdm("clock_drift"),
    "venue_clock": _as_usdm("venue_clock"),
    "by_hand": Kind(_by_hand, nothing, "the owner acts in the very moment of a boundary", weight=4),
    "crash": _as_usdm("crash"),
    "restart": _as_usdm("restart"),
    "disk_full": _as_usdm("disk_full"),
    "disk_error": _as_usdm("disk_error"),
    "two_processes": _as_usdm("two_processes"),
}


def draw_spot_faults(seed: int, name: str, rate: float, setup: SpotSetup) -> tuple[Fault, ...]:
    """The plan of a seed: on average `rate` * 5 faults a minute of the run, none at rate 0."""
    dice = Random(f"{seed}/faults/{name}")
    mean = rate * 5 * min(setup.duration_ms, 150_000) / 60_000
    faults = draw_plan(dice, name, mean, setup, KINDS)
    if scenario(name).guards:
        # Holdings are sold by lists; what one alone cannot do goes as a single order.
        faults = [_of_lists(f) if dice.randrange(4) else f for f in faults]
    return tuple(sorted(faults, key=lambda f: f.at_ms))


def _of_lists(fault: Fault) -> Fault:
    return (
        replace(fault, args=fault.args | {"endpoint": LIST}) if fault.args.get("endpoint") == PLACE else fault
    )
