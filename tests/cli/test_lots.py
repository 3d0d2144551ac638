"""Swing lots on the command line, with no process running: from the ledger by way of the store."""

import json

import pytest

from backstay.app import status
from backstay.ledger.disk import FileDisk
from backstay.strategies.swing.policy import SellWhen, SwingPolicy

from tests.cli.harness import run
from tests.counting import steps_of
from tests.ledger.projections.spot_lives import LEDGER, RecordedScene

SYMBOL = "TRUMPUSDC"


@pytest.fixture
def spot(folder):
    """A data folder in which a swing ran: one lot sold, one offered, one too small."""
    scene = RecordedScene(SwingPolicy(symbols=(SYMBOL,), sell_when=SellWhen.FILL))
    scene.buy(("4", "1.2345"))
    scene.rest()
    scene.fill(scene.requests[-1])
    scene.buy(("6", "1.2345"))
    scene.buy(("0.5", "1.3"))
    scene.rest()
    FileDisk(folder / "data").replace(LEDGER, scene.disk().read(LEDGER))
    return folder


def listed(capsys, *options):
    code, out, err = run(capsys, "positions", "list", "--json", *options)
    assert code == 0, err
    return json.loads(out)["positions"]


def test_lots_have_every_key_of_a_position_and_their_own(spot, capsys):
    offered, small = listed(capsys)
    assert set(status.COLUMNS) | {"buy_price", "target"} <= set(offered)
    assert (offered["symbol"], offered["product"], offered["status"]) == (SYMBOL, "spot", "SELL_PLACED")
    assert (offered["buy_price"], offered["target"], offered["quantity"]) == ("1.2345", "1.2407", "5.994")
    assert offered["take_profit"] == {"price": "1.2407", "state": "LIVE", "levels": 1}
    assert (small["status"], small["reason"]) == ("UNSELLABLE", "notional_below_min")


def test_they_are_chosen_as_positions_are(spot, capsys):
    assert [r["status"] for r in listed(capsys, "--status", "completed")] == ["COMPLETED"]
    assert len(listed(capsys, "--symbol", SYMBOL.lower())) == 2
    assert listed(capsys, "--symbol", "BTCUSDT") == []
    assert len(listed(capsys, "--min-age", "10h", "--sort", "age")) == 2
    code, _, err = run(capsys, "positions", "list", "--status", "SOLD")
    assert code == 2
    assert "WAITING_FOR_PROFIT" in err


def test_the_text_fits_100_columns_and_loses_no_digit(spot, capsys):
    code, out, _ = run(capsys, "positions", "list")
    assert code == 0
    assert max(map(len, out.splitlines())) <= 100
    for text in ("1.2407", "5.994", "UNSELLABLE notional_below_min", f"{SYMBOL}-LOT-"):
        assert text in out


def test_status_counts_lots_and_tells_their_age(spot, capsys):
    code, out, _ = run(capsys, "positions", "status", "--json")
    assert code == 0
    document = json.loads(out)
    assert document["lots"] == {"sell_placed": 1, "unsellable": 1}
    assert document["ages"]["oldest_position_s"] is None
    assert 0 <= max(row["age"] for row in listed(capsys)) - document["ages"]["oldest_lot_s"] < 60
    code, out, _ = run(capsys, "positions", "status")
    assert code == 0
    assert "lots" in out and "sell placed 1, unsellable 1" in out
    assert max(map(len, out.splitlines())) <= 100


def test_where_a_sell_rests_is_told_beside_the_target(spot, capsys):
    offered, small = listed(capsys)
    assert (offered["sell_price"], small["sell_price"]) == ("1.2407", None)
    (sold,) = listed(capsys, "--status", "completed")
    assert sold["sell_price"] == "1.2407"


def test_what_does_not_name_one_lot_is_2_with_a_hint(spot, capsys):
    code, _, err = run(capsys, "positions", "close", "--yes", "--position-id", SYMBOL)
    assert code == 2
    assert f"{SYMBOL} are 2; name one of {SYMBOL}-LOT-" in err
    code, _, err = run(capsys, "positions", "list", "--status", "unselable")
    assert code == 2
    assert "did you mean UNSELLABLE?" in err
    code, _, err = run(capsys, "positions", "list", "--min-age", "10x")
    assert code == 2
    assert "--min-age" in err
    code, _, err = run(capsys, "positions", "list", "--sort", "agee")
    assert code == 2
    assert "age" in err


def test_closing_refuses_what_it_should(spot, capsys):
    offered, small = listed(capsys)
    close = ("positions", "close", "--yes", "--position-id")
    code, out, err = run(capsys, *close, offered["id"])
    assert (code, out) == (3, "")
    assert "--force" in err, "no price is known, so it may be below the target"
    code, _, err = run(capsys, *close, offered["id"], "--limit-price", "1.2")
    assert code == 3
    assert "below its target 1.2407" in err
    code, _, err = run(capsys, *close, small["id"], "--force", "--limit-price", "1.5", "--market-price")
    assert code == 2
    code, _, err = run(capsys, *close, offered["id"], "--limit-price", "1.3")
    assert code == 3
    assert "a PAPER exchange ends with its process" in err
    code, _, err = run(capsys, *close, f"{SYMBOL}-LOT-999")
    assert code == 2
    assert "no open position" in err
    (sold,) = listed(capsys, "--status", "completed")
    code, _, err = run(capsys, *close, sold["id"], "--force")
    assert code == 3
    assert "nothing left to close" in err


def test_a_damaged_database_is_rebuilt_on_the_way(spot, capsys):
    before = listed(capsys)
    (spot / "data" / "backstay.db").write_bytes(b"no database" * 1000)
    code, out, err = run(capsys, "positions", "list", "--json")
    assert code == 0
    assert "was moved to" in err and "rebuilt from the ledger" in err
    assert [r["id"] for r in json.loads(out)["positions"]] == [r["id"] for r in before]


def test_what_a_list_costs_grows_no_faster_than_the_lots(folder, capsys):
    """How long it takes is told by `bench/lots.py`."""

    def cost(count):
        scene = RecordedScene(SwingPolicy(symbols=(SYMBOL,)), balances={"USDC": 10**7})
        scene.buy(*[("10", "1.2345")] * count)
        FileDisk(folder / "data").replace(LEDGER, scene.disk().read(LEDGER))
        assert len(listed(capsys)) == count, "the store is made here, so that only the list is counted"
        return steps_of(lambda: listed(capsys))

    few, many = cost(200), cost(1000)
    assert many < 5 * few
