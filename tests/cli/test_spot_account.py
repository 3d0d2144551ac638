"""`doctor` and `ledger` know the spot account: its host, keys, symbols, commission, balances and ledger."""

import json

import pytest

from backstay.app.config import load_settings
from backstay.app.store import LEDGERS

from tests.app.spot_venues import HOLDING, KEYS, POSITIONS, SWING, venues
from tests.cli.harness import run


def checks(out):
    found = {}
    for check in json.loads(out)["checks"]:
        found.setdefault(check["name"], check)
    return found


def doctor(capsys):
    code, out, err = run(capsys, "doctor", "--json")
    assert err == ""
    return code, checks(out)


@pytest.fixture
def traded(folder, keys):
    """Both accounts, a lot of spot with its SELL, and nothing running any more."""
    with venues(folder) as there:
        there.configure(POSITIONS, SWING)
        with there.running(load_settings(folder / "config.yaml", environ=KEYS)):
            there.buy("0.001", "0.002")
            there.until(lambda: len(there.resting()) == 2)
        yield there


@pytest.fixture
def held(folder, keys):
    """A spot holding under its order list beside a futures account, and nothing running any more."""
    with venues(folder) as there:
        there.configure(POSITIONS, HOLDING)
        with there.running(load_settings(folder / "config.yaml", environ=KEYS)):
            there.buy("0.01")
            there.until(lambda: len(there.resting()) == 2)
        yield there


def test_doctor_examines_both_accounts(traded, capsys):
    code, found = doctor(capsys)
    assert code == 0, found
    assert {name for name in found if name.startswith("spot")} == {
        "spot ledger",
        "spot exchange",
        "spot clock",
        "spot rate headroom",
        "spot filters",
        "spot keys",
        "spot account",
        "spot permissions",
        "spot commission",
        "spot balances",
        "spot orphans",
        "spot market stream",
        "spot order socket",
    }
    assert {check["state"] for check in found.values()} <= {"pass", "warn", "skip"}
    assert found["spot balances"]["detail"] == "2 lots, covered by the balances"
    assert found["spot commission"]["detail"].startswith("BTCUSDT: buying 0.1 %, selling 0.1 %")
    assert "test order, which is not placed" in found["spot permissions"]["detail"]
    assert "of 6000 request weight" in found["spot rate headroom"]["detail"]
    code, out, _ = run(capsys, "doctor")
    assert code == 0
    assert max(len(line) for line in out.splitlines() if "endpoints" not in line) <= 200


def test_doctor_of_spot_alone_asks_no_futures_host(folder, keys, capsys):
    with venues(folder) as there:
        there.configure(SWING)
        code, found = doctor(capsys)
        assert code == 0
        assert "exchange" not in found
        assert found["spot balances"]["detail"] == "no lots"
        assert there.truth("usdm")["orders"] == []


def test_doctor_tells_of_coins_that_are_gone(traded, capsys):
    (first, _) = traded.resting()
    traded.by_hand(do="cancel", orderId=first["orderId"])
    traded.by_hand(do="order", side="SELL", type="MARKET", quantity="0.00099")
    code, found = doctor(capsys)
    assert code == 4
    assert "were sold or moved elsewhere" in found["spot balances"]["detail"]
    assert "close --position-id LOT --gone" in found["spot balances"]["todo"]


def test_doctor_knows_what_was_sold_at_its_target_while_no_process_ran(traded, capsys):
    (first, _) = traded.resting()
    traded.price(str(float(first["price"]) * 1.001))
    assert len(traded.resting()) < 2
    code, found = doctor(capsys)
    assert code == 0, found["spot balances"]


