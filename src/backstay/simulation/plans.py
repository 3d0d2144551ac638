"""Fault plans as data: what goes wrong, when, for how long. Drawn from a seed, shrunk, kept in the corpus.

A fault of the venue or the wire carries rules of the simulated exchange's own fault plan; one of the machine
(a crash, a full disk, a pulled cable) is carried out by the world. A fault that nothing on the wire can
reveal is marked `blind`: when the faults stop, the private stream is cut once, as the venue does by itself
within a day, because until then no client could know.
"""

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from backstay.simulation.faults import Fault, Kind, nothing, on_events, on_requests, on_state, once
from backstay.simulation.setup import Setup, scenario

ORDER = "POST /fapi/v1/order"
ALGO = "POST /fapi/v1/algoOrder"
MUTATIONS = (ORDER, ALGO, "PUT /fapi/v1/order", "DELETE /fapi/v1/order", "DELETE /fapi/v1/algoOrder")
READS = (
    "GET /fapi/v3/positionRisk",
    "GET /fapi/v1/openOrders",
    "GET /fapi/v1/openAlgoOrders",
    "POST /fapi/v1/listenKey",
)
EVENTS = ("ACCOUNT_UPDATE", "ORDER_TRADE_UPDATE", "ALGO_UPDATE", "TRADE_LITE")


def _mutation(dice: Random, _setup: Setup) -> dict[str, Any]:
    return {"endpoint": dice.choice(MUTATIONS), "times": dice.randrange(1, 3)}


def _any_request(dice: Random, setup: Setup) -> dict[str, Any]:
    if dice.randrange(3):
        return _mutation(dice, setup)
    return {"endpoint": dice.choice(READS), "times": dice.randrange(1, 4)}


def _symbol(dice: Random, setup: Setup) -> dict[str, Any]:
    return {"symbol": dice.choice(setup.symbols)}


def _surface(*known: str) -> Callable[[Random, Setup], dict[str, Any]]:
    return lambda dice, _setup: {"surface": dice.choice(known)}


def _with(
    more: Callable[[Random], dict[str, Any]], first: Any = None
) -> Callable[[Random, Setup], dict[str, Any]]:
    """What `first` draws, and more."""
    return lambda dice, setup: {**(first(dice, setup) if first is not None else {}), **more(dice)}


def _lag(dice: Random) -> dict[str, Any]:
    """Seconds on the regular surface, tens of seconds on the algo one."""
    surface = dice.choice(("orders", "algo", "positions", "trades", "all"))
    longest = {"algo": 20_000, "orders": 4_000, "trades": 4_000}.get(surface, 2_500)
    return {"lagging": surface, "ms": dice.choice((300, 1_500, longest))}


CRASH_BOUNDARIES = (
    "disk write",
    "disk put",
    "disk sync",
    "http",
    "answer to http",
    "frame in private",
    "frame in ws_api",
    "frame in market",
    "frame out ws_api",
    "handshake",
)


def _crash(dice: Random, _setup: Setup) -> dict[str, Any]:
    return {
        "boundary": dice.choice(CRASH_BOUNDARIES),
        "when": dice.choice(("before", "after")),
        "nth": dice.choice((1, 1, 2, 3, 5)),
        "power": dice.randrange(3) == 0,
        "away_ms": dice.choice((100, 1_000, 4_000, 12_000)),
    }


AWKWARD = (
    "cancel_stop",
    "cancel_take",
    "add",
    "reduce",
    "close",
    "flip",
    "open",
    "manual_stop",
    "manual_take",
)


def _amount(dice: Random, do: str) -> str:
    """What an act needs: a share, a leverage, a worth in quote."""
    return dice.choice({"reduce": ("0.25", "0.8"), "leverage": ("5", "25")}.get(do, ("120", "500", "1400")))


def _by_hand(dice: Random, setup: Setup) -> dict[str, Any]:
    do = dice.choice(AWKWARD)
    return {
        "boundary": dice.choice(CRASH_BOUNDARIES),
        "when": dice.choice(("before", "after")),
        "nth": dice.choice((1, 1, 2, 3)),
        "do": do,
        "symbol": dice.choice(setup.symbols),
        "leg": dice.choice(("LONG", "SHORT")),
        "amount": _amount(dice, do),
    }


CHOICES = {
    "when": ("before", "after"),
    "leg": ("LONG", "SHORT"),
    "do": (*AWKWARD, "leverage"),
    "verb": ("write", "sync"),
    "what": ("position_mode", "multi_assets", "margin_type"),
}
"""Arguments of what the world carries out itself, and all that they can be."""

