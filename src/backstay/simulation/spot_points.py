"""Spot's list of boundaries between the runtime and the world, and the draw of a kill at each of them.

As `crash_points.py` is for USD-M: a run that crosses a boundary which is not in the list fails a test, and a
situation is a seed.
"""

from random import Random
from typing import Any

from backstay.simulation.crash_points import (
    DISK,
    REPAIRS,
    SNAPSHOTS,
    Draw,
    Point,
    again,
    both,
    deaths,
    every,
    kill_at,
    requests,
)
from backstay.simulation.faults import Fault
from backstay.simulation.plans import draw_fault
from backstay.simulation.spot_plans import CANCEL, KINDS, LIST, PLACE
from backstay.simulation.spot_setup import SpotSetup

START_READS = (
    "http GET /api/v3/exchangeInfo",
    "http GET /api/v3/time",
    "http GET /api/v3/account/commission",
)
STATE_READS = (
    "http GET /api/v3/account",
    "http GET /api/v3/openOrders",
    "http GET /api/v3/myTrades",
)
DOUBT_READS = ("http GET /api/v3/order",)
POLLED = ("http GET /api/v3/ticker/price",)
HTTP_MUTATIONS = (f"http {PLACE}",)
CLOSING = (f"http {CANCEL}",)
SUBSCRIBED = "userDataStream.subscribe.signature"
PRIVATE = ("executionReport", "outboundAccountPosition")
LISTS = ("frame in private listStatus",)
RARE = (
    "disk replace",
    "disk truncate",
    "exchangeInfo",
    "order.cancel",
    "DELETE",
    "frame in private balanceUpdate",
    "externalLockUpdate",
    "listStatus",
    "frame in private eventStreamTerminated",
    "serverShutdown",
    "session.subscriptions",
)
"""Boundaries that a run crosses a few times at most: deadly from its beginning."""

SPOT_POINTS: tuple[Point, ...] = (
    *both(DISK, "calm", "restarts", "mixed"),
    *both(SNAPSHOTS, "stops in good order"),
    *both(REPAIRS, "torn"),
    *requests(START_READS, "restarts", "cuts", "mixed"),
    *requests(STATE_READS, "cuts", "doubts", "mixed"),
    *requests(DOUBT_READS, "doubts"),
    *requests(POLLED, "away"),
    *requests(HTTP_MUTATIONS, "no order connection"),
    *requests(CLOSING, "no order connection, closings"),
    *both(("frame out ws_api order.place",), "calm", "doubts", "mixed"),
    *both(("frame in ws_api order.place",), "calm", "doubts", "mixed"),
    *both(("frame out ws_api order.cancel", "frame in ws_api order.cancel"), "closings"),
    *both((f"frame out ws_api {SUBSCRIBED}", f"frame in private {SUBSCRIBED}"), "restarts", "cuts"),
    *both(tuple(f"frame in private {e}" for e in PRIVATE), "calm", "cuts", "mixed"),
    *both(LISTS, "lists"),
    *both(("frame in private balanceUpdate", "frame in private externalLockUpdate"), "transfers"),
    *both(("frame in private eventStreamTerminated",), "dying subscriptions"),
    *both(
        ("frame in private serverShutdown", "frame in market serverShutdown", "frame in ws_api"), "shutdowns"
    ),
    *both(("frame out private session.subscriptions", "frame in private session.subscriptions"), "halted"),
    *both(("frame in market 24hrMiniTicker", "frame in market"), "calm", "cuts"),
    *both(("frame out market SUBSCRIBE", "frame out market UNSUBSCRIBE"), "calm", "cuts"),
    *both(("frame out market LIST_SUBSCRIPTIONS",), "silent market"),
    *both(("handshake ws_api", "handshake market"), "restarts", "cuts"),
)

LIST_POINTS: tuple[Point, ...] = (
    *both(DISK, "calm", "lists in doubt", "restarts"),
    *requests(STATE_READS, "restarts", "lists in doubt"),
    *requests(DOUBT_READS, "lists in doubt"),
    *requests((f"http {LIST}",), "no order connection"),
    *requests(CLOSING, "no order connection"),
    *both(("frame out ws_api orderList.place.oco",), "calm", "lists in doubt", "mixed"),
    *both(("frame in ws_api orderList.place.oco",), "calm", "lists in doubt", "mixed"),
    *both(("frame out ws_api order.cancel", "frame in ws_api order.cancel"), "calm", "mixed"),
    *both(tuple(f"frame in private {e}" for e in PRIVATE), "calm", "lists in doubt", "mixed"),
    *both(LISTS, "calm", "lists in doubt"),
)
"""The way of an order list: placed, cancelled by one of its legs, replaced by both. The other boundaries of
spot are crossed by who sells lots as well.
"""


