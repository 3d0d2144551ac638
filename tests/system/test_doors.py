"""Doors that the venue shuts: halts, keys, limits, refusals that repeat. Waited out, never hammered."""

import pytest

from backstay.core.contexts import Phase
from backstay.core.events import OperatorAction, RecoveryStarted, RequestsRegistered, TrustLost
from backstay.core.risk import RiskLimits
from backstay.core.types import SECOND, Action, Role, Trust
from backstay.strategies.position_manager.policy import StopKind

from tests.system.stand_ins import ETH, D
from tests.system.world import BTC, play, policy

LADDER = policy(ladder=True)
DONE = ["LIMIT BUY 0.01 @ 59400", "LIMIT SELL 0.01 @ 60900", "STOP_MARKET SELL all @ 57000"]
NEXT = ["LIMIT BUY 0.015 @ 58500", "LIMIT SELL 0.02 @ 60595.5", "STOP_MARKET SELL all @ 56715"]
ALGO = "POST /fapi/v1/algoOrder"
ORDER = "POST /fapi/v1/order"


def state(effect, **match):
    return {"match": match, "effect": effect}


# --- doors that the venue shuts ----------------------------------------------------------------------------


def test_r26_a_halted_symbol_gets_its_protection_when_it_trades_again():
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        world.faults(state({"halt": {"symbol": BTC}}, until_ms=40_000))
        await world.settle(20)
        asked = len(world.mutations())
        assert asked < 20, "not in a tight loop"
        await world.until(lambda: DONE[2] in world.resting(), "the stop", within_s=90)
        await world.until(lambda: world.resting() == DONE, "everything", within_s=120)
        await world.trusted()

    play(script, policy=LADDER)


def test_keys_that_are_revoked_halt_everything_until_an_operator_says_so():
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle(3)
        world.faults(state("keys_revoked", until_ms=60_000))
        world.open("LONG", "0.010", at="60400")
        await world.settle(20)
        assert "venue_halt" in world.owner.account.gates
        before = world.received()
        await world.settle(20)
        assert len(world.requests(before)) < 10, "keys that are wrong are not tried in a loop"
        await world.settle(30)
        world.command(OperatorAction.RESUME)
        await world.until(
            lambda: "STOP_MARKET SELL all @ 57190" in world.resting(), "guarded again", within_s=120
        )
        await world.trusted(within_s=120)

    play(script, policy=LADDER)


def test_418_stops_all_requests_until_released():
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle(3)
        world.faults({"match": {"surface": "ws_api", "times": 1}, "effect": {"ban_418": {"seconds": 30}}})
        world.open("LONG", "0.010", at="60400")
        await world.settle(5)
        assert "venue_halt" in world.owner.account.gates, world.describe()
        before = world.received()
        await world.settle(20)
        assert len(world.requests(before)) <= 3
        await world.settle(20)
        world.command(OperatorAction.RESUME)
        await world.until(
            lambda: "STOP_MARKET SELL all @ 57190" in world.resting(), "guarded again", within_s=120
        )

    play(script, policy=LADDER)


@pytest.mark.parametrize("word", [OperatorAction.ACK, OperatorAction.RESUME])
def test_8_1_after_the_operators_word_a_scope_is_read_at_once(word):
    """Not when its backoff, which may be thirty seconds, happens to be over."""

    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle(3)
        world.faults({"match": {"surface": "ws_api", "times": 1}, "effect": {"ban_418": {"seconds": 1}}})
        world.open("LONG", "0.010", at="60400")
        await world.settle(0.5)
        assert "venue_halt" in world.owner.account.gates, world.describe()
        world.owner.on_event(TrustLost(reason="unmatched_fill", scopes=(world.key(),)))
        await world.settle(5)
        assert world.scope().trust is Trust.RECOVERY_REQUIRED
        assert world.scope().retry_at > world.clock.now_ns() + SECOND
        world.command(word)
        await world.until(lambda: world.scope().trusted, "read anew", within_s=0.5)
        await world.until(
            lambda: "STOP_MARKET SELL all @ 57190" in world.resting(), "guarded again", within_s=5
        )

    play(script, policy=LADDER)