def test_a_lot_whose_coins_are_gone_is_ended_by_its_owner_and_the_others_go_on(traded, capsys):
    code, out, _ = run(capsys, "positions", "list", "--json")
    first, second = json.loads(out)["positions"]
    ended = ("positions", "close", "--gone", "--position-id")
    code, _, err = run(capsys, *ended, first["id"], "--yes")
    assert code == 3
    assert "its SELL rests, so its coins are there" in err
    code, _, err = run(capsys, *ended, first["id"], "--yes", "--limit-price", "90000")
    assert code == 2
    assert "--gone sells nothing" in err
    resting = {o["clientOrderId"]: o for o in traded.resting()}
    traded.by_hand(do="cancel", orderId=resting[first["sell_order"]]["orderId"])
    traded.by_hand(do="order", side="SELL", type="MARKET", quantity="0.00099")
    settings = load_settings(traded.folder / "config.yaml", environ=KEYS)
    with traded.running(settings):

        def health():
            return json.loads(run(capsys, "positions", "status", "--json")[1])["health"]

        traded.until(lambda: health()["grade"] == "attention")
        assert "the account holds less BTC than its lots" in health()["why"]
        assert "`backstay doctor` says what to do" in health()["why"]
    code, _, err = run(capsys, *ended, first["id"])
    assert code == 3
    assert "not confirmed that the coins are gone" in err
    before = len(traded.truth("spot")["orders"])
    code, out, err = run(capsys, *ended, first["id"], "--yes", "--reason", "sold elsewhere", "--json")
    assert code == 0, err
    assert json.loads(out)["closed"] == [first["id"]]
    assert len(traded.truth("spot")["orders"]) == before, "nothing is sold"
    code, out, _ = run(capsys, "positions", "list", "--status", "closed_by_hand", "--json")
    assert [row["id"] for row in json.loads(out)["positions"]] == [first["id"]]
    assert [o["clientOrderId"] for o in traded.resting()] == [second["sell_order"]]
    code, found = doctor(capsys)
    assert code == 0
    assert found["spot balances"]["detail"] == "1 lot, covered by the balances"


def test_doctor_tells_of_keys_that_may_not_trade_spot(traded, capsys):
    refusal = {"error": {"code": -2015, "msg": "Invalid API-key, IP, or permissions.", "status": 401}}
    traded.faults({"match": {"surface": "rest", "endpoint": "POST /api/v3/order/test"}, "effect": refusal})
    code, found = doctor(capsys)
    assert code == 5
    assert "may read and not trade spot" in found["spot permissions"]["detail"]


def test_doctor_tells_of_a_symbol_that_spot_does_not_have(folder, keys, capsys):
    with venues(folder) as there:
        there.configure({**SWING, "symbols": ["BTCUSTD"]})
        code, found = doctor(capsys)
        assert code == 2
        assert "no BTCUSTD; did you mean BTCUSDT?" in found["spot filters"]["detail"]


def test_doctor_tells_of_a_host_that_does_not_answer(folder, keys, capsys):
    with venues(folder) as there:
        hosts = there.document()["endpoints"] | {"spot": {"rest": "http://127.0.0.1:9"}}
        there.configure(SWING, endpoints=hosts)
        code, found = doctor(capsys)
        assert code == 5
        assert "127.0.0.1:9" in found["spot exchange"]["detail"]
        assert found["spot exchange"]["todo"] == "check the network and endpoints.spot.rest"


def test_doctor_tells_of_a_commission_above_the_expected_one(folder, keys, capsys):
    with venues(folder) as there:
        there.configure({**SWING, "fee_sell": "0.05%"})
        code, found = doctor(capsys)
        assert code == 0
        assert found["spot commission"]["state"] == "warn"
        assert "fee_sell is 0.05 %" in found["spot commission"]["detail"]


def test_doctor_and_verify_find_a_damaged_spot_ledger(traded, folder, capsys):
    path = folder / "data" / LEDGERS["spot"]
    lines = path.read_bytes().splitlines(keepends=True)
    lines[3] = lines[3].replace(b'"', b"'", 1)
    path.write_bytes(b"".join(lines))
    code, found = doctor(capsys)
    assert code == 6
    assert found["spot ledger"]["state"] == "fail"
    assert found["ledger"]["state"] == "pass"
    code, out, _ = run(capsys, "ledger", "verify", "--json")
    document = json.loads(out)
    assert (code, document["ok"], document["first_bad"]) == (6, False, 4)
    assert document["ledgers"]["usdm"]["ok"]
    code, _, err = run(capsys, "ledger", "verify")
    assert code == 6
    assert "spot/ledger/events.jsonl is damaged at record 4" in err
    assert run(capsys, "ledger", "verify", "--product", "usdm")[0] == 0


