"""What goes wrong where a trader enters by score: the kinds of USD-M, those of market data, and deaths around
entries.
"""

from random import Random
from typing import Any

from msgspec.structs import replace

from backstay.simulation.faults import Fault, Kind, nothing, on_requests
from backstay.simulation.plans import AWKWARD, CRASH_BOUNDARIES, draw_plan
from backstay.simulation.plans import KINDS as USDM
from backstay.simulation.scored_setup import ScoredSetup
from backstay.simulation.setup import Setup
from backstay.simulation.spot_plans import KINDS as SPOT

KLINES = "GET /fapi/v1/klines"
SETTINGS = (
    "POST /fapi/v1/leverage",
    "POST /fapi/v1/marginType",
    "POST /fapi/v1/positionSide/dual",
    "GET /fapi/v1/leverageBracket",
    "GET /fapi/v1/symbolConfig",
)
ENTRY_BOUNDARIES = (
    "frame out ws_api order.place",
    "frame in ws_api order.place",
    "frame in private ORDER_TRADE_UPDATE",
    "frame in private ACCOUNT_UPDATE",
    "frame out ws_api algoOrder.place",
    "frame in ws_api algoOrder.place",
    "frame in private ALGO_UPDATE",
)
"""Between the request for an entry and the proof of its protection."""
BAR_STREAM, MARK_STREAM = "kline", "markPriceUpdate"


def _crash_at_entry(dice: Random, _setup: Setup) -> dict[str, Any]:
    return {
        "boundary": dice.choice(ENTRY_BOUNDARIES),
        "when": dice.choice(("before", "after")),
        "nth": dice.choice((1, 1, 1, 2)),
        "power": dice.randrange(3) == 0,
        "away_ms": dice.choice((100, 1_000, 8_000, 40_000)),
    }


def _frames(event: str, effect: Any) -> Any:
    """A rule that meets frames of the market streams."""

    def rules(f: Fault) -> tuple[dict[str, Any], ...]:
        match = {"surface": "market", "event": event, "until_ms": f.for_ms}
        return ({"name": f.kind, "match": match, "effect": effect(f)},)

    return rules


def _by_hand(dice: Random, setup: Setup) -> dict[str, Any]:
    """As on USD-M; leverage is what the trader has set itself."""
    do = dice.choice((*AWKWARD, "leverage"))
    return {
        "boundary": dice.choice((*CRASH_BOUNDARIES, *ENTRY_BOUNDARIES)),
        "when": dice.choice(("before", "after")),
        "nth": dice.choice((1, 1, 2, 3)),
        "do": do,
        "symbol": dice.choice(setup.symbols),
        "leg": dice.choice(("LONG", "SHORT")),
        "amount": dice.choice({"reduce": ("0.25", "0.8"), "leverage": ("5", "25")}.get(do, ("120", "500"))),
    }


MARKET: dict[str, Kind] = {
    "bars_lost": Kind(
        lambda _d, _s: {}, _frames(BAR_STREAM, lambda f: "drop"), "closed bars do not come", (20_000, 150_000)
    ),
    "bars_late": Kind(
        lambda d, _s: {"ms": d.choice((300, 4_000, 25_000))},
        _frames(BAR_STREAM, lambda f: {"delay": {"ms": f.args["ms"]}}),
        "bars are late",
        (20_000, 90_000),
    ),
    "bars_twice": Kind(
        lambda d, _s: {"copies": d.randrange(1, 3)},
        _frames(BAR_STREAM, lambda f: {"duplicate": {"copies": f.args["copies"]}}),
        "bars come twice",
        (20_000, 90_000),
    ),
    "marks_lost": Kind(
        lambda _d, _s: {},
        _frames(MARK_STREAM, lambda f: "drop"),
        "the mark price is silent",
        (10_000, 90_000),
        weight=3,
    ),
    "market_silent": Kind(
        lambda d, _s: {"surface": "market", "ms": d.choice((5_000, 30_000, 70_000))},
        USDM["silent"].rules,
        "the market streams are connected and silent",
    ),
    "history_unreadable": Kind(
        lambda d, _s: {"endpoint": KLINES, "times": d.randrange(1, 6)},
        on_requests(lambda f: {"text_503": {"text": "unavailable"}}),
        "bars cannot be read",
        (20_000, 90_000),
    ),
    "settings_fail": Kind(
        lambda d, _s: {"endpoint": d.choice(SETTINGS), "times": d.randrange(1, 3)},
        on_requests(lambda f: "timeout_after_accept"),
        "the answer to a change of the account's settings is lost",
        (20_000, 120_000),
        from_start=True,
    ),
    "crash_at_entry": Kind(
        _crash_at_entry, nothing, "the process dies between an entry and its protection", weight=6
    ),
}

KINDS: dict[str, Kind] = {**USDM, **MARKET, "by_hand": replace(USDM["by_hand"], draw=_by_hand)}

EVERY_KIND: dict[str, Kind] = {**SPOT, **MARKET, **USDM}
"""Of every product, by name."""


def draw_scored_faults(seed: int, name: str, rate: float, setup: ScoredSetup) -> tuple[Fault, ...]:
    """The plan of a seed: on average `rate` * 2.5 faults a minute of the run, none at rate 0."""
    dice = Random(f"{seed}/faults/{name}")
    faults = draw_plan(dice, name, rate * 2.5 * setup.duration_ms / 60_000, setup, KINDS)
    return tuple(sorted(faults, key=lambda f: f.at_ms))
