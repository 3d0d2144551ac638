"""Fills that no event told of are read later, and become part of the state and of its replay alike."""

from backstay.core.events import FillsSnapshot, StreamChanged, StreamState

from tests.system.world import play, policy

CUT = {"match": {"at_ms": 0}, "effect": {"cut": {"surface": "private"}}}


def unreadable(seconds):
    match = {"surface": "rest", "endpoint": "GET /fapi/v1/openAlgoOrders", "until_ms": seconds * 1000}
    return {"match": match, "effect": "drop"}


def test_i38_fills_that_come_while_the_account_is_read_are_not_recorded_before_they_are_folded():
    """A second gap makes what waits for the replay worthless; what was read of fills is no part of that."""

    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle(5)
        world.kill()
        world.hand("close")
        world.open("LONG", "0.020", at="60000")
        await world.start()
        await world.settle(4)
        world.faults(unreadable(26), CUT)
        await world.settle(9)
        assert not world.owner.live
        assert "GET /fapi/v1/userTrades" in world.reads()
        world.faults(unreadable(16), CUT)
        await world.trusted(within_s=90)
        gaps = [e for e in world.bodies(StreamChanged) if e.state is StreamState.DISCONNECTED]
        assert len(gaps) == 2
        await world.until(lambda: world.bodies(FillsSnapshot), "the fills", within_s=90)
        assert world.scope().fill_at == max(r.at for e in world.bodies(FillsSnapshot) for r in e.rows)

    play(script, policy=policy())
