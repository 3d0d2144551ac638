"""The faults, as data: what is installed before the client starts, what happens then, how long to look.

`before`: fault rules in place from the start. `acts`: what is done when the position is armed (stop, and
take-profit where the client rests one), or, with `at_once`, as soon as there is a position. Acts are tuples:

    ("faults", [rules])     install rules; their times count from now
    ("clear",)              forget them
    ("price", "0.97")       the market jumps to this share of its first price
    ("human", {...})        the account's owner acts by hand
    ("cancel_stops",)       the owner cancels every stop of the client by hand
    ("close",)              the owner closes the position by hand
    ("kill",), ("start",)   SIGKILL; start again (it does not enter a second time)
    ("wait", 2.0)           seconds
    ("asked", "POST /fapi/v1/algoOrder")   wait until the client has sent this for the first time
    ("flat",)               wait until there is no position
"""

from dataclasses import dataclass, field
from typing import Any

type Act = tuple[Any, ...]
type Rules = list[dict[str, Any]]

STOP = "POST /fapi/v1/algoOrder"
ORDER = "POST /fapi/v1/order"


@dataclass(frozen=True)
class Case:
    name: str
    title: str
    seen: str
    """Where users of such programs have reported it."""
    before: Rules = field(default_factory=list)
    acts: tuple[Act, ...] = ()
    watch_s: float = 12.0
    """How long is looked on after the last act."""
    at_once: bool = False
    hedge: bool = False
    needs_profit: bool = False
    """A resting take-profit is what the case is about."""
    dca: bool = False
    fill_first: bool = False
    """The venue tells the fill of a triggered stop before it tells that the stop has triggered."""


def rule(effect: Any, **match: Any) -> dict[str, Any]:
    return {"match": match, "effect": effect}


def private_gap(ms: int) -> Rules:
    return [
        rule({"cut": {"surface": "private"}}, at_ms=0),
        rule({"refuse_connection": {"status": 503}}, surface="private", until_ms=ms),
    ]


