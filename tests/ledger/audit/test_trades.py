"""trades.csv against the venue's own books: whatever happens, the rows add up to the change of the wallet."""

import csv
import io
from decimal import Decimal

import pytest

from backstay.app.ledger_paths import LEDGER
from backstay.app.words import words
from backstay.core.events import OperatorAction
from backstay.core.scored import SignalKind
from backstay.ledger.audit.files import FILES, TRADES_FILE, AuditFiles
from backstay.simulator.settings import EngineSettings
from backstay.strategies.scored.policy import ScoredPolicy, SizePolicy
from backstay.strategies.scored.wanted import ScoredTrader

from tests.system.stand_ins import BTC, HOURLY
from tests.system.test_healthy import LADDER, a_life
from tests.system.test_scored import tell
from tests.system.world import play, policy

D = Decimal
ETH = "ETHUSDT"


def lived(script, folder, **options):
    """The rows of trades.csv after `script`, and by how much the wallet changed; both ends are flat."""
    wallet = []

    async def whole(world):
        wallet.append(money(world))
        await script(world)
        await world.settle(5)
        wallet.append(money(world))

    world = play(whole, **options)
    return rows(world.disk, folder), wallet[1] - wallet[0]


def money(world):
    return sum(D(b["balance"]) for b in world.truth()["balances"] if b["asset"] == "USDT")


def rows(disk, folder):
    files = AuditFiles(folder, disk, LEDGER, words)
    files.catch_up()
    files.close()
    with io.StringIO((folder / TRADES_FILE).read_text(encoding="utf-8")) as text:
        return list(csv.DictReader(text))


def net(found):
    return sum(D(row["net_pnl"]) for row in found)


def test_a_life_with_add_ons_and_a_partial_close_is_one_row_that_adds_up(tmp_path):
    (row,), earned = lived(a_life, tmp_path, policy=LADDER)
    assert (row["status"], row["side"], row["reason_in"], row["reason_out"]) == (
        "CLOSED",
        "LONG",
        "by hand",
        "take-profit",
    )
    assert (row["fills_in"], row["fills_out"], row["quantity"], row["exit_quantity"]) == (
        "4",
        "2",
        "0.039",
        "0.039",
    )
    assert D(row["net_pnl"]) == earned == D(row["gross_pnl"]) - D(row["fees"])
    assert row["stop"] == "57000"
    assert D(row["r_multiple"]) == round(D(row["net_pnl"]) / D(row["risk"]), 4)
    assert row["note"] == ""


def test_a_flip_ends_one_row_and_begins_another(tmp_path):
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle(3)
        world.open("SHORT", "0.025", at="60300")
        await world.settle(3)
        world.hand("close")

    (first, second), earned = lived(script, tmp_path, policy=policy())
    assert (first["side"], first["quantity"], first["exit_price"], first["status"]) == (
        "LONG",
        "0.01",
        "60300",
        "CLOSED",
    )
    assert (second["side"], second["quantity"], second["entry_price"]) == ("SHORT", "0.015", "60300")
    assert net((first, second)) == earned
    assert D(second["fees"]) > D("0.015") * 60300 * D("0.0004")
    assert first["closed_seq"] == second["opened_seq"]


@pytest.mark.parametrize("late", [False, True])
def test_the_order_of_the_venues_frames_does_not_matter(tmp_path, late):
    async def script(world):
        world.open("SHORT", "0.010", at="60000")
        await world.settle(3)
        world.price("63100")
        await world.settle(3)

    settings = EngineSettings(account_update_last=late)
    (row,), earned = lived(script, tmp_path, policy=policy(), engine_settings=settings)
    assert (row["side"], row["reason_out"], D(row["net_pnl"])) == ("SHORT", "stop", earned)
    assert D(row["r_multiple"]) < -1


@pytest.mark.parametrize("what", ["adl", "liquidation"])
def test_a_forced_close_is_named_and_adds_up(tmp_path, what):
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle(3)
        world.faults({"match": {"at_ms": 0, "symbol": BTC}, "effect": what})
        await world.settle(6)
        if world.position()[0]:
            world.hand("close")

    (row,), earned = lived(script, tmp_path, policy=policy())
    assert row["reason_out"] in {"liquidation", "auto-deleveraging"}, row
    assert row["status"] == "CLOSED"
    assert D(row["net_pnl"]) == earned


