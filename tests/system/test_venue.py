"""What the venue itself does: triggers that hang or are refused, halts, limits, forced closes, funding,
races."""

import itertools

import pytest

from backstay.core.events import AccountReport, OperatorAction, OrderReport, RecoveryStarted
from backstay.core.types import OrderStatus
from backstay.simulator.settings import EngineSettings
from backstay.strategies.position_manager.policy import StopKind

from tests.system.stand_ins import HOURLY
from tests.system.world import BTC, D, play, policy

LADDER = policy(ladder=True)
DONE = ["LIMIT BUY 0.01 @ 59400", "LIMIT SELL 0.01 @ 60900", "STOP_MARKET SELL all @ 57000"]
NEXT = ["LIMIT BUY 0.015 @ 58500", "LIMIT SELL 0.02 @ 60595.5", "STOP_MARKET SELL all @ 56715"]
ALGO = "POST /fapi/v1/algoOrder"
ORDER = "POST /fapi/v1/order"


def state(effect, **match):
    return {"match": match, "effect": effect}


# --- triggers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [StopKind.CLOSE_POSITION, StopKind.FIXED_QTY])
def test_r21_a_stop_that_hangs_in_triggering_is_replaced_or_the_position_closed(kind):
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle(3)
        world.faults(state("stuck_triggering", symbol=BTC, until_ms=30_000))
        world.price("56900")
        await world.settle(10)
        await world.until(lambda: world.position()[0] == 0, "closed in the end", within_s=30, every_s=0.2)
        await world.settle(5)
        assert [x for x in world.resting() if "LIMIT" in x] == []
        await world.trusted(within_s=120)
        await world.quiet()

    play(script, policy=policy(kind))


@pytest.mark.parametrize("kind", [StopKind.CLOSE_POSITION, StopKind.FIXED_QTY])
def test_r21_a_child_that_is_refused_leaves_the_position_to_the_breach_policy(kind):
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle(3)
        world.faults(state({"reject_child": {"reason": "Margin is insufficient."}}, symbol=BTC))
        world.price("56900")
        await world.until(lambda: world.position()[0] == 0, "closed at market", within_s=30)
        await world.settle(5)
        assert world.resting() == []
        await world.quiet()

    play(script, policy=policy(kind))


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("latency_ms", [0, 40, 900])
def test_o6_r6_the_order_of_the_events_at_a_trigger_does_not_matter(first, last, latency_ms):
    async def script(world):
        for _ in range(2):
            world.open("LONG", "0.010", at="60000")
            await world.settle(3)
            assert world.resting() == DONE
            world.price("59399")
            await world.settle(3)
            assert world.resting() == NEXT
            recoveries = len(world.bodies(RecoveryStarted))
            world.price("56700")
            await world.settle(5)
            assert world.position()[0] == 0
            assert world.resting() == []
            assert len(world.bodies(RecoveryStarted)) == recoveries
        cancels = [r["params"] for r in world.mutations() if r["endpoint"].startswith("DELETE")]
        names = [p.get("clientAlgoId") or p.get("origClientOrderId") for p in cancels]
        assert len(names) == len(set(names)), "no cancel twice"

    settings = EngineSettings(
        child_fill_before_triggered=first, account_update_last=last, trigger_latency_ns=latency_ms * 10**6
    )
    play(script, policy=LADDER, engine_settings=settings)


# --- partial fills, races ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [StopKind.CLOSE_POSITION, StopKind.FIXED_QTY])
def test_r4_a_partly_filled_step_adapts_the_protection_and_keeps_resting(kind):
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle(3)
        world.faults(state({"partial_fills": {"max_qty": "0.004"}}))
        world.price("59399")
        await world.settle(0.7)
        quantity = world.position()[0]
        if quantity != D("0.020"):
            stop = "all" if kind is StopKind.CLOSE_POSITION else f"{quantity.normalize():f}"
            assert [x for x in world.resting() if f" {stop} " in x and "STOP" in x], world.describe()
            assert len([x for x in world.resting() if "BUY" in x]) == 1
        for price in ("59398", "59397", "59396", "59395"):
            world.price(price)
            await world.settle(3)
        world.heal()
        assert world.position()[0] == D("0.020")
        want = [x.replace(" all ", " 0.02 ") for x in NEXT] if kind is StopKind.FIXED_QTY else NEXT
        assert world.resting() == sorted(want)
        steps = [c for c in world.scope().contexts.values() if c.role.value == "DCA" and c.key.step == 1]
        assert len(steps) == 1
        await world.quiet()

    play(script, policy=policy(kind, ladder=True))


def test_r5_a_step_that_fills_at_its_placement_locks_exposure_until_protection_is_back():
    async def script(world):
        # The price is past two steps before the ladder is even placed.
        world.faults(state({"delay": {"ms": 300}}, surface="private"))
        world.open("LONG", "0.010", at="60000")
        world.price("58400")
        await world.settle(20)
        world.heal()
        await world.settle(10)
        assert world.position()[0] == D("0.035"), world.describe()
        stops = [x for x in world.resting() if "STOP" in x]
        assert len(stops) == 1
        sides = [
            (r["params"].get("type"), r["params"].get("side"))
            for r in world.mutations()
            if r["endpoint"] in (ORDER, ALGO)
        ]
        buys = [i for i, (_, side) in enumerate(sides) if side == "BUY"]
        stop_at = [i for i, (kind, _) in enumerate(sides) if kind == "STOP_MARKET"]
        for before, after in itertools.pairwise(buys):
            assert any(before < i < after for i in stop_at), "protected anew before the next step"
        await world.quiet()

    play(script, policy=LADDER)