CASES = (
    Case("none", "no fault", "-", watch_s=6),
    Case(
        "stop-answer-lost",
        "stop accepted, its answer never comes",
        "hummingbot#493, nautilus#4215",
        before=[rule("timeout_after_accept", endpoint=STOP, nth=1)],
        watch_s=28,
    ),
    Case(
        "stop-request-lost",
        "stop lost on the way, no answer",
        "hummingbot#493",
        before=[rule("timeout_before", endpoint=STOP, nth=1)],
        at_once=True,
        watch_s=28,
    ),
    Case(
        "stop-503-done",
        "stop answered 503 'unknown', and executed",
        "hummingbot#6033",
        before=[rule({"text_503": {"text": "unknown", "executed": True}}, endpoint=STOP, nth=1)],
        watch_s=14,
    ),
    Case(
        "stop-503-not-done",
        "stop answered 503 'unknown', not executed",
        "hummingbot#6033",
        before=[rule({"text_503": {"text": "unknown", "executed": False}}, endpoint=STOP, nth=1)],
        at_once=True,
        watch_s=16,
    ),
    Case(
        "stop-1007-done",
        "stop answered -1007, and executed",
        "nautilus#4215",
        before=[rule({"-1007": {"executed": True}}, endpoint=STOP, nth=1)],
        watch_s=14,
    ),
    Case(
        "not-found",
        "for 10 s queries do not show the new stop (-2013)",
        "freqtrade#12681, hummingbot#601",
        before=[rule({"visibility_lag": {"ms": 10_000, "lagging": "algo"}}, from_ms=0, until_ms=60_000)],
        watch_s=16,
    ),
    Case(
        "reduce-only-refused",
        "first stop refused: reduce-only -2022",
        "hummingbot#8283, freqtrade#6739",
        before=[
            rule({"error": {"code": -2022, "msg": "ReduceOnly Order is rejected."}}, endpoint=STOP, nth=1)
        ],
        at_once=True,
        watch_s=14,
    ),
    Case(
        "would-trigger",
        "price is beyond the stop before it can be placed: -2021",
        "freqtrade#1557, #4051",
        before=[
            rule(
                {"error": {"code": -2021, "msg": "Order would immediately trigger."}},
                endpoint=STOP,
                until_ms=600_000,
            )
        ],
        acts=(("price", "0.97"),),
        at_once=True,
        watch_s=14,
    ),
    Case(
        "burst-429",
        "stop and what follows refused with 429 three times",
        "hummingbot#1291, BTCT#427",
        before=[rule({"throttle_429": {"retry_after": 2}}, endpoint=STOP, times=3)],
        at_once=True,
        watch_s=18,
    ),
    Case(
        "partial-fills",
        "entry filled in five parts",
        "nautilus#3869, passivbot#980",
        before=[rule({"partial_fills": {"max_qty": "0.004"}}, from_ms=0, until_ms=600_000)],
        watch_s=10,
    ),
    Case(
        "entry-answer-lost",
        "exposure order accepted, its answer never comes",
        "hummingbot#493, catalyst#317",
        before=[rule("timeout_after_accept", endpoint=ORDER, nth=[1, 2])],
        at_once=True,
        dca=True,
        watch_s=18,
    ),
    Case(
        "late-events",
        "every private event comes 3 s late",
        "nautilus#4215, passivbot#980",
        before=[rule({"delay": {"ms": 3000}}, surface="private")],
        watch_s=14,
    ),
    Case(
        "twice-told",
        "every private event comes twice",
        "python-binance#1655",
        before=[rule({"duplicate": {"copies": 1}}, surface="private")],
        watch_s=8,
    ),
    Case(
        "fill-before-finished",
        "stop triggers; its fill is told before the trigger",
        "nautilus#3664",
        acts=(("price", "0.975"), ("flat",)),
        fill_first=True,
        watch_s=8,
    ),
    Case(
        "stuck-triggering",
        "stop stays in TRIGGERING for good, price falls on",
        "freqtrade#12984",
        before=[rule("stuck_triggering", from_ms=0, until_ms=600_000, symbol="BTCUSDT")],
        acts=(("price", "0.975"),),
        watch_s=18,
    ),
    Case(
        "child-refused",
        "stop triggers, the venue refuses its order",
        "nautilus#4682",
        acts=(
            ("faults", [rule("reject_child", from_ms=0, until_ms=600_000)]),
            ("price", "0.975"),
            ("wait", 0.5),
            ("clear",),
        ),
        watch_s=14,
    ),
    Case(
        "both-exits",
        "take-profit and stop are hit 30 ms apart",
        "nautilus#4043",
        acts=(("price", "1.02"), ("wait", 0.03), ("price", "0.975")),
        needs_profit=True,
        watch_s=10,
    ),
    Case(
        "gap-profit",
        "stream away for 6 s, take-profit fills meanwhile",
        "hummingbot#7590",
        acts=(("faults", private_gap(6000)), ("wait", 0.5), ("price", "1.02"), ("wait", 5.5)),
        needs_profit=True,
        watch_s=12,
    ),
    Case(
        "gap-nothing",
        "stream away for 3 s, nothing happens meanwhile",
        "hummingbot#7590",
        acts=(("faults", private_gap(3000)), ("wait", 3.0)),
        watch_s=14,
    ),
    Case(
        "gap-closed",
        "stream away for 6 s, closed by hand meanwhile",
        "hummingbot#7590, freqtrade#6926",
        acts=(("faults", private_gap(6000)), ("wait", 0.5), ("close",), ("wait", 5.5)),
        watch_s=14,
    ),
    Case(
        "key-dies",
        "listen key dies; then the stop is cancelled by hand",
        "nautilus#3861, unicorn#275",
        acts=(
            ("faults", [rule({"listen_key_death": {"announce": True}}, at_ms=0)]),
            ("wait", 1.0),
            ("cancel_stops",),
        ),
        watch_s=16,
    ),
    Case(
        "deaf",
        "stream open but silent; then the stop is cancelled by hand",
        "nautilus#3869",
        acts=(
            ("faults", [rule({"silent": {"surface": "private"}}, at_ms=0)]),
            ("wait", 0.5),
            ("cancel_stops",),
        ),
        # A round of reads comes every 30 s where nothing else gives cause to ask (decision 0030).
        watch_s=50,
    ),
    Case(
        "stop-cancelled",
        "stop cancelled by hand",
        "freqtrade#5451",
        acts=(("cancel_stops",),),
        watch_s=12,
    ),
    Case(
        "restart",
        "killed with everything resting, started again",
        "OctoBot#3190, hummingbot#2818",
        acts=(("kill",), ("wait", 1.0), ("start",)),
        watch_s=18,
    ),
    Case(
        "kill-mid-order",
        "killed when the stop was sent, started again",
        "freqtrade#13399",
        before=[rule("timeout_after_accept", endpoint=STOP, nth=1)],
        acts=(("asked", STOP), ("kill",), ("wait", 0.5), ("clear",), ("start",)),
        at_once=True,
        watch_s=18,
    ),
    Case(
        "kill-before-stop",
        "killed before the stop got through, started again",
        "hummingbot#2818",
        before=[rule("timeout_before", endpoint=STOP)],
        acts=(("asked", STOP), ("kill",), ("wait", 0.5), ("clear",), ("start",)),
        at_once=True,
        watch_s=18,
    ),
    Case(
        "closed-while-down",
        "killed, position closed by hand, started again",
        "freqtrade#6926, #11085",
        acts=(("kill",), ("close",), ("wait", 0.5), ("start",)),
        watch_s=18,
    ),
    Case(
        "hedge-restart",
        "hedge mode, equal legs: killed, started again",
        "nautilus#4738",
        acts=(("kill",), ("wait", 1.0), ("start",)),
        hedge=True,
        watch_s=16,
    ),
)
BY_NAME = {case.name: case for case in CASES}
QUICK = ("stop-503-done", "stop-cancelled", "gap-nothing", "fill-before-finished", "restart")