def test_replay_tail_and_why_know_both_ledgers(traded, capsys):
    code, out, _ = run(capsys, "ledger", "replay", "--json")
    both = json.loads(out)
    assert code == 0
    assert both["decisions_agree"]
    assert both["records"] == sum(part["records"] for part in both["ledgers"].values())
    assert (both["lots"], both["ledgers"]["spot"]["lots"], both["ledgers"]["usdm"]["lots"]) == (2, 2, 0)
    code, out, _ = run(capsys, "ledger", "replay", "--json", "--product", "spot")
    alone = json.loads(out)
    assert alone["state_digest"] == both["ledgers"]["spot"]["state_digest"] != both["state_digest"]
    code, out, _ = run(capsys, "ledger", "replay")
    assert (code, out.count("decisions agree    True")) == (0, 2)

    code, out, _ = run(capsys, "ledger", "tail", "-n", "500")
    assert {line.split()[1] for line in out.splitlines()} == {"usdm", "spot"}
    code, out, _ = run(capsys, "ledger", "tail", "-n", "500", "--json")
    records = [json.loads(line) for line in out.splitlines()]
    assert [r["at"] for r in records] == sorted(r["at"] for r in records)
    sent = next(r["seq"] for r in records if r["ledger"] == "spot" and r["type"] == "RequestSent")

    code, out, err = run(capsys, "ledger", "why", str(sent), "--product", "spot", "--json")
    assert (code, err) == (0, "")
    document = json.loads(out)
    assert document["ledger"] == "spot"
    assert document["causes"][-1]["type"] in {"OrderReport", "AccountReport", "FillsSnapshot"}
    code, _, err = run(capsys, "ledger", "why", "2")
    assert code == 0
    assert "--product spot shows the other 2" in err
    code, _, err = run(capsys, "ledger", "why", "99999")
    assert code == 2
    assert "has no record 99999" in err


def test_rebuild_takes_both_ledgers(traded, capsys):
    code, out, _ = run(capsys, "ledger", "rebuild", "--json")
    document = json.loads(out)
    assert code == 0
    assert set(document["records"]) == {"usdm", "spot"}
    assert document["rows"]["trade_pairs"] == 2


def test_a_product_that_was_never_run_has_no_ledger(folder, keys, capsys):
    code, _, err = run(capsys, "ledger", "verify", "--product", "spot")
    assert code == 2
    assert "there is no ledger at data/spot/ledger/events.jsonl" in err


def test_without_a_process_lots_are_listed_with_the_venues_prices(traded, capsys):
    code, out, _ = run(capsys, "positions", "list", "--json")
    document = json.loads(out)
    assert (code, document["source"]) == (0, "exchange")
    assert len(document["positions"]) == 2
    assert all(row["mark_price"] and row["unrealised_pnl"]["quote"] for row in document["positions"])
    refused = {"error": {"code": -1000, "msg": "An unknown error occurred.", "status": 500}}
    traded.faults({"match": {"surface": "rest", "endpoint": "GET /api/v3/ticker/price"}, "effect": refused})
    code, out, _ = run(capsys, "positions", "list", "--json")
    assert code == 0, "lots are listed without prices rather than not at all"
    assert [row["mark_price"] for row in json.loads(out)["positions"]] == [None, None]


def test_a_closing_is_kept_with_who_when_why_and_in_words(traded, capsys):
    code, out, _ = run(capsys, "positions", "list", "--json")
    first, second = json.loads(out)["positions"]
    close = ("positions", "close", "--position-id")
    code, _, err = run(capsys, *close, first["id"])
    assert code == 3
    assert "below its target" in err
    code, _, err = run(capsys, *close, first["id"], "--force")
    assert code == 3
    assert "not confirmed" in err, "without a terminal nobody can be asked"
    assert len(traded.resting()) == 2
    code, out, _ = run(capsys, *close, first["id"], "--force", "--yes", "--reason", "rent is due", "--json")
    assert code == 0
    done = json.loads(out)
    assert done["closed"] == [first["id"]]
    assert len(traded.resting()) == 1
    code, _, err = run(capsys, *close, second["id"], "--limit-price", "9999999", "--yes")
    assert code == 3
    assert "the venue takes no SELL of 0.00199 at 9999999" in err
    code, _, err = run(capsys, *close, second["id"], "--limit-price", "90000.123", "--yes")
    assert code == 2
    assert "90000.123 is off the tick 0.01; write 90000.13" in err
    assert len(traded.resting()) == 1, "the SELL that rests is not given up for what cannot be"
    code, out, _ = run(capsys, *close, second["id"], "--limit-price", "90000", "--yes", "--reason", "dear")
    assert code == 0
    assert [o["price"] for o in traded.resting()] == ["90000.00000000"]
    code, out, _ = run(capsys, "ledger", "tail", "-n", "500", "--product", "spot", "--json")
    said = [r for line in out.splitlines() if (r := json.loads(line))["type"] == "OperatorCommand"]
    assert [r["body"]["reason"] for r in said] == ["rent is due", "dear"]
    assert said[0]["seq"] == done["seq"]
    assert all(r["body"]["who"] and r["at"] for r in said)
    code, out, _ = run(capsys, "ledger", "tail", "-n", "500", "--product", "spot")
    assert f"close spot:BTCUSDT:BOTH, lot {second['trade_id']} at 90000 (dear)" in out


