"""Fault plans as data: what goes wrong, when, for how long. Drawn from a seed, shrunk, kept in the corpus.

A fault of the venue or the wire carries rules of the simulated exchange's own fault plan; one of the machine
(a crash, a full disk, a pulled cable) is carried out by the world. A fault that nothing on the wire can
reveal is marked `blind`: when the faults stop, the private stream is cut once, as the venue does by itself
within a day, because until then no client could know.
"""

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

import msgspec

from backstay.simulation.errors import SimulationError
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


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that goes wrong. Times in ms from the beginning of the run."""

    kind: str
    at_ms: int
    for_ms: int = 0
    args: dict[str, Any] = {}


class Kind(msgspec.Struct, frozen=True):
    """How a fault is drawn, and which rules it installs at the venue."""

    draw: Callable[[Random, Setup], dict[str, Any]]
    rules: Callable[[Fault], Sequence[Mapping[str, Any]]]
    words: str
    span: tuple[int, int] = (2_000, 30_000)
    weight: int = 2
    blind: bool = False


def _nothing(_fault: Fault) -> Sequence[Mapping[str, Any]]:
    return ()


def _on_requests(effect: Callable[[Fault], Any]) -> Callable[[Fault], Sequence[Mapping[str, Any]]]:
    """A rule that meets requests of the drawn endpoint."""

    def rules(f: Fault) -> Sequence[Mapping[str, Any]]:
        match = {k: f.args[k] for k in ("endpoint", "surface", "times", "probability") if k in f.args}
        return [{"name": f.kind, "match": {**match, "until_ms": f.for_ms}, "effect": effect(f)}]

    return rules


def _on_events(effect: Callable[[Fault], Any]) -> Callable[[Fault], Sequence[Mapping[str, Any]]]:
    def rules(f: Fault) -> Sequence[Mapping[str, Any]]:
        match: dict[str, Any] = {"surface": "private", "until_ms": f.for_ms}
        match.update({k: f.args[k] for k in ("event", "times", "probability") if k in f.args})
        return [{"name": f.kind, "match": match, "effect": effect(f)}]

    return rules


def _state(effect: Callable[[Fault], Any]) -> Callable[[Fault], Sequence[Mapping[str, Any]]]:
    def rules(f: Fault) -> Sequence[Mapping[str, Any]]:
        match = {k: f.args[k] for k in ("symbol", "probability") if k in f.args}
        return [{"name": f.kind, "match": {**match, "until_ms": f.for_ms}, "effect": effect(f)}]

    return rules


def _once(effect: Callable[[Fault], Any]) -> Callable[[Fault], Sequence[Mapping[str, Any]]]:
    return lambda f: [{"name": f.kind, "match": {"at_ms": 0}, "effect": effect(f)}]


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


KINDS: dict[str, Kind] = {
    "answer_lost": Kind(
        _any_request,
        _on_requests(lambda f: "timeout_after_accept"),
        "the venue carries out a request and its answer is lost",
        weight=4,
    ),
    "request_lost": Kind(
        _any_request, _on_requests(lambda f: "timeout_before"), "a request never arrives", weight=3
    ),
    "answer_late": Kind(
        _with(lambda d: {"ms": d.choice((80, 600, 2500, 7000))}, _any_request),
        _on_requests(lambda f: {"delay": {"ms": f.args["ms"]}}),
        "an answer is late",
    ),
    "answer_twice": Kind(
        _with(lambda d: {"surface": "ws_api"}, _mutation),
        _on_requests(lambda f: "duplicate"),
        "an answer comes twice",
    ),
    "cut_at_request": Kind(
        _with(lambda d: {"when": d.choice(("before", "after"))}, _mutation),
        _on_requests(lambda f: {"cut": {"when": f.args["when"]}}),
        "the connection is cut at a request",
    ),
    "text_503": Kind(
        _with(lambda d: {"text": d.choice(("unknown", "unavailable", "internal"))}, _any_request),
        _on_requests(lambda f: {"text_503": {"text": f.args["text"]}}),
        "503 in one of its texts",
        weight=3,
    ),
    "backend_timeout": Kind(
        _with(lambda d: {"executed": d.randrange(2) == 0}, _mutation),
        _on_requests(lambda f: {"-1007": {"executed": f.args["executed"]}}),
        "-1007, executed or not",
    ),
    "protection_mode": Kind(
        _with(lambda d: {"endpoint": ORDER, "probability": d.choice((0.5, 1.0))}),
        _on_requests(lambda f: "-1008"),
        "-1008 for orders that may open",
    ),
    "bad_timestamp": Kind(
        _mutation,
        _on_requests(
            lambda f: {
                "error": {"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."}
            }
        ),
        "-1021",
    ),
    "throttled": Kind(
        _with(lambda d: {"retry_after": d.randrange(1, 6)}, _any_request),
        _on_requests(lambda f: {"throttle_429": {"retry_after": f.args["retry_after"]}}),
        "429 with Retry-After",
    ),
    "banned": Kind(
        _with(lambda d: {"seconds": d.choice((5, 20, 45))}),
        _once(lambda f: {"ban_418": {"seconds": f.args["seconds"]}}),
        "418",
        weight=1,
    ),
    "events_lost": Kind(
        _with(lambda d: {"event": d.choice(EVENTS), "times": d.randrange(1, 4)}),
        _on_events(lambda f: "drop"),
        "events of one type are lost",
        blind=True,
    ),
    "events_late": Kind(
        _with(lambda d: {"ms": d.choice((40, 300, 1200, 4000))}),
        _on_events(lambda f: {"delay": {"ms": f.args["ms"]}}),
        "events are late",
        weight=3,
    ),
    "events_twice": Kind(
        _with(lambda d: {"copies": d.randrange(1, 3)}),
        _on_events(lambda f: {"duplicate": {"copies": f.args["copies"]}}),
        "events come twice",
    ),
    "events_reordered": Kind(
        _with(lambda d: {"event": d.choice(EVENTS), "ms": d.choice((5, 60, 400))}),
        _on_events(lambda f: {"reorder": {"hold_ms": f.args["ms"]}}),
        "events of one type come behind others",
    ),
    "cut": Kind(
        _surface("private", "ws_api", "market"),
        _once(lambda f: {"cut": {"surface": f.args["surface"]}}),
        "a stream is cut",
        weight=3,
    ),
    "half_open": Kind(
        _surface("private", "ws_api", "market"),
        _once(lambda f: {"half_open": {"surface": f.args["surface"]}}),
        "a connection is half open",
    ),
    "silent": Kind(
        _with(lambda d: {"ms": d.choice((1500, 6000, 15000))}, _surface("private", "ws_api")),
        _once(lambda f: {"silent": {"surface": f.args["surface"], "ms": f.args["ms"]}}),
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
        _once(lambda f: {"listen_key_death": {"announce": f.args["announce"]}}),
        "the listen key dies",
        blind=True,
    ),
    "visibility_lag": Kind(
        _with(_lag),
        _state(lambda f: {"visibility_lag": {"ms": f.args["ms"], "lagging": f.args["lagging"]}}),
        "queries show the past",
        weight=3,
    ),
    "query_miss": Kind(
        _with(lambda d: {"probability": 0.7}),
        _state(lambda f: "algo_query_miss"),
        "algo queries do not find what is there",
    ),
    "stuck_triggering": Kind(
        _symbol, _state(lambda f: "stuck_triggering"), "conditional orders hang in TRIGGERING", weight=1
    ),
    "child_rejected": Kind(
        _symbol, _state(lambda f: "reject_child"), "a triggered stop's order is refused", span=(2_000, 12_000)
    ),
    "partial_fills": Kind(
        _with(lambda d: {"probability": d.choice((0.4, 0.9))}),
        _state(lambda f: {"partial_fills": {}}),
        "orders fill in parts",
        span=(10_000, 60_000),
    ),
    "slippage": Kind(
        _with(lambda d: {}), _state(lambda f: {"slippage": {"rate": 0.0008}}), "market orders slip"
    ),
    "halt": Kind(
        _with(lambda d: {"status": d.choice(("TRADING_HALT", "TRADING_CANCEL_ONLY"))}, _symbol),
        _state(lambda f: {"halt": {"status": f.args["status"]}}),
        "the symbol is halted",
        span=(2_000, 20_000),
        weight=1,
    ),
    "keys_revoked": Kind(
        _with(lambda d: {}),
        _state(lambda f: "keys_revoked"),
        "the keys are revoked for a while",
        span=(1_000, 12_000),
        weight=1,
    ),
    "local_clock": Kind(
        _with(lambda d: {"ms": d.choice((-1, 1)) * d.choice((200, 1200, 5000))}),
        _nothing,
        "this machine's clock jumps",
    ),
    "adl": Kind(
        _symbol, _once(lambda f: {"adl": {"symbol": f.args["symbol"]}}), "auto-deleveraging", weight=1
    ),
    "liquidation": Kind(
        _symbol, _once(lambda f: {"liquidation": {"symbol": f.args["symbol"]}}), "liquidation", weight=1
    ),
    "filters_changed": Kind(_symbol, _nothing, "the symbol's filters change", weight=1),
    "unplugged": Kind(_with(lambda d: {}), _nothing, "the network is gone", span=(500, 20_000)),
    "crash": Kind(_crash, _nothing, "the process dies at a boundary", weight=5),
    "disk_full": Kind(
        _with(lambda d: {"room": d.choice((0, 100, 1500))}),
        _nothing,
        "the disk is full",
        span=(1_000, 8_000),
        weight=1,
    ),
    "disk_error": Kind(
        _with(lambda d: {"verb": d.choice(("write", "sync"))}),
        _nothing,
        "the disk fails",
        span=(1_000, 8_000),
        weight=1,
    ),
    "two_processes": Kind(
        _with(lambda d: {"takes_over": d.randrange(2) == 0}),
        _nothing,
        "a second process for the same account",
        span=(3_000, 15_000),
        weight=1,
    ),
}


def check(fault: Fault, where: str) -> None:
    """Raises SimulationError for a kind that does not exist."""
    if fault.kind not in KINDS:
        raise SimulationError(f"{where}: unknown fault {fault.kind!r}; known: {', '.join(KINDS)}")


def draw_faults(seed: int, name: str, rate: float, setup: Setup) -> tuple[Fault, ...]:
    """The plan of a seed: on average `rate` * 5 faults a minute of the run, none at rate 0."""
    if rate <= 0:
        return ()
    what = scenario(name)
    dice = Random(f"{seed}/faults/{name}")
    kinds = what.kinds or tuple(KINDS)
    weights = [KINDS[k].weight for k in kinds]
    mean = rate * 5 * setup.duration_ms / 60_000
    count = max(what.least, int(mean * (0.5 + dice.random()) + dice.random()))
    faults = []
    for _ in range(count):
        kind = dice.choices(kinds, weights)[0]
        how = KINDS[kind]
        faults.append(
            Fault(
                kind=kind,
                at_ms=dice.randrange(500, setup.duration_ms),
                for_ms=dice.randrange(*how.span),
                args=how.draw(dice, setup),
            )
        )
    return tuple(sorted(faults, key=lambda f: f.at_ms))
