"""Bad days of a spot account: each is told clearly, with its exit code, and nothing is lost."""

import json
import sqlite3

import pytest

from backstay.app.config import load_settings
from backstay.app.store import LEDGERS
from backstay.ledger.disk import FileDisk
from backstay.strategies.swing.policy import SellWhen, SwingPolicy

from tests.app.spot_venues import KEYS, POSITIONS, SWING, venues
from tests.cli.harness import run
from tests.ledger.projections.spot_lives import RecordedScene

SYMBOL = "TRUMPUSDC"


def recorded(folder, **options):
    scene = RecordedScene(SwingPolicy(symbols=(SYMBOL,), sell_when=SellWhen.FILL), **options)
    scene.buy(("4", "1.2345"), ("6", "1.2345"))
    scene.rest()
    FileDisk(folder / "data").replace(LEDGERS["spot"], scene.disk().read(LEDGERS["spot"]))
    return scene


def listed(capsys):
    code, out, err = run(capsys, "positions", "list", "--json")
    assert code == 0, err
    return json.loads(out)["positions"]


def test_a_commission_in_an_unknown_asset_holds_the_lot_and_says_why(folder, capsys):
    recorded(folder, fee_asset="XYZ")
    rows = listed(capsys)
    assert [(r["status"], r["reason"]) for r in rows] == [("UNSELLABLE", "unknown_commission_asset")] * 2
    code, out, _ = run(capsys, "positions", "list")
    assert (code, out.count("UNSELLABLE unknown_commission_asset")) == (0, 2)
    code, _, err = run(capsys, "positions", "close", "--yes", "--position-id", rows[0]["id"])
    assert code == 3
    assert "the target of" in err
    assert "unknown_commission_asset" in err
    assert "--force" in err


def test_balances_below_the_lots_hold_every_new_sell_and_are_told(folder, keys, capsys):
    with venues(folder) as there:
        there.configure({**SWING, "sell_when": "target", "profit": "50%"})
        settings = load_settings(folder / "config.yaml", environ=KEYS)
        path = folder / "data" / LEDGERS["spot"]

        def said():
            bodies = [json.loads(line)["body"] for line in path.read_text().splitlines()]
            return [b["detail"]["text"] for b in bodies if b.get("what") == "lot_alert"]

        with there.running(settings):
            there.buy("0.001", "0.002")
            there.by_hand(do="order", side="SELL", type="MARKET", quantity="0.0015")
            there.until(said)
            assert "the account holds less BTC than its lots (sold by hand elsewhere?)" in said()[0]
        assert len(listed(capsys)) == 2, "no lot is given up for it"
        code, out, _ = run(capsys, "doctor", "--json")
        assert code == 4
        assert "were sold or moved elsewhere" in out


def test_a_database_that_cannot_be_read_hides_lots_and_no_position(folder, keys, capsys):
    with venues(folder) as there:
        there.configure(POSITIONS, SWING)
        with there.running(load_settings(folder / "config.yaml", environ=KEYS)):
            there.buy("0.001")
            there.by_hand("usdm", do="order", side="BUY", type="MARKET", quantity="0.01")
            there.until(there.resting)
        with sqlite3.connect(folder / "data" / "backstay.db") as raw:
            raw.execute("UPDATE alembic_version SET version_num = '9999'")
        raw.close()
        code, out, err = run(capsys, "positions", "list", "--json")
        assert [row["id"] for row in json.loads(out)["positions"]] == ["BTCUSDT-BOTH-1"]
        assert code == 6
        assert "lots of spot are not shown" in err
        code, out, err = run(capsys, "positions", "status", "--json")
        assert (code, json.loads(out)["positions"]["open"]) == (6, 1)
        code, _, err = run(capsys, "positions", "close", "--position-id", "BTCUSDT-LOT-1", "--yes")
        assert code == 6
        assert "newer version" in err
        close = ("positions", "close", "--position-id", "BTCUSDT-BOTH-1", "--yes")
        assert run(capsys, *close)[0] == 0


def test_a_database_of_a_newer_version_is_6_and_left_alone(folder, capsys):
    recorded(folder)
    assert len(listed(capsys)) == 2
    path = folder / "data" / "backstay.db"
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    raw.close()
    for command in (("positions", "list"), ("store", "status")):
        code, _, err = run(capsys, *command)
        assert code == 6
        assert "was made by a newer version (its revision is 9999" in err
        assert "store.url" in err
    with sqlite3.connect(path) as raw:
        assert raw.execute("SELECT version_num FROM alembic_version").fetchall() == [("9999",)]
    raw.close()
    assert run(capsys, "ledger", "verify")[0] == 0, "the ledger has everything"


@pytest.mark.parametrize("kind", ["garbage", "empty", "torn"])
def test_a_damaged_database_comes_back_from_the_ledger(folder, capsys, kind):
    recorded(folder)
    before = listed(capsys)
    path = folder / "data" / "backstay.db"
    data = path.read_bytes()
    damaged = {"garbage": b"no database" * 500, "empty": b"", "torn": data[: len(data) // 3]}
    path.write_bytes(damaged[kind])
    after = listed(capsys)
    assert [(r["id"], r["status"], r["sell_order"]) for r in after] == [
        (r["id"], r["status"], r["sell_order"]) for r in before
    ]
    code, out, _ = run(capsys, "ledger", "rebuild", "--json")
    assert code == 0
    assert json.loads(out)["rows"]["trade_pairs"] == 2


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("positions", "close", "--position-id", "TRUMPUSDC-LOT-7", "--yes"), 2, "no open position"),
        (("positions", "list", "--status", "unselable"), 2, "did you mean UNSELLABLE?"),
        (("positions", "list", "--sort", "agee"), 2, "age"),
        (("positions", "list", "--min-age", "ten"), 2, "--min-age: 'ten' is not a duration"),
        (("positions", "list", "--format", "jsn"), 2, "--format"),
        (("ledger", "why", "999"), 2, "has no record 999"),
    ],
)
def test_what_is_misspelt_or_not_there_is_2_with_a_hint(folder, capsys, arguments, code, told):
    recorded(folder)
    assert run(capsys, *arguments)[0] == code
    _, out, err = run(capsys, *arguments)
    assert out == ""
    assert told in err