def test_without_a_process_a_holding_is_listed_with_its_protection(held, capsys):
    code, out, _ = run(capsys, "positions", "list", "--json")
    document = json.loads(out)
    (row,) = document["positions"]
    assert (code, document["source"], row["id"]) == (0, "exchange", "BTCUSDT-SPOT-1")
    assert (row["quantity"], row["status"], row["protected"]) == ("0.00999", "GUARDED", "yes")
    assert row["mark_price"]
    held.buy("0.01")
    code, out, _ = run(capsys, "positions", "list", "--json")
    (row,) = json.loads(out)["positions"]
    assert (row["quantity"], row["status"], row["protected"]) == ("0.01998", "UNPROTECTED", "no")
    code, out, _ = run(capsys, "positions", "status", "--json")
    assert json.loads(out)["positions"]["unprotected"] == 1
    code, found = doctor(capsys)
    assert code == 4
    assert found["spot positions"]["detail"] == "unprotected: BTCUSDT-SPOT-1"
    assert found["positions"]["state"] == "pass"


def test_without_a_process_a_holding_is_closed_and_the_command_waits_for_it(held, capsys):
    late = {"match": {"surface": "ws_api"}, "effect": {"delay": {"ms": 300}}}
    held.faults(late)
    code, out, err = run(capsys, "positions", "close", "--position-id", "BTCUSDT", "--yes", "--json")
    assert code == 0, err
    assert json.loads(out)["closed"] == ["spot:BTCUSDT:BOTH"]
    assert coins(held) == 0
    assert held.resting() == []


def test_without_a_process_a_kill_sells_holdings_and_positions_and_waits_for_both(held, capsys):
    held.by_hand("usdm", do="order", side="BUY", type="MARKET", quantity="0.01")
    held.faults({"match": {"surface": "ws_api"}, "effect": {"delay": {"ms": 300}}})
    code, out, err = run(capsys, "kill", "--yes", "--json")
    assert code == 0, err
    document = json.loads(out)
    assert document["closed"] == ["usdm:BTCUSDT:BOTH", "spot:BTCUSDT:BOTH"]
    assert document["unknown"] == []
    assert coins(held) == 0
    assert held.resting() == []
    assert held.truth("usdm")["positions"] == []
    code, out, _ = run(capsys, "positions", "status", "--json")
    assert [gate["gate"] for gate in json.loads(out)["gates"]] == ["kill_switch", "spot kill_switch"]


def test_a_kill_in_a_new_folder_says_that_it_does_not_know_what_spot_holds(held, capsys):
    held.by_hand("usdm", do="order", side="BUY", type="MARKET", quantity="0.01")
    code, _, err = run(capsys, "kill", "--yes", "--all-orders", "--data-dir", "aside")
    assert code == 4
    assert "kill: usdm:BTCUSDT:BOTH; flat now" in err
    assert "not known to this ledger, so not sold: spot:BTCUSDT:BOTH" in err
    assert held.truth("usdm")["positions"] == []
    assert coins(held) > 0
    assert len(held.resting()) == 2, "what is not sold keeps its orders"


def test_the_status_of_a_process_counts_the_positions_of_both_accounts(folder, keys, capsys):
    with venues(folder) as there:
        there.configure(POSITIONS, HOLDING)
        with there.running(load_settings(folder / "config.yaml", environ=KEYS)):
            there.buy("0.01")
            there.by_hand("usdm", do="order", side="BUY", type="MARKET", quantity="0.01")
            there.until(lambda: len(there.resting()) == 2)
            _, out, _ = run(capsys, "positions", "list", "--json")
            assert len(json.loads(out)["positions"]) == 2
            _, out, _ = run(capsys, "positions", "status", "--json")
            assert json.loads(out)["positions"]["open"] == 2


def coins(there):
    """BTC of the spot account."""
    rows = [row for row in there.truth()["balances"] if row["asset"] == "BTC"]
    return sum(float(row["free"]) + float(row["locked"]) for row in rows)
