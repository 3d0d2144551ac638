"""The list of boundaries between the runtime and the world, and the draw of a kill at each of them.

A boundary is a durable write or a network step: before it nothing of it has happened, after it all of it has.
`POINTS` names every one that the runtime crosses; a run that crosses one which is not in the list fails a
test. A situation is a seed: it names the point (its number modulo the length of the list), the world around
it, what else goes wrong there (the point's surroundings) and the moment from which the point is deadly.
"""

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import msgspec

from backstay.simulation.faults import Fault
from backstay.simulation.plans import ALGO, KINDS, MUTATIONS, ORDER, draw_fault
from backstay.simulation.setup import Setup
from backstay.simulation.spot_setup import SpotSetup

DISK = ("disk write events.jsonl", "disk sync events.jsonl", "disk put events.wal", "disk replace events.wal")
SNAPSHOTS = ("disk replace *.snap",)
REPAIRS = ("disk truncate events.jsonl", "disk replace *.torn")
START_READS = (
    "http GET /fapi/v1/exchangeInfo",
    "http GET /fapi/v1/time",
    "http GET /fapi/v1/accountConfig",
    "http GET /fapi/v1/symbolConfig",
    "http GET /fapi/v1/commissionRate",
    "http GET /fapi/v3/balance",
    "http POST /fapi/v1/listenKey",
)
STATE_READS = (
    "http GET /fapi/v1/openOrders",
    "http GET /fapi/v1/openAlgoOrders",
    "http GET /fapi/v3/positionRisk",
)
DOUBT_READS = (
    "http GET /fapi/v1/order",
    "http GET /fapi/v1/algoOrder",
    "http GET /fapi/v1/allAlgoOrders",
    "http GET /fapi/v1/userTrades",
)
HTTP_MUTATIONS = tuple(f"http {endpoint}" for endpoint in MUTATIONS)
WS_METHODS = ("order.place", "order.modify", "order.cancel", "algoOrder.place", "algoOrder.cancel")
PRIVATE = ("ORDER_TRADE_UPDATE", "ACCOUNT_UPDATE", "ALGO_UPDATE", "TRADE_LITE")


RARE = (
    "disk replace",
    "disk truncate",
    "http GET /fapi/v1/exchangeInfo",
    "frame in private ACCOUNT_CONFIG_UPDATE",
    "frame out market UNSUBSCRIBE",
)
"""Boundaries that a run crosses a few times at most: deadly from its beginning."""


type Draw = Callable[[Random, Any], list[Fault]]
"""What else goes wrong in a run: (dice, setup of the product) -> faults."""


class Point(msgspec.Struct, frozen=True):
    """One deadly moment: `when` ("before" or "after") of a boundary, and what brings a run there."""

    when: str
    boundary: str
    surroundings: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.when} {self.boundary}"


def both(names: tuple[str, ...], *surroundings: str) -> Iterator[Point]:
    """Before and after each boundary."""
    for name in names:
        yield Point("before", name, surroundings)
        yield Point("after", name, surroundings)


def requests(names: tuple[str, ...], *surroundings: str) -> Iterator[Point]:
    """The four moments of each request."""
    for name in names:
        yield Point("before", name, surroundings)
        yield Point("before", f"answer to {name}", surroundings)
        yield Point("after", f"answer to {name}", surroundings)
        yield Point("before", f"failure of {name}", (f"{surroundings[0]}, unanswered",))


POINTS: tuple[Point, ...] = (
    *both(DISK, "calm", "restarts", "mixed"),
    *both(SNAPSHOTS, "stops in good order"),
    *both(REPAIRS, "torn"),
    *requests(START_READS, "restarts", "cuts", "mixed"),
    *requests(STATE_READS, "cuts", "doubts", "mixed"),
    *requests(DOUBT_READS, "doubts"),
    *requests(HTTP_MUTATIONS, "no order connection"),
    *both(tuple(f"frame out ws_api {m}" for m in WS_METHODS), "calm", "doubts", "mixed"),
    *both(tuple(f"frame in ws_api {m}" for m in WS_METHODS), "calm", "doubts", "mixed"),
    *both(tuple(f"frame in private {e}" for e in PRIVATE), "calm", "cuts", "mixed"),
    *both(("frame in private ACCOUNT_CONFIG_UPDATE",), "leverage"),
    *both(("frame in private listenKeyExpired",), "dying keys"),
    *both(("frame in market markPriceUpdate", "frame in market"), "calm", "cuts"),
    *both(("frame out market SUBSCRIBE", "frame out market UNSUBSCRIBE"), "calm", "cuts"),
    *both(("frame out market LIST_SUBSCRIPTIONS",), "silent market"),
    *both(("handshake private", "handshake ws_api", "handshake market"), "restarts", "cuts"),
)