@pytest.mark.parametrize("refusals", [1, 3, 5])
def test_8_1_protection_waits_as_long_as_the_venue_asks_each_time_and_not_longer(refusals):
    """However often in a row: what grows is the pause of everything else."""

    async def script(world):
        endpoint = "POST /fapi/v1/algoOrder"
        world.faults(state({"throttle_429": {"retry_after": 2}}, endpoint=endpoint, times=refusals))
        world.open("LONG", "0.010", at="60000")
        await world.settle(2 * refusals + 10)
        assert max(world.naked_ms()) < 2_000 * refusals + 100, world.auditor.windows
        await world.quiet()

    play(script, policy=policy())


@pytest.mark.parametrize("surface", ["rest", "ws_api"])
def test_429_is_waited_out_and_protection_keeps_its_reserve(surface):
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle(3)
        world.faults(state({"throttle_429": {"retry_after": 3}}, surface=surface, times=3))
        world.faults({"match": {"at_ms": 0}, "effect": {"cut": {"surface": "private"}}})
        world.price("59399")
        await world.until(lambda: world.resting() == NEXT, "caught up", within_s=120)
        assert [r["status"] for r in world.requests()].count(429) in range(1, 4)
        await world.trusted(within_s=120)
        await world.quiet()

    play(script, policy=LADDER)


def test_r25_a_clock_that_is_off_is_measured_and_costs_at_most_one_refusal():
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle(3)
        world.faults(state({"clock_skew": {"ms": 8000}}))
        world.price("59399")
        await world.until(lambda: world.resting() == NEXT, "adapted", within_s=60)
        await world.trusted()
        refused = [r for r in world.requests() if r["code"] == -1021]
        assert len(refused) <= 4, refused
        await world.quiet()

    play(script, policy=LADDER)


def test_i28_i29_margin_that_is_missing_closes_exposure_for_a_while_and_costs_no_trust():
    async def script(world):
        recoveries = len(world.bodies(RecoveryStarted))
        rule = {"code": -2019, "msg": "Margin is insufficient."}
        world.faults(state({"error": rule}, endpoint=ORDER, symbol=BTC, until_ms=300_000, every=1))
        world.open("LONG", "0.010", at="60000")
        await world.settle(30)
        world.heal()
        refused = [r for r in world.mutations() if r["code"] == -2019 and r["params"]["side"] == "BUY"]
        assert len(refused) <= 1
        assert [x for x in world.resting() if "STOP" in x]
        assert len(world.bodies(RecoveryStarted)) == recoveries
        await world.until(lambda: world.resting() == DONE, "placed in the end", within_s=200)

    play(script, policy=LADDER)


CODES = [-4164, -1111, -4003, -2022, -4509, -4120, -2025, -4061, -5022, -1013, -4045, -2011, -4192, -2023]


@pytest.mark.parametrize("endpoint", [ORDER, ALGO])
@pytest.mark.parametrize("code", CODES)
def test_i29_a_refusal_that_repeats_is_not_provoked_in_a_loop(code, endpoint):
    async def script(world):
        rule = {"code": code, "msg": f"Refused ({code})."}
        world.faults(state({"error": rule}, endpoint=endpoint))
        world.open("LONG", "0.010", at="60000")
        await world.settle(60)
        asked = [r for r in world.mutations() if r["code"] == code]
        # One for each window of an unknown outcome, and a few ahead of its proof.
        assert 1 <= len(asked) <= 20, (len(asked), world.describe())
        world.heal()
        # A changed premise is a reason to try again.
        world.open("LONG", "0.010", at="60000")
        await world.until(
            lambda: any("STOP" in x for x in world.resting()), "a stop in the end", within_s=120
        )
        assert world.scope().trust is not Trust.MANUAL_REVIEW

    play(script, policy=LADDER)


def test_restricted_accounts_may_still_protect():
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        world.faults(state({"restricted": {"code": -4400}}))
        await world.settle(10)
        assert world.resting() == DONE[1:], world.describe()
        assert len([r for r in world.mutations() if r["code"] == -4400]) <= 2
        world.heal()
        await world.until(lambda: world.resting() == DONE, "the ladder", within_s=120)

    play(script, policy=LADDER)


# --- the executor's last look -------------------------------------------------------------------------------


def test_i16_a_step_whose_stop_is_lost_while_it_becomes_durable_is_not_sent():
    async def script(world):
        await _lose_the_stop_while_the_first_step_is_written(world, report_ms=800)
        placed = [r for r in world.mutations() if r["endpoint"].startswith("POST")]
        first = next(i for i, r in enumerate(placed) if r["params"]["side"] == "BUY")
        stops = [i for i, r in enumerate(placed) if r["endpoint"] == ALGO]
        assert len(stops) == 2
        assert first > max(stops), "the step came before the second stop"
        assert world.running.owner.executor.stale >= 1

    play(script, policy=LADDER, sync_delay_s=0.4)


