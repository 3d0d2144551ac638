"""Fifty symbols with a position and ten orders each: what restarts cost and limits do is seen on them."""

from typing import Any

from backstay.simulator.feeds.ticks import Trade
from backstay.simulator.specs import synthetic_specs
from backstay.strategies.position_manager.policy import SizeUnit

from tests.system.stand_ins import START, D
from tests.system.world import World, policy

SPECS = synthetic_specs(50)
SYMBOLS = tuple(s.symbol for s in SPECS)
WORTH = D(240)
ORDERS_EACH = 10
"""A stop, two take-profits, a ladder of seven."""
POLICY = policy(
    distance="0.2",
    profits=(("0.01", "0.5"), ("0.02", "0.5")),
    dca={
        "steps": 7,
        "first_deviation": D("0.01"),
        "deviation_multiplier": D(1),
        "first_size": D("0.2"),
        "size_unit": SizeUnit.BASE_FRACTION,
        "size_multiplier": D(1),
        "max_resting": 7,
    },
)


class CrowdFeed:
    """One print of every symbol, then silence."""

    start_ns = START
    symbols = SYMBOLS

    def ticks(self):
        for i, spec in enumerate(SPECS):
            yield Trade(START + i, spec.symbol, spec.price, D(10), False, i)


OPTIONS: dict[str, Any] = {"policy": POLICY, "symbols": SYMBOLS, "feed": CrowdFeed(), "specs": SPECS}


async def settle_in(world: World) -> None:
    """Positions in all symbols, opened by hand one after the other, until every order rests."""
    for spec in SPECS:
        quantity = (WORTH / spec.price // spec.step) * spec.step
        world.hand("order", symbol=spec.symbol, side="BUY", type="MARKET", quantity=quantity)
        await world.settle(0.5)
    await world.until(
        lambda: resting(world) == ORDERS_EACH * len(SPECS), "all orders", within_s=300, every_s=2
    )
    await world.trusted()


def resting(world: World) -> int:
    """Open orders of the account, of both kinds."""
    truth = world.truth()
    algos = sum(a["algoStatus"] == "NEW" for a in truth["algo_orders"])
    return algos + sum(o["status"] in {"NEW", "PARTIALLY_FILLED"} for o in truth["orders"])
