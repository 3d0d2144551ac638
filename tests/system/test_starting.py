"""A start in bad weather: tried again while the trouble passes, told each time, ended by what does not."""

import asyncio
import itertools

import pytest

from backstay.core.events import GateChanged, OperatorAction, StreamChanged, StreamState
from backstay.core.outcomes import VenueUnavailable
from backstay.core.records import Noted
from backstay.core.types import SECOND
from backstay.runtime.starting import Patience

from tests.system.world import play, policy

DONE = ["LIMIT SELL 0.01 @ 60900", "STOP_MARKET SELL all @ 57000"]
REST = {"surface": "rest"}
REFUSED = {"error": {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action.", "status": 401}}
PASSING = {
    "500": {"error": {"code": -1000, "msg": "An unknown error occurred.", "status": 500}},
    "503": {"text_503": {"text": "unavailable"}},
    "429": {"throttle_429": {"retry_after": 3}},
    "never answered": "drop",
    "slow": {"delay": {"ms": 7_000}},
}


def bad_weather(effect, seconds, **match):
    return {"match": {**REST, **match, "until_ms": seconds * 1000}, "effect": effect}


def delays(world):
    return [b.detail for b in world.bodies(Noted) if b.what == "start_delayed"]


@pytest.mark.parametrize("name", PASSING)
def test_r12_a_start_in_trouble_that_passes_is_tried_again_and_ends_guarded(name):
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        world.faults(bad_weather(PASSING[name], 45))
        await world.start()
        assert world.is_ready()
        await world.until(lambda: world.resting() == DONE, "protected", within_s=10)
        await world.quiet()

    play(script, policy=policy(), started=False)


@pytest.mark.parametrize(
    ("fails", "ended", "alarms"),
    [
        ("GET /fapi/v1/accountConfig", True, True),
        ("GET /fapi/v1/accountConfig", False, True),
        ("GET /fapi/v3/positionRisk", False, False),
    ],
)
def test_i37_the_ledgers_word_for_a_stop_lasts_no_longer_than_the_bound(fails, ended, alarms):
    """It may have ended while nobody looked. A read that tells of it is enough, whatever else fails."""

    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.until(lambda: world.resting() == DONE, "protected", within_s=10)
        world.kill()
        if ended:
            world.hand("close")
            world.open("LONG", "0.010", at="60000")
        world.faults(bad_weather("drop", 45, endpoint=fails))
        began = world.clock.now_ns()
        await world.start()
        told = [r for r in world.records() if r.at > began and _says_unprotected(r.body)]
        assert bool(told) is alarms
        assert all(r.at < began + 7 * SECOND for r in told[:1])
        await world.until(lambda: world.resting() == DONE, "protected", within_s=10)

    play(script, policy=policy())


def _says_unprotected(body):
    return isinstance(body, Noted) and body.what == "unprotected"


def test_every_delay_says_what_failed_where_and_when_it_is_tried_again():
    async def script(world):
        world.faults(bad_weather(PASSING["500"], 20, endpoint="GET /fapi/v1/openAlgoOrders"))
        await world.start()
        told = delays(world)
        assert [d["attempt"] for d in told] == list(range(1, len(told) + 1))
        assert "openAlgoOrders" in told[0]["reason"]
        assert "500" in told[0]["reason"]
        pauses = [d["next_attempt_in_ms"] for d in told]
        assert 1_000 <= pauses[0] <= 1_250
        assert all(b > a for a, b in itertools.pairwise(pauses))

    play(script, policy=policy(), started=False)


def test_8_1_refused_keys_end_the_start_at_once():
    async def script(world):
        world.faults(bad_weather(REFUSED, 3600))
        guard = world.build()
        began = asyncio.get_running_loop().time()
        with pytest.raises(VenueUnavailable) as refused:
            await guard.start()
        assert refused.value.fatal
        assert asyncio.get_running_loop().time() - began < 1
        assert delays(world) == []

    play(script, policy=policy(), started=False)


@pytest.mark.parametrize("patience", [0, 30])
def test_a_start_gives_up_when_its_patience_is_over_and_says_why(patience):
    async def script(world):
        world.faults(bad_weather(PASSING["500"], 3600))
        guard = world.build()
        began = asyncio.get_running_loop().time()
        with pytest.raises(VenueUnavailable, match="500"):
            await guard.start(Patience(total_s=patience))
        assert asyncio.get_running_loop().time() - began <= patience + 5
        assert bool(delays(world)) == bool(patience)
        assert world.mutations() == []

    play(script, policy=policy(), started=False)


def test_r11_a_stream_that_is_lost_while_the_start_waits_is_waited_for():
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        world.faults(
            bad_weather(PASSING["500"], 30, endpoint="GET /fapi/v3/positionRisk"),
            {"match": {"at_ms": 5_000}, "effect": {"cut": {"surface": "private"}}},
        )
        await world.start()
        await world.until(lambda: world.resting() == DONE, "protected", within_s=20)
        await world.trusted()
        assert world.owner.account.connected
        await world.quiet()

    play(script, policy=policy(), started=False)


def test_8_1_keys_that_are_refused_while_a_start_waits_for_its_stream_end_it():
    async def script(world):
        world.faults(
            bad_weather(PASSING["500"], 3600, endpoint="GET /fapi/v3/positionRisk"),
            {"match": {"at_ms": 5_000}, "effect": {"cut": {"surface": "private"}}},
            {"match": {**REST, "endpoint": "POST /fapi/v1/listenKey", "from_ms": 5_000}, "effect": REFUSED},
        )
        guard = world.build()
        began = asyncio.get_running_loop().time()
        with pytest.raises(VenueUnavailable, match="API key") as refused:
            await guard.start()
        assert refused.value.fatal
        assert asyncio.get_running_loop().time() - began < 60

    play(script, policy=policy(), started=False)


def test_8_1_after_the_operators_word_the_stream_is_back_at_once():
    """Not when the backoff between attempts, which may be thirty seconds, happens to be over."""

    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle(5)
        world.faults(
            bad_weather(REFUSED, 100), {"match": {"at_ms": 0}, "effect": {"cut": {"surface": "private"}}}
        )
        await world.settle(170)
        assert "venue_halt" in world.owner.account.gates
        assert not world.owner.account.connected
        world.command(OperatorAction.ACK)
        await world.settle(0.5)
        assert world.bodies(StreamChanged)[-1].state is StreamState.CONNECTED
        await world.trusted(within_s=5)
        assert "venue_halt" not in world.owner.account.gates

    play(script, policy=policy())


def test_8_1_the_word_opens_a_halt_that_an_earlier_process_left_behind():
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle(5)
        world.owner.on_event(GateChanged(gate="venue_halt", active=True, reason="banned"))
        await world.settle(1)
        await world.restart()
        assert "venue_halt" in world.owner.account.gates
        assert not world.running.venue.status().halted
        world.price("59900")
        world.command(OperatorAction.ACK)
        await world.settle(1)
        assert "venue_halt" not in world.owner.account.gates
        world.open("LONG", "0.010", at="59900")
        await world.settle(5)
        assert "LIMIT SELL 0.02 @ 60849.3" in world.resting()

    play(script, policy=policy())
