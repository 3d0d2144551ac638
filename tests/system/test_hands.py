"""Other hands in the account: manual orders, manual cancels, positions that are not ours to manage, and the
operator's own words."""

import pytest

from backstay.core.events import OperatorAction
from backstay.core.types import Direction, Trust
from backstay.strategies.position_manager.policy import OnExternal, OnManualCancel, StopKind

from tests.system.stand_ins import BTC, ETH
from tests.system.world import play, policy

LADDER = policy(ladder=True)
DONE = ["LIMIT BUY 0.01 @ 59400", "LIMIT SELL 0.01 @ 60900", "STOP_MARKET SELL all @ 57000"]


def stop_of(world):
    return next(
        a
        for a in world.truth()["algo_orders"]
        if a["algoStatus"] == "NEW" and a["clientAlgoId"].startswith("bs-")
    )


def take_of(world):
    return next(
        o
        for o in world.truth()["orders"]
        if o["status"] == "NEW" and o["clientOrderId"].startswith("bs-") and o["side"] == "SELL"
    )


def test_r9_i19_orders_by_hand_are_seen_and_never_touched():
    async def script(world):
        world.hand("order", side="BUY", type="LIMIT", quantity="0.002", price="55000")
        world.hand("order", side="SELL", type="LIMIT", quantity="0.002", price="66000")
        world.open("LONG", "0.010", at="60000")
        world.hand(
            "algo", side="SELL", type="STOP_MARKET", quantity="0.002", triggerPrice="54000", reduceOnly=True
        )
        await world.settle(3)
        others = world.resting(ours=False)
        assert len(others) == 3
        world.price("59399")
        await world.settle(3)
        assert world.resting(ours=False) == others
        world.hand("close")
        await world.settle(3)
        assert world.resting() == []
        # The venue itself expires a reduce-only stop of a closed position; the rest is untouched.
        assert [x for x in world.resting(ours=False) if "LIMIT" in x] == [x for x in others if "LIMIT" in x]
        await world.quiet()

    play(script, policy=LADDER)


@pytest.mark.parametrize("kind", [StopKind.CLOSE_POSITION, StopKind.FIXED_QTY])
def test_r10_a_stop_that_was_cancelled_by_hand_is_placed_again_at_once(kind):
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle(3)
        rests = world.resting()
        for _ in range(4):
            world.hand("cancel_algo", algoId=stop_of(world)["algoId"])
            took = await world.until(lambda: world.resting() == rests, "placed again", within_s=5)
            assert took < 0.1
            await world.settle(1)
        world.hand("cancel", orderId=take_of(world)["orderId"])
        await world.until(lambda: world.resting() == rests, "placed again", within_s=5)
        await world.quiet()
        assert max(w.ms for w in world.auditor.windows) < 100

    play(script, policy=policy(kind, ladder=True))


def test_r10_with_pause_the_slot_rests_after_two_cancels_until_acknowledged():
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle(3)
        rests = world.resting()
        world.hand("cancel_algo", algoId=stop_of(world)["algoId"])
        await world.settle(2)
        assert world.resting() == rests
        world.hand("cancel_algo", algoId=stop_of(world)["algoId"])
        await world.settle(20)
        assert not [x for x in world.resting() if "STOP" in x]
        assert world.owner.stats.unprotected_alarms >= 1
        world.command(OperatorAction.ACK)
        await world.settle(3)
        assert world.resting() == rests
        await world.quiet()

    play(script, policy=policy(ladder=True, manual_cancel_policy=OnManualCancel.PAUSE))


def test_r10_a_ladder_step_that_was_cancelled_by_hand_is_placed_again_and_not_counted():
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle(3)
        step = next(o for o in world.truth()["orders"] if o["status"] == "NEW" and o["side"] == "BUY")
        world.hand("cancel", orderId=step["orderId"])
        await world.settle(3)
        assert world.resting() == DONE
        await world.quiet()

    play(script, policy=LADDER)


def test_a_change_of_our_order_by_hand_is_put_right_again():
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle(3)
        take = take_of(world)
        world.hand("modify", orderId=take["orderId"], side="SELL", quantity="0.005", price="60500")
        await world.settle(3)
        assert world.resting() == DONE
        await world.quiet()

    play(script, policy=LADDER)


@pytest.mark.parametrize("accept", [True, False])
def test_4130_a_close_position_stop_of_somebody_else(accept):
    async def script(world):
        await world.settle(1)
        world.kill()
        world.open("LONG", "0.010", at="60000")
        world.hand("algo", side="SELL", type="STOP_MARKET", closePosition=True, triggerPrice="56000")
        await world.start()
        await world.trusted()
        await world.settle(20)
        stops = [x for x in world.resting() if "STOP" in x]
        assert stops == ([] if accept else ["STOP_MARKET SELL 0.01 @ 57000"]), world.describe()
        assert world.resting(ours=False) == ["STOP_MARKET SELL all @ 56000"]
        assert [x for x in world.resting() if "BUY" in x], "protection counts as confirmed"
        refused = [r for r in world.mutations() if r["code"] == -4130]
        assert len(refused) <= 1
        await world.quiet()

    play(script, policy=policy(ladder=True, accept_external_sl=accept))


