"""Plays a case: a virtual loop of its own, a world inside, and a watch for runs that never come to rest."""

import asyncio
from typing import Any

from backstay.core.types import SECOND
from backstay.runtime.virtual_time import LoopClock, run_virtual
from backstay.simulation.case import Case, Outcome
from backstay.simulation.joint_world import JointWorld
from backstay.simulation.machine import Killed, Livelock
from backstay.simulation.observers.base import Observer
from backstay.simulation.observers.every import ALL, GUARD, SCORED, SPOT
from backstay.simulation.scored_world import ScoredWorld
from backstay.simulation.setup import scenario
from backstay.simulation.spot_guard_world import GuardedWorld
from backstay.simulation.spot_world import SpotWorld
from backstay.simulation.world import World

EIGHT = 1_767_600_000 * SECOND
"""2026-01-05 08:00 UTC, when funding is charged."""
STILL_MAX = 20_000
"""Callbacks at one and the same instant of virtual time before that is a livelock."""


def _watch_for_livelock(loop: asyncio.AbstractEventLoop) -> None:
    """Raise out of the loop when it never comes to wait any more."""
    original = loop.call_soon
    state = [-1.0, 0]

    def counted(*args: Any, **named: Any) -> asyncio.Handle:
        now = loop.time()
        if now != state[0]:
            state[:] = [now, 0]
        state[1] += 1
        if state[1] == STILL_MAX:
            raise Livelock
        return original(*args, **named)

    loop.call_soon = counted  # type: ignore[method-assign, assignment]  # a loop of our own, for one run


STAGES: dict[str, tuple[type[World], tuple[type[Observer], ...]]] = {
    "usdm": (World, ALL),
    "spot": (SpotWorld, SPOT),
    "joint": (JointWorld, ALL),
    "guard": (GuardedWorld, GUARD),
    "scored": (ScoredWorld, SCORED),
}
"""By product (spot's holdings under guard apart): the world that plays it, and who watches."""


def play(case: Case, *, observers: tuple[type[Observer], ...] = (), tell: bool = False) -> Outcome:
    """Run one case to its end on a virtual loop of its own. `observers`: other than the product's own."""
    what = scenario(case.scenario)
    make, everyone = STAGES["guard" if what.guards else what.product]
    worlds: list[World] = []
    start_ns = EIGHT - (40 if case.seed % 4 == 0 else 3_000) * SECOND

    async def go(clock: LoopClock) -> None:
        loop = asyncio.get_running_loop()
        world = make(case, clock, observers=observers or everyone, tell=tell)
        worlds.append(world)
        loop.set_exception_handler(lambda _loop, context: _loop_error(world, context))
        _watch_for_livelock(loop)
        await world.run()

    try:
        run_virtual(go, start_ns=start_ns)
    except Livelock:
        worlds[0].watch.report("alive", "the process goes round and round and never comes to rest")
    return worlds[0].outcome()


def _loop_error(world: World, context: dict[str, Any]) -> None:
    error = context.get("exception")
    if isinstance(error, (Killed, asyncio.CancelledError)):
        return
    world.watch.report("alive", f"the loop reported {context.get('message')}: {error!r}")
