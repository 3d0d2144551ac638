"""What a restart asks of the venue: with 50 symbols and 500 open orders little more than with one of each."""

from collections import Counter

import pytest

from tests.system.crowd import OPTIONS, ORDERS_EACH, SYMBOLS, resting, settle_in
from tests.system.world import play


@pytest.mark.parametrize(
    ("killed", "away_s", "quiet"), [(False, 10, True), (True, 10, True), (True, 10, False), (True, 1, False)]
)
def test_5_1_a_restart_reads_at_most_10_and_2_for_each_symbol_until_all_is_trusted(killed, away_s, quiet):
    # Not `quiet`: nothing tells since when the old process is gone, and what it may have sent a moment ago
    # can be accepted until its window is over (8.2).
    async def script(world):
        await settle_in(world)
        assert resting(world) == ORDERS_EACH * len(SYMBOLS) == 500
        if not killed:
            await world.running.stop("restart")
        before = world.received()
        await world.restart(away_s=away_s, quiet=quiet)
        await world.trusted()
        reads = world.reads(before)
        assert len(reads) <= 10 + 2 * len(SYMBOLS), Counter(reads)
        await world.quiet(20)
        assert resting(world) == 500

    play(script, **OPTIONS)
