"""What may not happen while all is well, and what must be durable before anything is sent."""

import errno

import pytest

from backstay.core.contexts import Phase
from backstay.core.events import RecoveryStarted, RequestSent, RequestsRegistered
from backstay.core.records import Noted
from backstay.core.types import Mode
from backstay.ledger.errors import JournalError
from backstay.strategies.position_manager.policy import SlBreached, StopKind

from tests.system.world import D, play, policy

LADDER = policy(ladder=True)


async def a_life(world):
    """Open, two ladder steps, an add and a part taken off by hand, take-profit."""
    world.open("LONG", "0.010", at="60000")
    await world.settle(3)
    for price in ("59399", "58499"):
        world.price(price)
        await world.settle(3)
    world.open("LONG", "0.004", at="58600")
    await world.settle(3)
    world.hand("close", share="0.3")
    await world.settle(3)
    world.price("61500")
    await world.settle(3)
    assert world.position()[0] == 0


def test_i14_f1_no_read_is_made_because_of_healthy_private_events():
    async def script(world):
        before = world.received()
        recoveries = len(world.bodies(RecoveryStarted))
        await a_life(world)
        assert world.reads(before) == []
        assert len(world.bodies(RecoveryStarted)) == recoveries

    play(script, policy=LADDER)


@pytest.mark.parametrize("kind", [StopKind.CLOSE_POSITION, StopKind.FIXED_QTY])
def test_i18_every_context_is_durable_before_the_first_byte_of_its_request(kind):
    async def script(world):
        await a_life(world)
        registered = {}
        for record in world.records():
            if isinstance(record.body, RequestsRegistered):
                for request in record.body.requests:
                    registered.setdefault(request.ctx_id, record.seq)
        checked = 0
        for data, _, durable in world.sends:
            text = data.decode()
            for name, seq in registered.items():
                if name in text:
                    assert durable >= seq, (name, seq, durable)
                    checked += 1
        assert checked >= 10

    play(script, policy=policy(kind, ladder=True), sync_delay_s=0.050)


def test_i18_a_slow_disk_delays_exposure_and_not_what_a_naked_position_needs():
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle(0.3)
        assert [x for x in world.resting() if "STOP" in x]
        assert not [x for x in world.resting() if "BUY" in x]
        await world.settle(6)
        assert [x for x in world.resting() if "BUY" in x]

    play(script, policy=LADDER, sync_delay_s=1.0)


@pytest.mark.parametrize("what", ["write", "sync", "full"])
def test_a_disk_that_fails_stops_the_owner_and_nothing_is_sent_without_its_context(what):
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle(3)
        world.expect_broken_ledger = True
        before = world.received()
        if what == "full":
            world.disk.room = 0
        else:
            error = OSError(errno.EIO, "Input/output error")
            setattr(world.disk, f"fail_{what}", error)
        world.open("LONG", "0.010", at="60200")
        await world.settle(5)
        owner = world.owner
        assert owner.failed.done()
        assert isinstance(owner.failed.result(), JournalError)
        assert world.mutations(before) == []
        await world.running.stop("the ledger failed")
        assert [x for x in world.resting() if "STOP" in x], "the old stop rests at the venue"
        # Repaired, the next process takes over where the ledger ends.
        world.disk.fail_write = world.disk.fail_sync = world.disk.room = None
        world.kill()
        world.expect_broken_ledger = False
        await world.start()
        await world.trusted()
        await world.settle(3)
        assert world.resting() == [
            "LIMIT BUY 0.01 @ 59400",
            "LIMIT SELL 0.02 @ 61001.5",
            "STOP_MARKET SELL all @ 57095",
        ]

    play(script, policy=LADDER)


@pytest.mark.parametrize("what", ["write", "full"])
def test_a_naked_position_and_a_failed_disk_nothing_leaves(what):
    async def script(world):
        world.expect_broken_ledger = True
        if what == "full":
            world.disk.room = 0
        else:
            world.disk.fail_write = OSError(errno.EIO, "Input/output error")
        before = world.received()
        world.open("LONG", "0.010", at="60000")
        await world.settle(5)
        assert world.owner.failed.done()
        assert world.mutations(before) == []

    play(script, policy=LADDER)


def test_a_disk_that_failed_unnoticed_is_what_a_stop_tells():
    async def script(world):
        world.expect_broken_ledger = True
        world.disk.room = 0
        journal = world.running.journal
        journal.append(Noted("a word", {}), at=world.clock.now_ns(), cause=0)
        with pytest.raises(JournalError):
            journal.durable_now()
        assert not world.owner.failed.done()
        with pytest.raises(JournalError, match="cannot be written"):
            await world.owner.stop("stopped by its operator")

    play(script, policy=LADDER)


def test_i17_protection_comes_before_exposure_in_every_life():
    async def script(world):
        for _ in range(3):
            before = world.received()
            world.open("LONG", "0.010", at="60000")
            await world.settle(3)
            sent = world.mutations(before)
            types = [r["params"].get("type") + r["params"]["side"] for r in sent if "side" in r["params"]]
            assert types == ["STOP_MARKETSELL", "LIMITSELL", "LIMITBUY"]
            world.hand("close")
            await world.settle(3)

    play(script, policy=LADDER)