# --- whose position is it ------------------------------------------------------------------------------


def test_on_external_position_ignore_gives_a_foreign_position_no_order_and_no_alarm():
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle(60)
        assert world.mutations() == []
        assert world.owner.stats.unprotected_alarms == 0
        await world.restart()
        await world.settle(20)
        assert world.mutations() == []

    play(script, policy=policy(ladder=True, on_external_position=OnExternal.IGNORE))


def test_on_external_position_review_waits_for_an_acknowledgement_and_then_guards():
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle(30)
        assert world.mutations() == []
        assert "manual_review" in str(world.owner.last[world.key()])
        assert world.owner.stats.unprotected_alarms >= 2
        await world.restart()
        await world.settle(10)
        assert world.mutations() == []
        world.command(OperatorAction.ACK, world.key())
        await world.settle(3)
        assert world.resting() == DONE
        await world.restart()
        await world.trusted()
        await world.settle(3)
        assert world.resting() == DONE
        # The acknowledgement was for that position; the next one is looked at again.
        world.hand("close")
        await world.settle(3)
        before = world.received()
        world.open("LONG", "0.010", at="60000")
        await world.settle(10)
        assert world.mutations(before) == []

    play(script, policy=policy(ladder=True, on_external_position=OnExternal.REVIEW))


def test_a_side_that_is_not_managed_gets_nothing_and_alarms_nobody():
    async def script(world):
        world.open("SHORT", "0.010", at="60000")
        await world.settle(30)
        assert world.mutations() == []
        assert world.owner.stats.unprotected_alarms == 0
        world.hand("close")
        world.open("LONG", "0.010", at="60000")
        await world.settle(3)
        assert world.resting() == DONE

    play(script, policy=policy(ladder=True, sides=(Direction.LONG,)))


def test_a_symbol_that_is_not_managed_gets_nothing():
    async def script(world):
        world.open("LONG", "0.1", at="3000", symbol=ETH)
        world.open("LONG", "0.010", at="60000")
        await world.settle(5)
        assert world.resting() == DONE
        assert world.resting(symbol=ETH) == []

    play(script, policy=LADDER, symbols=(BTC, ETH), managed=(BTC,))


# --- the operator -----------------------------------------------------------------------------------------


def test_pause_stops_exposure_and_not_protection():
    async def script(world):
        world.command(OperatorAction.PAUSE)
        world.open("LONG", "0.010", at="60000")
        await world.settle(5)
        assert world.resting() == DONE[1:]
        world.command(OperatorAction.RESUME)
        await world.settle(3)
        assert world.resting() == DONE
        await world.quiet()

    play(script, policy=LADDER)


@pytest.mark.parametrize("direction", ["LONG", "SHORT"])
@pytest.mark.parametrize("hedge", [False, True])
def test_close_flattens_one_scope_and_the_next_position_is_guarded_again(direction, hedge):
    side = direction if hedge else ""

    async def script(world):
        world.open(direction, "0.010", at="60000")
        await world.settle(3)
        world.command(OperatorAction.CLOSE, world.key(side))
        await world.settle(3)
        assert world.position(side)[0] == 0
        assert world.resting() == []
        await world.quiet()
        world.open(direction, "0.010", at="60000")
        await world.settle(3)
        assert len(world.resting()) == 3
        assert max(world.naked_ms()) < 100

    play(script, policy=LADDER, hedge=hedge)


def test_i30_kill_makes_everything_flat_and_keeps_it_flat_until_resumed():
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        world.open("SHORT", "0.1", at="3000", symbol=ETH)
        await world.settle(3)
        world.command(OperatorAction.KILL)
        await world.settle(5)
        assert world.truth()["positions"] == []
        assert world.resting() == world.resting(symbol=ETH) == []
        world.open("LONG", "0.010", at="60000")
        await world.settle(5)
        assert world.truth()["positions"] == []
        await world.restart()
        world.open("LONG", "0.010", at="60000")
        await world.settle(5)
        assert world.truth()["positions"] == []
        world.command(OperatorAction.RESUME)
        world.open("LONG", "0.010", at="60000")
        await world.settle(5)
        assert world.resting() == DONE
        await world.quiet()

    play(script, policy=LADDER, symbols=(BTC, ETH))


def test_kill_closes_on_the_last_known_position_when_trust_cannot_be_regained():
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle(3)
        # No read is answered any more, and the scope is in doubt.
        world.faults({"match": {"surface": "rest"}, "effect": {"error": {"code": -1000, "status": 500}}})
        world.faults({"match": {"at_ms": 0}, "effect": {"cut": {"surface": "private"}}})
        await world.settle(1)
        assert world.scope().trust is not Trust.TRUSTED
        world.command(OperatorAction.KILL)
        await world.settle(10)
        assert world.position()[0] == 0, world.describe()
        world.heal()
        await world.until(lambda: world.resting() == [], "cleaned up", within_s=90)

    play(script, policy=LADDER)
