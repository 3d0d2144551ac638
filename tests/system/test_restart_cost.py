"""What a restart asks of the venue: with 50 symbols and 500 open orders little more than with one of each."""

from collections import Counter

import pytest

from tests.system.crowd import OPTIONS, ORDERS_EACH, SYMBOLS, resting, settle_in
from tests.system.world import play


@pytest.mark.parametrize("killed", [True, False])
def test_5_1_a_restart_reads_at_most_10_and_2_for_each_symbol_until_all_is_trusted(killed):
    async def script(world):
        await settle_in(world)
        assert resting(world) == ORDERS_EACH * len(SYMBOLS) == 500
        if not killed:
            await world.running.stop("restart")
        before = world.received()
        await world.restart(away_s=10, quiet=True)
        await world.trusted()
        reads = world.reads(before)
        assert len(reads) <= 10 + 2 * len(SYMBOLS), Counter(reads)
        await world.quiet(20)
        assert resting(world) == 500

    play(script, **OPTIONS)