def test_a_stop_that_fills_while_no_process_runs_completes_the_row(tmp_path):
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle(3)
        world.kill()
        world.price("56900")
        await world.settle(5)
        await world.start()
        await world.settle(8)

    (row,), earned = lived(script, tmp_path, policy=policy())
    assert row["status"] == "CLOSED"
    assert row["reason_out"] == "stop", row
    assert abs(D(row["net_pnl"]) - earned) < D("0.5"), (row, earned)


def test_a_position_that_was_there_before_is_taken_over_and_says_so(tmp_path):
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle(1)
        await world.start()
        await world.settle(3)
        world.price("61000")
        await world.settle(3)

    (row,), _ = lived(script, tmp_path, policy=policy(), started=False)
    assert (row["reason_in"], row["entry_price"], row["reason_out"]) == ("found open", "60000", "take-profit")
    assert "no fill was told" in row["note"]


def test_closing_words_of_an_operator_are_the_reason(tmp_path):
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle(3)
        world.command(OperatorAction.CLOSE, world.key(), "enough")
        await world.settle(3)

    (row,), earned = lived(script, tmp_path, policy=policy())
    assert row["reason_out"] == "close: enough"
    assert D(row["net_pnl"]) == earned


def test_both_sides_of_hedge_mode_and_two_symbols_are_rows_of_their_own(tmp_path):
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        world.open("SHORT", "0.020", at="60000")
        world.open("LONG", "0.5", at="3000", symbol=ETH)
        await world.settle(3)
        for symbol, side in ((BTC, "LONG"), (BTC, "SHORT"), (ETH, "LONG")):
            world.hand("close", symbol=symbol, positionSide=side)
            await world.settle(1)

    found, earned = lived(script, tmp_path, policy=policy(), hedge=True, symbols=(BTC, ETH))
    assert sorted((r["symbol"], r["position_side"], r["side"]) for r in found) == [
        (BTC, "LONG", "LONG"),
        (BTC, "SHORT", "SHORT"),
        (ETH, "LONG", "LONG"),
    ]
    assert net(found) == earned


def test_a_scored_trade_names_its_score_and_counts_in_r(tmp_path):
    async def script(world):
        world.price("60000")
        await world.settle()
        tell(world, SignalKind.LONG)
        await world.settle()
        world.price("59939")
        await world.settle()
        world.price("61500")
        await world.settle(3)

    plan = ScoredPolicy(symbols=(BTC,), size=SizePolicy(max_notional=D(600)))
    (row,), earned = lived(script, tmp_path, policy=plan, strategy=ScoredTrader())
    assert (row["score"], row["reason_in"], row["reason_out"]) == (
        "0.5",
        "signal: LONG for a test",
        "take-profit",
    )
    assert row["signal_seq"]
    assert D(row["net_pnl"]) == earned
    assert D(2) < D(row["r_multiple"]) < D("2.6")


def test_funding_is_told_and_shared_out_where_the_venue_does_not_say_whose_it_was(tmp_path):
    async def script(world):
        world.open("LONG", "0.010", at="60000")
        world.open("LONG", "0.5", at="3000", symbol=ETH)
        await world.settle(3600 + 60)
        for symbol in (BTC, ETH):
            world.hand("close", symbol=symbol)
            await world.settle(1)

    found, earned = lived(script, tmp_path, policy=policy(), symbols=(BTC, ETH), specs=HOURLY)
    assert net(found) == earned
    assert all(D(row["funding"]) for row in found), found
    assert all("funding is a share" in row["note"] for row in found)


def test_a_restart_at_any_step_leaves_the_same_bytes(tmp_path):
    world = play(a_life, policy=LADDER)
    rows(world.disk, tmp_path / "once")
    step = tmp_path / "steps"
    while True:
        files = AuditFiles(step, world.disk, LEDGER, words)
        taken = files.step(11)
        files.close()
        if not taken:
            break
    for name in FILES:
        assert (tmp_path / "once" / name).read_bytes() == (step / name).read_bytes(), name