KINDS: dict[str, Kind] = {
    "answer_lost": Kind(
        _any_request,
        on_requests(lambda f: "timeout_after_accept"),
        "the venue carries out a request and its answer is lost",
        weight=4,
    ),
    "request_lost": Kind(
        _any_request, on_requests(lambda f: "timeout_before"), "a request never arrives", weight=3
    ),
    "answer_late": Kind(
        _with(lambda d: {"ms": d.choice((80, 600, 2500, 7000))}, _any_request),
        on_requests(lambda f: {"delay": {"ms": f.args["ms"]}}),
        "an answer is late",
    ),
    "answer_twice": Kind(
        _with(lambda d: {"surface": "ws_api"}, _mutation),
        on_requests(lambda f: "duplicate"),
        "an answer comes twice",
    ),
    "cut_at_request": Kind(
        _with(lambda d: {"when": d.choice(("before", "after"))}, _mutation),
        on_requests(lambda f: {"cut": {"when": f.args["when"]}}),
        "the connection is cut at a request",
    ),
    "text_503": Kind(
        _with(lambda d: {"text": d.choice(("unknown", "unavailable", "internal"))}, _any_request),
        on_requests(lambda f: {"text_503": {"text": f.args["text"]}}),
        "503 in one of its texts",
        weight=3,
    ),
    "backend_timeout": Kind(
        _with(lambda d: {"executed": d.randrange(2) == 0}, _mutation),
        on_requests(lambda f: {"-1007": {"executed": f.args["executed"]}}),
        "-1007, executed or not",
    ),
    "protection_mode": Kind(
        _with(lambda d: {"endpoint": ORDER, "probability": d.choice((0.5, 1.0))}),
        on_requests(lambda f: "-1008"),
        "-1008 for orders that may open",
    ),
    "bad_timestamp": Kind(
        _mutation,
        on_requests(
            lambda f: {
                "error": {"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."}
            }
        ),
        "-1021",
    ),
    "throttled": Kind(
        _with(lambda d: {"retry_after": d.randrange(1, 6)}, _any_request),
        on_requests(lambda f: {"throttle_429": {"retry_after": f.args["retry_after"]}}),
        "429 with Retry-After",
    ),
    "banned": Kind(
        _with(lambda d: {"seconds": d.choice((5, 20, 45))}),
        once(lambda f: {"ban_418": {"seconds": f.args["seconds"]}}),
        "418",
        weight=1,
    ),
    "events_lost": Kind(
        _with(lambda d: {"event": d.choice(EVENTS), "times": d.randrange(1, 4)}),
        on_events(lambda f: "drop"),
        "events of one type are lost",
        blind=True,
    ),
    "events_late": Kind(
        _with(lambda d: {"ms": d.choice((40, 300, 1200, 4000))}),
        on_events(lambda f: {"delay": {"ms": f.args["ms"]}}),
        "events are late",
        weight=3,
    ),
    "events_twice": Kind(
        _with(lambda d: {"copies": d.randrange(1, 3)}),
        on_events(lambda f: {"duplicate": {"copies": f.args["copies"]}}),
        "events come twice",
    ),
    "events_reordered": Kind(
        _with(lambda d: {"event": d.choice(EVENTS), "ms": d.choice((5, 60, 400))}),
        on_events(lambda f: {"reorder": {"hold_ms": f.args["ms"]}}),
        "events of one type come behind others",
    ),
    "cut": Kind(
        _surface("private", "ws_api", "market"),
        once(lambda f: {"cut": {"surface": f.args["surface"]}}),
        "a stream is cut",
        weight=3,
    ),
    "half_open": Kind(
        _surface("private", "ws_api", "market"),
        once(lambda f: {"half_open": {"surface": f.args["surface"]}}),
        "a connection is half open",
    ),
    "silent": Kind(
        _with(lambda d: {"ms": d.choice((1500, 6000, 15000))}, _surface("private", "ws_api")),
        once(lambda f: {"silent": {"surface": f.args["surface"], "ms": f.args["ms"]}}),
        "a stream is connected and silent",
        blind=True,
    ),
    "refused_connections": Kind(
        _with(lambda d: {"status": d.choice((503, 502))}, _surface("private", "ws_api")),
        lambda f: (
            {
                "match": {"surface": f.args["surface"], "until_ms": f.for_ms},
                "effect": {"refuse_connection": {"status": f.args["status"]}},
            },
            {"match": {"at_ms": 0}, "effect": {"cut": {"surface": f.args["surface"]}}},
        ),
        "a stream is cut and cannot be opened again for a while",
        span=(1_000, 15_000),
    ),
    "listen_key_death": Kind(
        _with(lambda d: {"announce": d.randrange(3) > 0}),
        once(lambda f: {"listen_key_death": {"announce": f.args["announce"]}}),
        "the listen key dies",
        blind=True,
    ),
    "visibility_lag": Kind(
        _with(_lag),
        on_state(lambda f: {"visibility_lag": {"ms": f.args["ms"], "lagging": f.args["lagging"]}}),
        "queries show the past",
        weight=3,
    ),
    "query_miss": Kind(
        _with(lambda d: {"probability": 0.7}),
        on_state(lambda f: "algo_query_miss"),
        "algo queries do not find what is there",
    ),
    "stuck_triggering": Kind(
        _symbol, on_state(lambda f: "stuck_triggering"), "conditional orders hang in TRIGGERING", weight=1
    ),
    "child_rejected": Kind(
        _symbol,
        on_state(lambda f: "reject_child"),
        "a triggered stop's order is refused",
        span=(2_000, 12_000),
    ),
    "partial_fills": Kind(
        _with(lambda d: {"probability": d.choice((0.4, 0.9))}),
        on_state(lambda f: {"partial_fills": {}}),
        "orders fill in parts",
        span=(10_000, 60_000),
    ),
    "slippage": Kind(
        _with(lambda d: {}), on_state(lambda f: {"slippage": {"rate": 0.0008}}), "market orders slip"
    ),
    "halt": Kind(
        _with(lambda d: {"status": d.choice(("TRADING_HALT", "TRADING_CANCEL_ONLY"))}, _symbol),
        on_state(lambda f: {"halt": {"status": f.args["status"]}}),
        "the symbol is halted",
        span=(2_000, 20_000),
        weight=1,
    ),
    "keys_revoked": Kind(
        _with(lambda d: {}),
        on_state(lambda f: "keys_revoked"),
        "the keys are revoked for a while",
        span=(1_000, 12_000),
        weight=1,
    ),
    "local_clock": Kind(
        _with(lambda d: {"ms": d.choice((-1, 1)) * d.choice((200, 1200, 5000))}),
        nothing,
        "this machine's clock jumps",
    ),
    "adl": Kind(
        _symbol, once(lambda f: {"adl": {"symbol": f.args["symbol"]}}), "auto-deleveraging", weight=1
    ),
    "liquidation": Kind(
        _symbol, once(lambda f: {"liquidation": {"symbol": f.args["symbol"]}}), "liquidation", weight=1
    ),
    "filters_changed": Kind(_symbol, nothing, "the symbol's filters change", weight=1),
    "unplugged": Kind(_with(lambda d: {}), nothing, "the network is gone", span=(500, 20_000)),
    "clock_drift": Kind(
        _with(lambda d: {"ppm": d.choice((-1, 1)) * d.choice((50, 400, 3_000))}),
        nothing,
        "this machine's clock runs fast or slow",
        span=(10_000, 90_000),
    ),
    "venue_clock": Kind(
        _with(lambda d: {"ms": d.choice((-1, 1)) * d.choice((50, 300, 1_500))}),
        on_state(lambda f: {"clock_skew": {"ms": f.args["ms"]}}),
        "the venue's clock is off",
        weight=1,
    ),
    "by_hand": Kind(_by_hand, nothing, "the owner acts in the very moment of a boundary", weight=4),
    "mode_changed": Kind(
        _with(lambda d: {"what": d.choice(("position_mode", "multi_assets", "margin_type"))}, _symbol),
        nothing,
        "the owner changes the account's mode for a while",
        span=(1_000, 10_000),
        weight=1,
    ),
    "crash": Kind(_crash, nothing, "the process dies at a boundary", weight=5),
    "restart": Kind(
        _with(lambda d: {"away_ms": d.choice((100, 1_000, 8_000))}),
        nothing,
        "the operator stops the process and starts it again",
        weight=1,
    ),
    "disk_full": Kind(
        _with(lambda d: {"room": d.choice((0, 100, 1500))}),
        nothing,
        "the disk is full",
        span=(1_000, 8_000),
        weight=1,
    ),
    "disk_error": Kind(
        _with(lambda d: {"verb": d.choice(("write", "sync"))}),
        nothing,
        "the disk fails",
        span=(1_000, 8_000),
        weight=1,
    ),
    "two_processes": Kind(
        _with(lambda d: {"takes_over": d.randrange(2) == 0}),
        nothing,
        "a second process for the same account",
        span=(3_000, 15_000),
        weight=1,
    ),
}


