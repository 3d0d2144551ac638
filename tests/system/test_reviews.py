"""What needs a person: entries wait, it is told everywhere, and an acknowledgement reads the scope anew."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from backstay.app.figures import gauges
from backstay.app.host import GuardHost
from backstay.core.events import OperatorAction, RecoveryStarted
from backstay.core.grades import grade
from backstay.core.records import Decided
from backstay.core.risk import RiskLimits, exposure_refusal
from backstay.core.scored import SignalKind
from backstay.core.types import Trust
from backstay.strategies.scored.wanted import ScoredTrader

from tests.system.test_scored import POLICY, tell
from tests.system.world import play

D = Decimal


def run(script, **options):
    play(script, policy=POLICY, strategy=ScoredTrader(), **options)


def reviews(world):
    return GuardHost(world.running).status()["reviews"]


@pytest.mark.parametrize("what", ["order", "algo"])
def test_an_order_of_somebody_else_in_a_scored_symbol_pauses_its_entries_until_it_is_acknowledged(what):
    async def script(world):
        world.price("60100")
        if what == "order":
            world.hand("order", side="BUY", type="LIMIT", quantity="0.010", price="50000")
        else:
            world.hand("algo", side="BUY", type="STOP_MARKET", quantity="0.010", triggerPrice="70000")
        await world.settle()
        tell(world)
        await world.settle()
        assert world.resting() == []
        (told,) = reviews(world)
        assert told["scope"] == "usdm:BTCUSDT:BOTH"
        assert "manual_review" in told["why"]
        status = GuardHost(world.running).status()
        assert status["health"]["grade"] == "attention"
        assert gauges([world.running])["manual_reviews"][()] == 1
        assert "bad" in {grade(r.body) for r in world.records() if isinstance(r.body, Decided)}
        before = len(world.bodies(RecoveryStarted))
        world.command(OperatorAction.ACK, world.key())
        await world.settle()
        assert len(world.bodies(RecoveryStarted)) == before + 1, "it was read anew"
        assert reviews(world) == []
        assert [line.split()[0] for line in world.resting()] == ["LIMIT"], world.describe()
        assert len(world.resting(ours=False)) == 1, "what is not ours is never touched"

    run(script)


def test_another_order_that_comes_later_is_reviewed_anew():
    async def script(world):
        world.price("60100")
        world.hand("order", side="BUY", type="LIMIT", quantity="0.010", price="50000")
        await world.settle()
        tell(world, SignalKind.NONE)
        await world.settle()
        world.command(OperatorAction.ACK, world.key())
        await world.settle()
        world.hand("order", side="BUY", type="LIMIT", quantity="0.010", price="49000")
        await world.settle()
        tell(world)
        await world.settle()
        assert world.resting() == []
        assert len(reviews(world)) == 1, world.describe()

    run(script)


def test_a_review_may_pause_the_whole_account():
    async def script(world):
        world.price("60100")
        await world.settle()
        tell(world)
        await world.settle()
        account = world.owner.account
        key = world.key()
        waits = replace(account, scopes={key: replace(world.scope(), trust=Trust.MANUAL_REVIEW)})
        now = world.clock.now_ns()
        assert exposure_refusal(waits, key, RiskLimits(), now) == ""
        refusal = exposure_refusal(waits, key, RiskLimits(pause_on_review=True), now)
        assert refusal.startswith("manual_review: usdm:BTCUSDT:BOTH")
        assert exposure_refusal(account, key, RiskLimits(pause_on_review=True), now) == ""

    run(script)
