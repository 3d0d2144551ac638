"""`kill -9` at any touch of the outside world while a spot holding is bought, added to and sold: no order
twice, no coin without its orders in the end, and what rests is adopted.
"""

import asyncio
import functools
from collections import Counter
from decimal import Decimal

import pytest

from tests.system.holding_world import check_holding
from tests.system.spot_world import PREFIX
from tests.system.stand_ins import Killed

D = Decimal


async def life(w):
    """Bought, added to, taken away, bought again; the process may die anywhere in between."""
    w.buy("10")
    await asyncio.sleep(0.4)
    w.buy("6", "4", price="1.2300")
    await asyncio.sleep(0.6)
    w.price("1.2200")
    await asyncio.sleep(0.4)


def check_killed_at(point):
    counted = []

    async def script(w):
        w.kill_at = point
        try:
            await w.start()
        except Killed:
            w.kill()
            await asyncio.sleep(0.3)
            w.kill_at = None
            await w.start()
        supervisor = asyncio.create_task(w.watched())
        await life(w)
        counted.append((w.steps.count, list(w.steps.log)))
        await w.until(lambda: w.guard is not None and not w.steps.dead, "it runs")
        await w.until(lambda: w.guard is not None and w.key in w.running.owner.account.scopes, "it knows")
        await w.until(lambda: not w.steps.dead and w.held == D("19.98"), f"killed at {point}")
        await w.until(lambda: not w.steps.dead and w.has_pair("19.98"), f"killed at {point}", 120)
        supervisor.cancel()
        await asyncio.gather(supervisor, return_exceptions=True)
        ids = Counter(
            o["clientOrderId"] for o in w.truth()["orders"] if o["clientOrderId"].startswith(PREFIX)
        )
        assert set(ids.values()) == {1}
        w.price("1.3000")
        await w.until(lambda: not w.held and not w.sells() and w.quiet, f"sold; killed at {point}")

    check_holding(script, started=False)
    return counted[0]


@functools.cache
def calm() -> tuple[int, list[str]]:
    """The touches of a life in which nobody is killed: how many, and of what."""
    return check_killed_at(None)


def test_a_life_has_enough_points_to_die_at():
    total, log = calm()
    assert total > 40, total
    assert {"disk", "frame out", "frame in", "http GET", "http answer"} <= set(log)


CHUNKS = 4


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_i32_killed_at_any_point_and_restarted(chunk):
    for point in range(1 + chunk, calm()[0] + 1, CHUNKS):
        check_killed_at(point)