def draw_faults(seed: int, name: str, rate: float, setup: Setup) -> tuple[Fault, ...]:
    """The plan of a seed: on average `rate` * 5 faults a minute of the run, none at rate 0."""
    dice = Random(f"{seed}/faults/{name}")
    faults = draw_plan(dice, name, rate * 5 * setup.duration_ms / 60_000, setup, KINDS)
    return tuple(sorted(faults, key=lambda f: f.at_ms))


def draw_plan(dice: Random, name: str, mean: float, setup: Any, kinds: Mapping[str, Kind]) -> list[Fault]:
    """About `mean` faults of the kinds that the scenario names, or else of all; none where `mean` is 0."""
    if mean <= 0:
        return []
    what = scenario(name)
    names = what.kinds or tuple(kinds)
    weights = [max(kinds[k].weight, int(bool(what.kinds))) for k in names]
    count = max(what.least, int(mean * (0.5 + dice.random()) + dice.random()))
    return [draw_fault(dice, dice.choices(names, weights)[0], setup, kinds) for _ in range(count)]


def draw_fault(dice: Random, kind: str, setup: Any, kinds: Mapping[str, Kind]) -> Fault:
    """One fault of a kind, somewhere in the run of any product's `setup`."""
    how = kinds[kind]
    return Fault(
        kind=kind,
        at_ms=0 if how.from_start else dice.randrange(500, setup.duration_ms),
        for_ms=dice.randrange(*how.span),
        args=how.draw(dice, setup),
    )