def test_i25_a_step_is_not_sent_when_a_position_opened_by_hand_takes_its_room_meanwhile():
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.until(lambda: _step_is_registered(world), "the step registered", every_s=0.01)
        world.open("LONG", "0.300", at="3000", symbol=ETH)
        await world.settle(30)
        bought = [r["params"]["symbol"] for r in world.mutations() if r["params"].get("side") == "BUY"]
        assert bought == [], "no step of either symbol has room"
        assert world.running.owner.executor.stale >= 1
        assert [x for x in world.resting() if "STOP" in x]
        await world.quiet()

    play(
        script,
        policy=LADDER,
        sync_delay_s=0.4,
        symbols=(BTC, ETH),
        limits=RiskLimits(max_notional=D(1_300)),
    )


def test_i37_a_surplus_stop_is_kept_when_it_covers_what_is_added_while_its_cancel_is_written():
    async def script(world):
        world.open("LONG", "0.020", at="60000")
        await world.settle(3)
        (first,) = [a["clientAlgoId"] for a in world.truth()["algo_orders"] if a["algoStatus"] == "NEW"]
        world.hand("order", side="SELL", type="MARKET", quantity="0.010", positionSide="BOTH")

        def cancel_is_written():
            pending = world.scope().pendings.get(first)
            return pending is not None and pending.action is Action.CANCEL

        await world.until(cancel_is_written, "the first stop's cancel registered", every_s=0.01)
        world.hand("order", side="BUY", type="MARKET", quantity="0.008", positionSide="BOTH")
        await world.settle(5)
        sent = [(r["endpoint"], r["params"]) for r in world.mutations() if "algo" in r["endpoint"].lower()]
        ended = next(i for i, (end, p) in enumerate(sent) if end[0] == "D" and p["clientAlgoId"] == first)
        covers = [i for i, (_, p) in enumerate(sent) if D(p.get("quantity", "0")) == D("0.018")]
        assert covers and covers[0] < ended, "the only stop for all of it was cancelled"
        assert world.running.owner.executor.stale >= 1

    play(script, policy=policy(StopKind.FIXED_QTY), sync_delay_s=0.4)


def test_i18_a_pre_armed_context_is_not_used_before_it_is_durable():
    async def script(world):
        await _lose_the_stop_while_the_first_step_is_written(world)
        armed = {
            r.ctx_id: record.seq
            for record in world.records()
            if isinstance(record.body, RequestsRegistered) and record.body.pre_armed
            for r in record.body.requests
        }
        used = [(i, durable) for data, _, durable in world.sends for i in armed if i.encode() in data]
        assert used
        assert all(durable >= armed[i] for i, durable in used)

    play(script, policy=LADDER, sync_delay_s=0.4)


def _step_is_registered(world):
    alive = world.scope().contexts.values() if world.owner.account.scopes else ()
    return any(c.role is Role.DCA and c.phase is Phase.REGISTERED for c in alive)


async def _lose_the_stop_while_the_first_step_is_written(world, report_ms=0):
    world.open("LONG", "0.010", at="60000")

    await world.until(lambda: _step_is_registered(world), "the step registered", every_s=0.01)
    (stop,) = [a for a in world.truth()["algo_orders"] if a["algoStatus"] == "NEW"]
    world.hand("cancel_algo", algoId=stop["algoId"])
    if report_ms:
        late = {"match": {"event": "ALGO_UPDATE"}, "effect": {"delay": {"ms": report_ms}}}
        world.faults(late)
    await world.until(lambda: world.resting() == DONE, "everything", within_s=30)


def test_6_4_an_account_that_is_back_in_its_mode_is_guarded_again():
    """The venue tells nobody that the mode was changed: while it does not fit, it is read until it does."""

    async def script(world):
        world.hand("position_mode", dualSidePosition=True)
        world.faults({"match": {"at_ms": 0}, "effect": {"cut": {"surface": "private"}}})
        await world.settle(5)
        assert "account_mode_mismatch" in world.owner.account.gates
        world.hand("position_mode", dualSidePosition=False)
        world.open("LONG", "0.010", at="60000")
        await world.until(lambda: DONE[2] in world.resting(), "the stop", within_s=20)
        await world.settle(5)
        await world.trusted()
        await world.quiet()

    play(script, policy=LADDER)
