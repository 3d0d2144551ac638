"""The private stream breaks, lies, repeats itself or falls silent: trust goes, reads bring it back, nothing
is sent in between (I-13), and the end is the same (I-31)."""

import pytest

from backstay.core.account import fold
from backstay.core.events import OperatorAction, RecoveryStarted, RequestSent, StreamChanged, StreamState
from backstay.core.records import Decided, Noted
from backstay.core.state import AccountState
from backstay.core.types import Trust

from tests.system.world import D, play, policy

LADDER = policy(ladder=True)
DONE = ["LIMIT BUY 0.01 @ 59400", "LIMIT SELL 0.01 @ 60900", "STOP_MARKET SELL all @ 57000"]
SECOND_STATE = ["LIMIT BUY 0.015 @ 58500", "LIMIT SELL 0.02 @ 60595.5", "STOP_MARKET SELL all @ 56715"]


def deafness(world) -> list[str]:
    return [b.detail for b in world.bodies(StreamChanged) if b.state is StreamState.DEAF]


def private(effect, **match):
    return {"match": {"surface": "private", **match}, "effect": effect}


BREAKS = {
    "cut": {"match": {"at_ms": 0}, "effect": {"cut": {"surface": "private"}}},
    "cut everything": {"match": {"at_ms": 0}, "effect": "cut"},
    "key dies": {"match": {"at_ms": 0}, "effect": "listen_key_death"},
    "key dies unannounced": {"match": {"at_ms": 0}, "effect": {"listen_key_death": {"announce": False}}},
    "order connection cut": {"match": {"at_ms": 0}, "effect": {"cut": {"surface": "ws_api"}}},
    "order connection half open": {"match": {"at_ms": 0}, "effect": {"half_open": {"surface": "ws_api"}}},
    "half open": {"match": {"at_ms": 0}, "effect": {"half_open": {"surface": "private"}}},
    "silent": {"match": {"at_ms": 0}, "effect": {"silent": {"surface": "private"}}},
}


SILENCES = ("silent", "half open", "key dies unannounced")


@pytest.mark.parametrize("moment", ["idle", "before the fill", "just after the fill"])
@pytest.mark.parametrize("name", [x for x in BREAKS if x not in SILENCES])
def test_r11_r29_i31_a_broken_stream_ends_as_an_unbroken_one(name, moment):
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle(5)
        assert world.resting() == DONE
        if moment == "just after the fill":
            world.price("59399")
        world.faults(BREAKS[name])
        if moment == "idle":
            await world.settle(30)
        if moment != "just after the fill":
            world.price("59399")
        # A deaf stream is only found out by our own mutations (4.1.2), so somebody must give it cause.
        await world.settle(5)
        world.hand("order", side="BUY", type="MARKET", quantity="0.001")
        await world.settle(60)
        world.hand("close")
        await world.until(lambda: world.resting() == [], "everything cleaned up", within_s=400)
        await world.trusted(within_s=90)
        world.open("LONG", "0.010", at="60000")
        await world.until(lambda: world.resting() == DONE, "the next position guarded", within_s=90)
        await world.quiet()

    play(script, policy=LADDER)


def test_i13_no_mutation_leaves_while_a_scope_is_not_trusted():
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle(5)
        for turn in range(6):
            world.faults(BREAKS["cut"])
            world.open("LONG", "0.002", at=60000 + 40 * turn)
            await world.settle(0.02)
            world.open("LONG", "0.002", at=60000 + 50 * turn)
            await world.settle(8)
        account = AccountState()
        checked = 0
        for record in world.records():
            body = record.body
            if isinstance(body, RequestSent):
                s = account.scopes[body.scope]
                assert s.trust is Trust.TRUSTED, (record.seq, s.trust, s.reasons)
                checked += 1
            if not isinstance(body, (Decided, Noted)):
                account = fold(account, body, record.at)
        assert checked > 10

    play(script, policy=LADDER)