def test_i16_exposure_waits_for_confirmed_protection():
    async def script(world):
        # Every report about conditional orders is lost: the stop is accepted and never confirmed.
        world.faults({"match": {"surface": "private", "event": "ALGO_UPDATE"}, "effect": "drop"})
        world.open("LONG", "0.010", at="60000")
        await world.settle(4)
        assert not [x for x in world.resting() if "BUY" in x]
        world.heal()
        await world.trusted()
        await world.settle(4)
        assert [x for x in world.resting() if "BUY" in x]

    play(script, policy=LADDER)


def test_i35_dry_run_sends_nothing_and_records_complete_candidates():
    async def script(world):
        await world.settle(1)
        world.open("LONG", "0.010", at="60000")
        await world.settle(5)
        assert world.mutations() == []
        assert world.resting() == []
        shown = [r.body.detail for r in world.records() if getattr(r.body, "what", "") == "order_request"]
        texts = [str(d) for d in shown]
        assert any("STOP_MARKET" in t and "57000" in t for t in texts), texts
        assert any("LIMIT" in t and "60900" in t for t in texts), texts
        assert not any("signature" in t for t in texts)
        assert not any(isinstance(r.body, (RequestSent, RequestsRegistered)) for r in world.records())

    play(script, policy=LADDER, mode=Mode.DRY_RUN_PRIVATE)


@pytest.mark.parametrize("mode", [Mode.DEMO, Mode.TESTNET, Mode.LIVE])
def test_a_mode_that_is_not_armed_sends_nothing(mode):
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle(5)
        assert world.mutations() == []

    play(script, policy=LADDER, mode=mode, armed=False)


def test_r24_an_owner_whose_lease_is_lost_sends_nothing_more():
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle(3)
        world.lease.mine = False
        before = world.received()
        world.open("LONG", "0.010", at="60200")
        await world.settle(5)
        assert world.mutations(before) == []

    play(script, policy=LADDER)


def test_i33_readiness_is_announced_after_open_positions_had_their_first_pass():
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.start()
        assert world.owner.ready.is_set()
        sent = [r["endpoint"] for r in world.mutations()]
        assert sent[:1] == ["POST /fapi/v1/algoOrder"]
        await world.settle(3)
        assert [x for x in world.resting() if "STOP" in x] == ["STOP_MARKET SELL all @ 57000"]

    play(script, policy=LADDER, started=False)


def test_r18_an_early_confirmation_opens_no_stale_pending():
    async def script(world):
        # Answers come a second late, the private events at once.
        world.faults({"match": {"surface": "ws_api"}, "effect": {"delay": {"ms": 1000}}})
        world.open("LONG", "0.010", at="60000")
        await world.settle(8)
        assert not world.scope().pendings
        assert len(world.resting()) == 3
        assert len(world.bodies(RecoveryStarted)) == 1  # the start's own
        world.heal()
        await world.quiet()

    play(script, policy=LADDER)


def test_r19_f2_a_late_acceptance_does_not_touch_what_a_report_has_proven():
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle(3)
        rule = {"match": {"surface": "ws_api", "endpoint": "POST /fapi/v1/order"}}
        world.faults(rule | {"effect": {"delay": {"ms": 1500}}})
        world.price("59399")
        await world.settle(0.6)
        world.price("58499")  # step 2 fills before its own acceptance is heard
        await world.settle(6)
        steps = [c for c in world.scope().contexts.values() if c.role.value == "DCA"]
        assert [c.phase for c in steps if c.key.step <= 1] == [Phase.FILLED]
        assert len(world.bodies(RecoveryStarted)) == 1  # the start's own
        world.heal()
        await world.settle(3)
        await world.quiet()
        assert world.position()[0] == sum((c.filled for c in steps), D("0.010"))

    play(script, policy=LADDER)


@pytest.mark.parametrize("trouble", ["none", "naked", "unplugged", "rest is down", "halted"])
def test_timers_do_not_spin_whatever_is_waited_for(trouble):
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle(5)
        if trouble == "unplugged":
            world.exchange.network.unplug()
        elif trouble == "rest is down":
            world.faults({"match": {"surface": "rest"}, "effect": {"error": {"code": -1000, "status": 500}}})
            world.faults({"match": {"at_ms": 0}, "effect": {"cut": {"surface": "private"}}})
        elif trouble == "halted":
            world.faults({"match": {"until_ms": 10**9}, "effect": {"halt": {"symbol": "BTCUSDT"}}})
            world.price("59000")
        await world.settle(5)
        before, records = world.owner.stats.passes, len(world.records())
        await world.settle(300)
        assert world.owner.stats.passes - before < 150
        assert len(world.records()) - records < 300
        world.exchange.network.plug()
        world.heal()
        await world.settle(60)

    stop = {"price": D(60500), "sl_breached": SlBreached.ALERT} if trouble == "naked" else {}
    play(script, policy=policy(stop=stop, ladder=trouble != "naked"))


def test_r23_a_partly_filled_take_profit_is_never_amended_below_what_it_has_filled():
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle(3)
        world.faults({"match": {}, "effect": {"partial_fills": {"max_qty": "0.004"}}})
        world.price("60901")
        await world.settle(0.01)
        world.heal()
        world.price("60500")
        await world.settle(3)
        quantity = world.position()[0]
        world.hand("close", share="0.5")
        await world.settle(5)
        left = world.position()[0]
        assert left < quantity
        sells = [x for x in world.resting() if x.startswith("LIMIT SELL")]
        assert sells == ([f"LIMIT SELL {left.normalize():f} @ 60900"] if left else []), world.describe()
        await world.quiet()

    play(script, policy=policy())