def draw_spot_crash(seed: int, setup: SpotSetup, points: tuple[Point, ...]) -> tuple[Fault, ...]:
    """The situation of a seed: the kill, and what else goes wrong."""
    point = points[seed % len(points)]
    dice = Random(f"{seed}/crash")
    around, *more = dice.choice(point.surroundings).split(", ")
    faults = list(_SURROUNDINGS[around](dice, setup))
    for name in more:
        if name == "unanswered":
            endpoint = point.boundary.removeprefix("failure of http ")
            faults += every(dice, setup, 6_000, "request_lost", 5_000, endpoint=endpoint, times=2)
        else:
            faults += _SURROUNDINGS[name](dice, setup)
    return tuple(sorted((*faults, kill_at(point, dice, setup, RARE)), key=lambda f: f.at_ms))


def _calm(_dice: Random, _setup: SpotSetup) -> list[Fault]:
    return []


def _cuts(dice: Random, setup: SpotSetup) -> list[Fault]:
    surfaces = ("ws_api", "market")
    return [fault for s in surfaces for fault in every(dice, setup, 12_000, "cut", surface=s)]


def _doubts(dice: Random, setup: SpotSetup) -> list[Fault]:
    executed = dice.randrange(3) == 0
    faults = every(dice, setup, 7_000, "backend_timeout", 8_000, endpoint=PLACE, times=1, executed=executed)
    return faults + every(dice, setup, 20_000, "events_lost", 1_500, event="executionReport", times=1)


def _lists_in_doubt(dice: Random, setup: SpotSetup) -> list[Fault]:
    executed = dice.randrange(2) == 0
    faults = every(dice, setup, 7_000, "backend_timeout", 8_000, endpoint=LIST, times=1, executed=executed)
    faults += every(dice, setup, 11_000, "answer_lost", 8_000, endpoint=CANCEL, times=1)
    return faults + every(dice, setup, 20_000, "events_lost", 1_500, event="executionReport", times=1)


def _no_order_connection(_dice: Random, setup: SpotSetup) -> list[Fault]:
    # The account's events come on another connection of the same surface: orders alone are refused there.
    return [
        Fault(
            kind="cut_at_request",
            at_ms=0,
            for_ms=setup.duration_ms,
            args={"endpoint": endpoint, "surface": "ws_api", "when": "before"},
        )
        for endpoint in (PLACE, LIST, CANCEL)
    ]


def _by_hand(do: tuple[str, ...], gap_ms: int) -> Draw:
    def draw(dice: Random, setup: SpotSetup) -> list[Fault]:
        made: list[Fault] = []
        for name in do:
            args: dict[str, Any] = {"boundary": "frame in market", "when": "after", "nth": 1, "do": name}
            args |= {"symbol": dice.choice(setup.symbols), "leg": "7", "amount": "0.5"}
            made += every(dice, setup, gap_ms, "by_hand", **args)
        return made

    return draw


def _halted(_dice: Random, setup: SpotSetup) -> list[Fault]:
    # Nothing trades, so nothing is heard: after a minute the subscription is asked for.
    args, whole = {"status": "TRADING_HALT"}, setup.duration_ms
    return [Fault(kind="halt", at_ms=500, for_ms=whole, args={**args, "symbol": x}) for x in setup.symbols]


def _away(dice: Random, setup: SpotSetup) -> list[Fault]:
    return every(dice, setup, 45_000, "stream_away", 30_000)


def _mixed(dice: Random, setup: SpotSetup) -> list[Fault]:
    kinds = ("answer_lost", "events_late", "throttled", "text_503", "partial_fills", "cut")
    return [draw_fault(dice, dice.choice(kinds), setup, KINDS) for _ in range(6)]


_SURROUNDINGS: dict[str, Draw] = {
    "calm": _calm,
    "restarts": deaths("frame in market", 15_000, power=False),
    "stops in good order": again(15_000, "restart", away_ms=300),
    "torn": deaths("disk write", 4_000, power=True),
    "cuts": _cuts,
    "doubts": _doubts,
    "lists in doubt": _lists_in_doubt,
    "no order connection": _no_order_connection,
    "closings": _by_hand(("buy", "close_lot"), 9_000),
    "transfers": _by_hand(("deposit", "lock"), 12_000),
    "lists": _by_hand(("sell_free", "oco"), 9_000),
    "dying subscriptions": again(20_000, "subscription_end"),
    "shutdowns": again(25_000, "server_shutdown", ms=500),
    "silent market": again(30_000, "silent", surface="market", ms=20_000),
    "away": _away,
    "halted": _halted,
    "mixed": _mixed,
}