@pytest.mark.parametrize("how", SILENCES)
def test_r29_a_deaf_stream_is_found_out_by_two_strikes_and_reopened(how):
    async def script(world):
        await world.settle(5)
        world.faults(BREAKS[how])
        # The human opens; nobody hears of it. Our own order is what finds the silence out.
        world.open("LONG", "0.010", at="60000")
        await world.settle(5)
        world.faults({"match": {"at_ms": 0}, "effect": {"cut": {"surface": "private"}}})
        await world.until(lambda: world.resting() == DONE, "guarded after the reconnect", within_s=60)
        # Now it goes deaf under a position that we manage.
        world.faults(BREAKS[how])
        world.command(OperatorAction.CLOSE, world.key())
        await world.until(lambda: world.position()[0] == 0, "closed by command", within_s=60)
        await world.trusted(within_s=200)
        world.open("LONG", "0.010", at="60000")
        await world.until(lambda: world.resting() == DONE, "the next position guarded", within_s=60)
        states = [e.state for e in world.bodies(StreamChanged)]
        assert StreamState.DEAF in states or states.count(StreamState.CONNECTED) >= 3, states
        await world.quiet()

    play(script, policy=LADDER)


@pytest.mark.parametrize("reconnected", [False, True])
def test_r29_two_strikes_mean_a_deaf_stream_and_directly_after_a_reconnect_one(reconnected):
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.until(lambda: world.resting() == DONE[1:], "guarded")
        if reconnected:
            world.faults(BREAKS["cut"])
            await world.settle(5)
            await world.trusted()
        world.faults(private("drop"))
        world.command(OperatorAction.CLOSE, world.key())
        # After 5 s the cancel of the take-profit is one strike, half a second later that of the stop another.
        took_s = await world.until(lambda: "nothing is heard of what is sent" in deafness(world), "deaf")
        assert (took_s < 5.4) is reconnected, took_s
        world.heal()
        await world.until(lambda: world.position()[0] == 0, "closed")
        await world.trusted()
        await world.quiet()

    play(script, policy=policy())


LIES = {
    "twice": private({"duplicate": {"copies": 1}}),
    "four times": private({"duplicate": {"copies": 3}}),
    "late": private({"delay": {"ms": 700}}),
    "out of order": private({"reorder": {"hold_ms": 30}}, probability=0.4),
    "mixed": private({"delay": {"ms": 350}}, probability=0.3),
    "account late": private({"delay": {"ms": 600}}, event="ACCOUNT_UPDATE"),
    "orders late": private({"delay": {"ms": 600}}, event="ORDER_TRADE_UPDATE"),
    "lite lost": private("drop", event="TRADE_LITE"),
    "lite late": private({"delay": {"ms": 900}}, event="TRADE_LITE"),
    "algo late": private({"delay": {"ms": 600}}, event="ALGO_UPDATE"),
}


@pytest.mark.parametrize("hedge", [False, True])
@pytest.mark.parametrize("name", LIES)
def test_o8_r14_repeated_late_and_reordered_events_change_nothing_in_the_end(name, hedge):
    side = "LONG" if hedge else ""
    leg = " LONG" if hedge else ""

    async def script(world):
        world.faults(LIES[name])
        world.open("LONG", "0.010", at="60000")
        await world.settle(8)
        assert world.resting() == [x + leg for x in DONE], world.describe()
        world.price("59399")
        await world.settle(8)
        assert world.resting() == [x + leg for x in SECOND_STATE], world.describe()
        world.price("60700")
        await world.settle(8)
        assert world.position(side)[0] == 0
        assert world.resting() == []
        assert max(world.naked_ms()) < 3000, world.auditor.windows
        await world.quiet()

    play(script, policy=LADDER, hedge=hedge)


