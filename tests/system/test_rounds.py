"""Rounds of reads: a stream that is up and says nothing is noticed on an account that only rests (4.1.2)."""

from backstay.core.events import StreamChanged, StreamState
from backstay.core.records import Noted
from backstay.ledger.audit.lines import REST_CALL
from backstay.strategies.swing.policy import SellWhen, SwingPolicy

from tests.system.spot_world import SYMBOL, SpotSystem, run_system
from tests.system.world import play, policy

LADDER = policy(ladder=True)
DONE = ["LIMIT BUY 0.01 @ 59400", "LIMIT SELL 0.01 @ 60900", "STOP_MARKET SELL all @ 57000"]
SILENT = {"match": {"at_ms": 0}, "effect": {"silent": {"surface": "private"}}}
EVERY = 30.0
BOUND_S = EVERY + 5 + 2
"""A round, the second one that has to agree, and the new stream with its reads."""


def deafness(world) -> list[str]:
    return [b.detail for b in world.bodies(StreamChanged) if b.state is StreamState.DEAF]


async def guarded_and_deaf(world):
    world.open("LONG", "0.010", at="60000")
    await world.settle(40)
    assert world.resting() == DONE
    world.faults(SILENT)
    await world.settle(1)


def test_r29_a_stop_that_is_cancelled_behind_a_silent_stream_is_put_back():
    async def script(world):
        await guarded_and_deaf(world)
        world.hand("cancel_algo", algoId=str(world.truth()["algo_orders"][0]["algoId"]))
        took = await world.until(lambda: world.resting() == DONE, "the stop is back", within_s=BOUND_S)
        assert took > 5
        assert len(deafness(world)) == 1

    play(script, policy=LADDER, look_every=EVERY)


def test_r29_what_was_too_fresh_for_a_round_is_looked_at_as_soon_as_it_is_not():
    async def script(world):
        await world.settle(2)  # 28 s after this the first round comes, and leaves the new position out
        world.open("LONG", "0.010", at="60000")
        await world.settle(1)
        world.faults(SILENT)
        await world.settle(1)
        world.hand("cancel_algo", algoId=str(world.truth()["algo_orders"][0]["algoId"]))
        await world.until(lambda: world.resting() == DONE, "the stop is back", within_s=BOUND_S + 5)
        assert len(deafness(world)) == 1

    play(script, policy=LADDER, look_every=EVERY)


def test_r29_a_position_that_is_opened_behind_a_silent_stream_is_guarded():
    async def script(world):
        world.faults(SILENT)
        await world.settle(1)
        world.open("LONG", "0.010", at="60000")
        await world.settle(5)
        assert world.resting() == []
        await world.until(lambda: world.resting() == DONE, "it is guarded", within_s=BOUND_S)

    play(script, policy=LADDER, look_every=EVERY)


def test_without_rounds_nothing_would_ever_notice():
    async def script(world):
        await guarded_and_deaf(world)
        world.hand("cancel_algo", algoId=str(world.truth()["algo_orders"][0]["algoId"]))
        await world.settle(600)
        assert world.resting() == DONE[:2]

    play(script, policy=LADDER)


def test_i22_an_account_at_rest_is_read_and_left_as_it_is():
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle(40)
        seq, received = world.running.journal.seq, world.received()
        await world.settle(10 * EVERY)
        assert deafness(world) == []
        assert world.mutations(received) == []
        recorded = [r.body for r in world.records() if r.seq > seq]
        assert {type(body) for body in recorded} == {Noted}
        assert {body.what for body in recorded} == {REST_CALL}

    play(script, policy=LADDER, look_every=EVERY)


class LookedAfter(SpotSystem):
    look_every = EVERY


def test_r29_coins_that_are_bought_behind_a_silent_stream_get_their_sale():
    async def script(system):
        await system.settle(40)
        rule = {"match": {"at_ms": 0}, "effect": {"silent": {"surface": "ws_api"}}}
        system.exchange.control("POST", "/sim/v1/faults", {"rules": [rule]})
        await system.settle(1)
        system.buy("10")
        await system.settle(5)
        assert system.sells() == []
        await system.settle(BOUND_S)
        assert len(system.sells()) == 1

    policy = SwingPolicy(symbols=(SYMBOL,), sell_when=SellWhen.FILL)
    run_system(script, lambda clock: LookedAfter(clock, policy=policy))


def test_r29_a_trade_whose_report_is_lost_while_its_balance_is_told_gets_its_sale():
    async def script(system):
        await system.settle(40)
        rule = {"match": {"surface": "private", "event": "executionReport", "times": 2}, "effect": "drop"}
        system.exchange.control("POST", "/sim/v1/faults", {"rules": [rule]})
        system.buy("10")
        await system.settle(5)
        assert system.running.owner.account.balances["TRUMP"].wallet > 9, "the balance came"
        assert not system.open_lots()
        await system.until(lambda: len(system.sells()) == 1, "its sale", within_s=30 + 2 * BOUND_S)

    policy = SwingPolicy(symbols=(SYMBOL,), sell_when=SellWhen.FILL)
    run_system(script, lambda clock: LookedAfter(clock, policy=policy))


def test_r29_a_lost_balance_that_moved_coins_from_free_to_locked_is_read():
    async def script(system):
        system.buy("10")
        await system.until(lambda: len(system.sells()) == 1, "its sale")
        await system.settle(40)
        rule = {
            "match": {"surface": "private", "event": "outboundAccountPosition", "times": 1},
            "effect": "drop",
        }
        system.exchange.control("POST", "/sim/v1/faults", {"rules": [rule]})
        system.hand("cancel", orderId=str(system.sells()[0]["orderId"]))
        await system.settle(5)
        assert not system.running.owner.account.balances["TRUMP"].available, "its balance was lost"
        await system.settle(30 + BOUND_S)
        assert system.running.owner.account.balances["TRUMP"].available > 9

    policy = SwingPolicy(symbols=(SYMBOL,), sell_when=SellWhen.FILL)
    run_system(script, lambda clock: LookedAfter(clock, policy=policy))