def draw_crash(seed: int, setup: Setup) -> tuple[Fault, ...]:
    """The situation of a seed: the kill, and what else goes wrong."""
    point = POINTS[seed % len(POINTS)]
    dice = Random(f"{seed}/crash")
    around, _, unanswered = dice.choice(point.surroundings).partition(", ")
    faults = list(_SURROUNDINGS[around](dice, setup))
    if unanswered:
        endpoint = point.boundary.removeprefix("failure of http ")
        faults += every(dice, setup, 6_000, "request_lost", 5_000, endpoint=endpoint, times=2)
    return tuple(sorted((*faults, kill_at(point, dice, setup, RARE)), key=lambda f: f.at_ms))


def kill_at(point: Point, dice: Random, setup: Setup | SpotSetup, rare_ones: tuple[str, ...]) -> Fault:
    """The kill at this point, somewhere in the run; from its beginning on where the boundary is rare."""
    rare = any(name in point.boundary for name in rare_ones)
    latest = 0.7 if point.boundary.startswith(("disk", "frame")) else 0.4
    at_ms = 0 if rare or dice.randrange(4) == 0 else dice.randrange(1, int(setup.duration_ms * latest))
    return Fault(
        kind="crash",
        at_ms=at_ms,
        args={
            "boundary": point.boundary,
            "when": point.when,
            "nth": 1 if rare else dice.choice((1, 1, 1, 2, 3)),
            "power": dice.randrange(3) == 0,
            "away_ms": dice.choice((100, 1_000, 4_000, 12_000)),
            "exact": True,
        },
    )


def every(
    dice: Random, setup: Setup | SpotSetup, gap_ms: int, kind: str, for_ms: int = 0, **args: Any
) -> list[Fault]:
    """The same fault again and again."""
    first = dice.randrange(200, gap_ms)
    moments = range(first, setup.duration_ms - 1_000, gap_ms)
    return [Fault(kind=kind, at_ms=at, for_ms=for_ms, args=args) for at in moments]


def _calm(_dice: Random, _setup: Setup) -> list[Fault]:
    return []


def deaths(boundary: str, gap_ms: int, *, power: bool) -> Draw:
    """The process dies at this boundary again and again."""
    death: dict[str, Any] = {"boundary": boundary, "when": "after", "nth": 1, "power": power, "away_ms": 300}
    return again(gap_ms, "crash", **death)


def again(gap_ms: int, kind: str, **args: Any) -> Draw:
    """`every`, to be drawn later."""
    return lambda dice, setup: every(dice, setup, gap_ms, kind, **args)


def _cuts(dice: Random, setup: Setup) -> list[Fault]:
    return [
        fault
        for surface in ("private", "ws_api", "market")
        for fault in every(dice, setup, 12_000, "cut", surface=surface)
    ]


def _doubts(dice: Random, setup: Setup) -> list[Fault]:
    faults = every(dice, setup, 9_000, "backend_timeout", 8_000, endpoint=ORDER, times=1, executed=False)
    done = dice.randrange(3) == 0
    faults += every(dice, setup, 7_000, "backend_timeout", 8_000, endpoint=ALGO, times=1, executed=done)
    faults += every(dice, setup, 20_000, "events_lost", 1_500, event="ORDER_TRADE_UPDATE", times=1)
    return faults


def _no_order_connection(_dice: Random, setup: Setup) -> list[Fault]:
    args = {"surface": "ws_api", "status": 503}
    return [Fault(kind="refused_connections", at_ms=0, for_ms=setup.duration_ms, args=args)]


def _leverage(dice: Random, setup: Setup) -> list[Fault]:
    args: dict[str, Any] = {"boundary": "frame in market", "when": "after", "nth": 1, "do": "leverage"}
    args["leg"] = "LONG"
    symbol = dice.choice(setup.symbols)
    other = [
        every(dice, setup, 16_000, "by_hand", **args, symbol=symbol, amount=amount) for amount in ("5", "25")
    ]
    return [*other[0], *other[1]]


def _mixed(dice: Random, setup: Setup) -> list[Fault]:
    kinds = ("answer_lost", "events_late", "throttled", "text_503", "partial_fills", "cut")
    return [draw_fault(dice, dice.choice(kinds), setup, KINDS) for _ in range(6)]


_SURROUNDINGS: dict[str, Draw] = {
    "calm": _calm,
    "restarts": deaths("frame in market", 15_000, power=False),
    "stops in good order": again(15_000, "restart", away_ms=300),
    "torn": deaths("disk write", 4_000, power=True),
    "cuts": _cuts,
    "doubts": _doubts,
    "no order connection": _no_order_connection,
    "dying keys": again(20_000, "listen_key_death", announce=True),
    "leverage": _leverage,
    "silent market": again(30_000, "silent", surface="market", ms=20_000),
    "mixed": _mixed,
}