LOSSES = {
    "account lost": private("drop", event="ACCOUNT_UPDATE", times=1),
    "order lost": private("drop", event="ORDER_TRADE_UPDATE", times=1),
    "algo lost": private("drop", event="ALGO_UPDATE", times=1),
    "one in five lost": private("drop", probability=0.2),
}


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("when", ["from the start", "at the fill", "at the end"])
def test_i31_a_lost_event_is_found_out_and_repaired(name, when):
    async def script(world):
        if when == "from the start":
            world.faults(LOSSES[name])
        world.open("LONG", "0.010", at="60000")
        await world.settle(40)
        if when == "at the fill":
            world.faults(LOSSES[name])
        world.price("59399")
        await world.settle(40)
        if when == "at the end":
            world.faults(LOSSES[name])
        world.price("60700")
        await world.settle(40)
        world.heal()
        await world.settle(30)
        await world.trusted()
        # What nobody told us is found at the latest with the next event of the scope.
        world.price("60000")
        world.open("LONG", "0.001", at="60000")
        await world.settle(30)
        await world.trusted()
        quantity, entry = world.position()
        stops = [x for x in world.resting() if "STOP" in x]
        assert len(stops) == 1, world.describe()
        s = world.scope()
        assert s.position.quantity == quantity
        take = [x for x in world.resting() if "LIMIT SELL" in x]
        assert len(take) == 1
        assert f"SELL {quantity.normalize():f} " in take[0], (take, quantity, entry)
        await world.quiet()

    play(script, policy=LADDER)


def test_a_planned_reconnect_overlaps_and_costs_no_trust():
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle(5)
        before = world.received()
        recoveries = len(world.bodies(RecoveryStarted))
        venue = world.running.venue
        venue._private.line.replace()
        await world.settle(0.004)
        world.price("59399")
        await world.settle(10)
        assert world.resting() == SECOND_STATE
        assert world.reads(before) == []
        assert len(world.bodies(RecoveryStarted)) == recoveries

    play(script, policy=LADDER)


def test_a_day_passes_with_planned_reconnects_and_keep_alives_and_no_recovery():
    async def script(world):
        await world.settle(5)
        recoveries = len(world.bodies(RecoveryStarted))
        before = world.received()
        await world.settle(25 * 3600)
        assert len(world.bodies(RecoveryStarted)) == recoveries
        assert world.mutations(before) == []
        keys = [r for r in world.requests(before) if "listenKey" in r["endpoint"] and r["method"] == "PUT"]
        assert len(keys) >= 45
        world.open("LONG", "0.010", at="60000")
        await world.settle(5)
        assert world.resting() == DONE
        assert len(world.bodies(RecoveryStarted)) == recoveries

    play(script, policy=LADDER)


@pytest.mark.parametrize("seconds", [1, 7, 45, 300])
def test_the_network_is_gone_for_a_while(seconds):
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle(5)
        world.exchange.network.unplug()
        await world.settle(0.5)
        world.price("59399")
        await world.settle(seconds)
        world.exchange.network.plug()
        took = await world.until(lambda: world.resting() == SECOND_STATE, "caught up", within_s=60)
        assert took < 40
        await world.trusted()
        await world.quiet()
        assert world.position()[0] == D("0.020")

    play(script, policy=LADDER)


@pytest.mark.parametrize(("lagging", "first"), [("all", "0.010"), ("positions", "-0.020")])
def test_r11_what_a_gap_and_a_lagging_read_hid_is_found_by_a_second_read(lagging, first):
    """Closed and turned round by hand while the stream was away; the reads after it still showed the past.
    Where the trades did not, the position is waited for.
    """

    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle(5)
        world.exchange.network.unplug()
        await world.settle(2)
        world.hand("order", side="SELL", type="MARKET", quantity="0.030")
        lag = {"visibility_lag": {"ms": 4000, "lagging": lagging}}
        world.faults({"match": {"until_ms": 9_000}, "effect": lag})
        world.exchange.network.plug()
        await world.trusted()
        assert world.scope().position.quantity == D(first)
        await world.until(lambda: world.scope().position.quantity == D("-0.020"), "seen", within_s=15)
        await world.trusted()
        assert any("STOP_MARKET BUY" in line for line in world.resting()), world.describe()

    play(script, policy=policy())