def test_r2_r3_the_take_profit_fills_while_the_stop_is_being_moved():
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle(3)
        world.faults(state({"delay": {"ms": 400}}, endpoint=ALGO))
        world.open("LONG", "0.010", at="60400")
        await world.settle(0.1)
        world.price("61300")
        await world.settle(8)
        world.heal()
        await world.settle(5)
        assert world.position()[0] == 0, world.describe()
        assert world.resting() == []
        await world.quiet()

    play(script, policy=LADDER)


def test_r3_the_stop_triggers_while_the_take_profit_is_being_amended():
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle(3)
        world.faults(state({"delay": {"ms": 400}}, endpoint="PUT /fapi/v1/order"))
        world.open("LONG", "0.010", at="60400")
        await world.settle(0.1)
        world.price("56000")
        await world.settle(8)
        world.heal()
        await world.settle(5)
        assert world.position()[0] == 0
        assert world.resting() == []
        await world.quiet()

    play(script, policy=LADDER)


@pytest.mark.parametrize("hold", [20, 400])
def test_r1_an_order_fills_while_its_cancel_is_in_flight(hold):
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle(3)
        world.faults(state({"delay": {"ms": hold}}, endpoint="DELETE /fapi/v1/order"))
        world.hand("close")
        await world.settle(0.06)
        world.price("59399")  # the ladder's order fills on a flat account
        await world.settle(8)
        world.heal()
        await world.settle(8)
        quantity = world.position()[0]
        if quantity:
            assert [x for x in world.resting() if "STOP" in x], "a new position, guarded"
        else:
            assert world.resting() == []
        await world.quiet()

    play(script, policy=LADDER)


def test_r20_an_order_that_expires_by_self_trade_prevention_is_placed_again():
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle(3)
        # The human buys through our take-profit: the venue expires our resting order.
        world.price("60899")
        await world.settle(1)
        world.hand(
            "order",
            side="BUY",
            type="LIMIT",
            quantity="9",
            price="60950",
            selfTradePreventionMode="EXPIRE_MAKER",
        )
        await world.settle(5)
        assert OrderStatus.EXPIRED_IN_MATCH in [b.status for b in world.bodies(OrderReport)]
        sells = [x for x in world.resting() if "LIMIT SELL" in x]
        quantity = world.position()[0]
        assert len(sells) == (1 if quantity else 0), world.describe()
        await world.settle(10)
        await world.quiet()

    play(script, policy=policy())


# --- forced closes, funding, settings --------------------------------------------------------------------


@pytest.mark.parametrize("what", ["adl", "liquidation"])
def test_r15_a_forced_close_is_followed_and_exposure_waits_for_an_acknowledgement(what):
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle(3)
        world.faults({"match": {"at_ms": 0, "symbol": BTC}, "effect": what})
        await world.settle(5)
        if world.position()[0] == 0:
            assert world.resting() == [], world.describe()
        world.open("LONG", "0.010", at="60000")
        await world.settle(5)
        assert [x for x in world.resting() if "STOP" in x]
        assert not [x for x in world.resting() if "BUY" in x], "exposure is closed"
        world.command(OperatorAction.ACK)
        await world.settle(3)
        assert [x for x in world.resting() if "BUY" in x]
        await world.quiet()

    play(script, policy=LADDER)


def test_r16_funding_changes_the_balance_and_no_plan():
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle(3)
        recoveries = len(world.bodies(RecoveryStarted))
        before = world.received()
        await world.settle(3600 + 60)
        assert any(b.reason == "FUNDING_FEE" for b in world.bodies(AccountReport))
        assert world.mutations(before) == []
        assert world.reads(before) == []
        assert len(world.bodies(RecoveryStarted)) == recoveries

    play(script, policy=LADDER, specs=HOURLY)


def test_r17_transfers_and_leverage_by_hand_are_taken_in_without_a_read():
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle(3)
        before = world.received()
        world.hand("deposit", symbol=None, asset="USDT", amount="500")
        world.hand("leverage", leverage=7)
        world.hand("withdraw", symbol=None, asset="USDT", amount="100")
        await world.settle(5)
        assert world.owner.account.leverages[BTC] == 7
        assert world.mutations(before) == []
        assert world.reads(before) == []

    play(script, policy=LADDER)


def test_a_hedge_account_under_a_one_way_configuration_is_a_gate_and_nothing_is_sent():
    async def script(world):
        world.price("60000")
        world.hand("order", side="BUY", type="MARKET", quantity="0.010", positionSide="LONG")
        await world.settle(10)
        assert "account_mode_mismatch" in world.owner.account.gates
        assert world.mutations() == []

    play(script, policy=LADDER, account_hedge=True)
