"""`ledger why`: the story of a trade from its score to what it brought, in words that a person can check."""

import json

import pytest

from backstay.app.ledger_paths import LEDGER
from backstay.app.story import story_of
from backstay.core.decisions import Act
from backstay.core.events import OrderReport
from backstay.core.records import Decided
from backstay.core.scored import SignalKind, SignalScored
from backstay.ledger.disk import FileDisk

from tests.cli.harness import run
from tests.ledger.projections.lives import troubled
from tests.system.test_healthy import LADDER
from tests.system.test_scored import POLICY, ScoredTrader, tell
from tests.system.world import play


@pytest.fixture(scope="module")
def scored():
    """A score that was entered and reached its target, and one that nothing came of."""

    async def script(world):
        world.price("60000")
        await world.settle()
        tell(world, SignalKind.LONG)
        await world.settle()
        world.price("59939")
        await world.settle()
        world.price("61500")
        await world.settle(3)
        tell(world, SignalKind.NONE)
        await world.settle()

    return play(script, policy=POLICY, strategy=ScoredTrader())


def scores(world):
    return [r.seq for r in world.records() if isinstance(r.body, SignalScored)]


def test_the_story_goes_from_the_score_to_the_result(scored):
    story = story_of(scored.disk, LEDGER, scores(scored)[0])
    told = [line.text for line in story.lines]
    steps = (
        "scored 0.5",
        "the plan",
        "place entry",
        "place stop",
        "opened",
        "filled",
        "protected",
        "TRIGGERED",
    )
    at = -1
    for step in steps:
        at = next(i for i, line in enumerate(told) if i > at and step in line)
    assert "position BTCUSDT-BOTH-1 closed" in " ".join(told)
    assert story.result.startswith("LONG 0.01 BTCUSDT at 60000 (signal: LONG for a test), closed at")
    assert " R (risked 6)" in story.result


def test_every_record_of_a_trade_tells_the_same_trade(scored):
    story = story_of(scored.disk, LEDGER, scores(scored)[0])
    for line in story.lines:
        assert story_of(scored.disk, LEDGER, line.seq) == story


def test_a_score_without_a_trade_has_no_story(scored):
    assert story_of(scored.disk, LEDGER, scores(scored)[1]) is None


def test_two_trades_of_a_troubled_ledger_are_not_mixed_up():
    disk = troubled()
    both = {}
    for seq in range(1, 400):
        story = story_of(disk, LEDGER, seq) if seq % 25 == 0 else None
        if story is not None:
            both[story.trade["id"]] = story
    assert set(both) == {"BTCUSDT-BOTH-1", "BTCUSDT-BOTH-2"}
    first, second = both["BTCUSDT-BOTH-1"], both["BTCUSDT-BOTH-2"]
    assert not {line.seq for line in first.lines} & {line.seq for line in second.lines}
    assert "SHORT" in second.result


def test_a_trade_that_ended_in_a_gap_and_the_next_each_have_a_story_of_their_own():
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle(3)
        world.kill()
        world.hand("close", share="1")
        world.open("LONG", "0.004", at="60100")
        await world.start()
        await world.settle(20)

    world = play(script, policy=LADDER)
    opened = next(r.seq for r in world.records() if isinstance(r.body, OrderReport) and r.body.filled)
    last = max(
        r.seq for r in world.records() if isinstance(r.body, Decided) and isinstance(r.body.decision, Act)
    )
    first, second = (story_of(world.disk, LEDGER, seq) for seq in (opened, last))
    assert [x.trade["id"] for x in (first, second)] == ["BTCUSDT-BOTH-U1", "BTCUSDT-BOTH-1"]
    for story, trigger in ((first, "57000"), (second, "57095")):
        placed = [line.text for line in story.lines if "place stop" in line.text]
        assert len(placed) == 1, "the stop of the other is told in its own story"
        assert trigger in placed[0]
        for line in story.lines:
            assert story_of(world.disk, LEDGER, line.seq) == story


def test_a_step_and_a_take_profit_that_filled_while_nobody_watched_are_of_one_trade():
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle(3)
        world.kill()
        for price in ("59399", "60950"):
            world.price(price)
            await world.settle(1)
        await world.start()
        await world.settle(20)

    world = play(script, policy=LADDER)
    opened = next(r.seq for r in world.records() if isinstance(r.body, OrderReport) and r.body.filled)
    trade = story_of(world.disk, LEDGER, opened).trade
    assert (trade["id"], trade["quantity"]) == ("BTCUSDT-BOTH-1", "0.02")


def test_the_command_tells_trades_and_scores_that_led_to_none(scored, tmp_path, capsys):
    data = scored.disk.read(LEDGER, 0, scored.disk.size(LEDGER))
    FileDisk(tmp_path).replace(LEDGER, data)
    entered, idle = scores(scored)
    code, out, _ = run(capsys, "ledger", "why", str(entered), "--data-dir", str(tmp_path))
    assert code == 0
    assert "the trade BTCUSDT-BOTH-1" in out
    assert "net 14.3915005 USDT" in out
    code, out, _ = run(capsys, "ledger", "why", str(idle), "--data-dir", str(tmp_path))
    assert "the score, which led to no trade" in out
    code, out, _ = run(capsys, "ledger", "why", str(entered), "--data-dir", str(tmp_path), "--json")
    document = json.loads(out)
    assert document["trade"]["status"] == "CLOSED"
    assert document["story"][0]["seq"] == entered
    assert document["score"]