def test_i14_a_read_for_one_leg_that_tells_of_the_other_is_acted_upon():
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle(5)
        world.faults(private("drop"))
        world.open("SHORT", "0.020")
        await world.settle(1)
        assert not any("SHORT" in line for line in world.resting())
        world.heal()
        unknown = {"-1007": {"executed": False}}
        world.faults({"match": {"endpoint": "POST /fapi/v1/order", "times": 1}, "effect": unknown})
        take = next(o for o in world.truth()["orders"] if o["side"] == "SELL" and o["status"] == "NEW")
        world.hand("cancel", orderId=take["orderId"])
        stop = "STOP_MARKET BUY all @ 62999.8 SHORT"
        await world.until(lambda: stop in world.resting(), "the other leg guarded", within_s=30)
        await world.trusted()

    play(script, policy=policy(), hedge=True)


@pytest.mark.parametrize(
    "known_by", ["an event that waits for its replay", "a read that waits for the others"]
)
def test_i37_x2_a_bare_position_is_alarmed_while_the_account_is_still_being_read(known_by):
    """One of the reads fails again and again: nothing is taken in, and the alarm comes in time."""

    async def script(world):
        by_event = known_by.startswith("an event")
        if by_event:
            world.open("LONG", "0.010", at="60000")
        await world.settle(5)
        alarms = world.owner.stats.unprotected_alarms
        slow = {"endpoint": "GET /fapi/v3/balance", "until_ms": 45_000}
        world.faults({"match": slow, "effect": "timeout_before"}, BREAKS["cut"])
        if by_event:
            await world.settle(1)
            stop = next(a for a in world.truth()["algo_orders"] if a["algoStatus"] == "NEW")
            world.hand("cancel_algo", algoId=stop["algoId"])
        else:
            world.open("LONG", "0.010", at="60000")
        await world.settle(7)
        assert world.owner.account.hydrating or world.owner.account.gap, "still unread"
        assert world.owner.stats.unprotected_alarms == alarms + 1
        await world.settle(7)
        assert world.owner.stats.unprotected_alarms == alarms + 2, "and again after as long"
        await world.until(lambda: world.resting() == DONE, "guarded", within_s=200)
        await world.settle(10)
        await world.quiet()

    play(script, policy=LADDER)


def test_i37_a_hydration_that_takes_long_alarms_nobody_while_the_position_has_its_stop():
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle(5)
        slow = {"endpoint": "GET /fapi/v3/balance", "until_ms": 40_000}
        world.faults({"match": slow, "effect": "timeout_before"}, BREAKS["cut"])
        await world.settle(20)
        assert not world.scope().trusted
        assert world.owner.stats.unprotected_alarms == 0
        await world.trusted(within_s=120)

    play(script, policy=LADDER)


def test_i37_r11_what_a_gap_during_the_reads_made_worthless_is_still_alarmed():
    """The reads have seen the stop, its end is heard, and then the stream goes away for good."""

    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle(5)
        slow = {"match": {"endpoint": "GET /fapi/v3/balance", "times": 1}, "effect": {"delay": {"ms": 4_000}}}
        world.faults(slow, BREAKS["cut"])
        await world.settle(2)
        stop = next(a for a in world.truth()["algo_orders"] if a["algoStatus"] == "NEW")
        world.hand("cancel_algo", algoId=stop["algoId"])
        await world.settle(1)
        away = {"match": {"surface": "private", "until_ms": 30_000}, "effect": {"refuse_connection": {}}}
        world.faults(away, BREAKS["cut"])
        await world.settle(9)
        assert not world.owner.account.hydrating, "the reads are over"
        assert world.owner.stats.unprotected_alarms == 1
        await world.until(lambda: world.resting() == DONE, "guarded", within_s=60)

    play(script, policy=LADDER)
