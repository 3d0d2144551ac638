"""Commands against a simulated venue on real sockets: what it refuses, and what works without a process."""

import json
import re
import socket

import yaml

from tests.app.venues import venue
from tests.cli.harness import run


def configured(folder, document):
    (folder / "config.yaml").write_text(yaml.safe_dump(document))


def check(document, name):
    return next(c for c in document["checks"] if c["name"] == name)


def test_a_symbol_that_does_not_exist_is_2_with_the_nearest(folder, keys, capsys):
    with venue() as there:
        document = there.config()
        document["managers"][0]["symbols"] = ["BTCUSTD"]
        configured(folder, document)
        code, _, err = run(capsys, "run")
        assert code == 2
        assert "no BTCUSTD; did you mean BTCUSDT?" in err
        code, out, _ = run(capsys, "doctor", "--json")
        assert code == 2, out
        assert check(json.loads(out), "filters")["state"] == "fail"


def test_a_hedge_configuration_on_a_one_way_account_is_2_and_sends_nothing(folder, keys, capsys):
    with venue() as there:
        there.order("BTCUSDT", "BUY", "0.01")
        document = there.config()
        document["account"] = {"position_mode": "hedge"}
        configured(folder, document)
        code, _, err = run(capsys, "run")
        assert code == 2
        assert "account.position_mode is hedge, and the account is in one_way mode" in err
        assert not there.truth().get("algo_orders")
        code, out, _ = run(capsys, "doctor", "--json")
        assert check(json.loads(out), "position mode")["state"] == "fail"


def test_keys_without_futures_permission_are_5_and_told(folder, keys, capsys):
    with venue(futures=False) as there:
        configured(folder, there.config())
        code, _, err = run(capsys, "run")
        assert code == 5
        assert "futures" in err
        code, out, _ = run(capsys, "doctor", "--json")
        assert code == 5
        assert any(c["state"] == "fail" and c["exit_code"] == 5 for c in json.loads(out)["checks"])


def test_doctor_tries_the_private_stream_and_shows_no_listen_key(folder, keys, capsys):
    with venue() as there:
        document = there.config()
        configured(folder, document)
        code, out, _ = run(capsys, "doctor", "--json")
        assert (code, check(json.loads(out), "private stream")["state"]) == (0, "pass")
        document["endpoints"]["usdm"]["private_stream"] = "ws://127.0.0.1:1/private"
        configured(folder, document)
        code, out, _ = run(capsys, "doctor", "--json")
        found = check(json.loads(out), "private stream")
        assert (code, found["state"]) == (5, "fail")
        assert found["detail"].startswith("ws://127.0.0.1:1/private: ")
        assert re.search(r"/ws/\w{8}", out) is None
        refused = {"match": {"endpoint": "POST /fapi/v1/listenKey"}, "effect": {"error": {"code": -2015}}}
        there.post("faults", {"rules": [refused]})
        code, out, _ = run(capsys, "doctor", "--json")
        assert code == 5
        assert [c["name"] for c in json.loads(out)["checks"] if c["state"] == "fail"] == ["keys"]


def test_a_wrong_secret_is_5_and_is_not_shown(folder, keys, capsys, monkeypatch):
    monkeypatch.setenv("BINANCE_DEMO_API_SECRET", "a-wrong-secret")
    with venue() as there:
        configured(folder, there.config())
        code, out, err = run(capsys, "positions", "list", "--json")
        assert (code, out) == (5, "")
        assert "-1022" in err
        assert "a-wrong-secret" not in err


def test_an_exchange_that_cannot_be_reached_is_5(folder, keys, capsys):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    document = {
        "run": {"mode": "DEMO", "enable_trading": True},
        "endpoints": {"usdm": {"rest": f"http://127.0.0.1:{port}"}},
        "managers": [],
    }
    configured(folder, document)
    code, out, err = run(capsys, "positions", "list")
    assert (code, out) == (5, "")
    assert f"127.0.0.1:{port}" in err


def test_doctor_finds_an_unprotected_position_and_says_what_to_do(folder, keys, capsys):
    with venue() as there:
        configured(folder, there.config())
        code, out, _ = run(capsys, "doctor", "--json")
        assert code == 0, out
        there.order("BTCUSDT", "BUY", "0.01")
        code, out, _ = run(capsys, "doctor", "--json")
        assert code == 4
        found = check(json.loads(out), "positions")
        assert "BTCUSDT-BOTH" in found["detail"]
        assert "backstay run" in found["todo"]


def test_kill_without_a_process_closes_what_is_managed_and_leaves_the_rest(folder, keys, capsys):
    with venue() as there:
        there.order("BTCUSDT", "BUY", "0.01")
        there.order("ETHUSDT", "SELL", "0.5")
        configured(folder, there.config())
        code, out, err = run(capsys, "kill", "--yes", "--json")
        assert code == 0, err
        document = json.loads(out)
        assert document["closed"] == ["usdm:BTCUSDT:BOTH"]
        assert document["left_alone"] == ["usdm:ETHUSDT:BOTH"]
        assert document["verified"] is True
        code, out, _ = run(capsys, "positions", "list", "--json")
        assert [row["symbol"] for row in json.loads(out)["positions"]] == ["ETHUSDT"]
        code, out, _ = run(capsys, "ledger", "verify", "--json")
        assert code == 0


def test_close_without_a_process_closes_one_position(folder, keys, capsys):
    with venue() as there:
        there.order("BTCUSDT", "SELL", "0.01")
        configured(folder, there.config())
        code, _, err = run(capsys, "positions", "close", "--position-id", "ETHUSDT", "--yes")
        assert code == 2
        assert "no open position" in err
        code, out, err = run(capsys, "positions", "close", "--position-id", "BTCUSDT", "--yes", "--json")
        assert code in {0, 4}, err
        if code == 4:  # nobody has vouched for its state yet
            code, out, err = run(
                capsys, "positions", "close", "--position-id", "BTCUSDT", "--force", "--yes", "--json"
            )
        assert code == 0, err
        assert json.loads(out)["closed"] == ["usdm:BTCUSDT:BOTH"]


def test_a_kill_leaves_orders_of_others_unless_it_is_told_to_cancel_all(folder, keys, capsys):
    with venue() as there:
        there.order("BTCUSDT", "BUY", "0.01")
        there.order("ETHUSDT", "BUY", "1", price="100")
        stop = {
            "do": "algo",
            "symbol": "BTCUSDT",
            "side": "BUY",
            "type": "STOP_MARKET",
            "quantity": "0.01",
            "triggerPrice": "90000",
        }
        there.post("human", stop)
        configured(folder, there.config())
        code, out, err = run(capsys, "kill", "--yes", "--json")
        assert code == 0, err
        assert json.loads(out)["closed"] == ["usdm:BTCUSDT:BOTH"]
        assert len(resting(there)) == 2
        code, _, err = run(capsys, "kill", "--yes", "--all-orders", "--json")
        assert code == 0, err
        assert resting(there) == []


def test_a_kill_of_all_orders_first_cancels_what_leaves_nothing_to_reduce(folder, keys, capsys):
    with venue() as there:
        there.order("BTCUSDT", "BUY", "0.01")
        there.order("BTCUSDT", "SELL", "0.01", price="200000", reduceOnly="true")
        configured(folder, there.config())
        code, out, err = run(capsys, "kill", "--yes", "--all-orders", "--json")
        assert code == 0, err
        assert json.loads(out)["closed"] == ["usdm:BTCUSDT:BOTH"]
        assert there.truth()["positions"] == []
        assert resting(there) == []


def resting(there):
    truth = there.truth()
    orders = [o["symbol"] for o in truth["orders"] if o["status"] == "NEW"]
    return orders + [a["symbol"] for a in truth["algo_orders"] if a["algoStatus"] == "NEW"]


def test_a_kill_on_a_damaged_ledger_is_6_and_names_the_command_that_needs_none(folder, keys, capsys):
    with venue() as there:
        configured(folder, there.config())
        there.order("BTCUSDT", "BUY", "0.01")
        assert run(capsys, "kill", "--yes")[0] == 0
        ledger = folder / "data" / "ledger" / "events.jsonl"
        lines = ledger.read_bytes().split(b"\n")
        ledger.write_bytes(b"\n".join([*lines[:3], b"{}", *lines[4:]]))
        there.order("BTCUSDT", "BUY", "0.01")
        there.order("BTCUSDT", "SELL", "0.01", price="200000", reduceOnly="true")
        (folder / "data-kill-1").mkdir()
        code, out, err = run(capsys, "kill", "--yes", "--symbol", "BTCUSDT", "-c", "config.yaml")
        assert (code, out) == (6, "")
        first, second = err.splitlines()
        assert "ledger/events.jsonl is damaged at line 4" in first
        command = second.rpartition(": backstay ")[2].split()
        options = ["--all-orders", "--data-dir", "data-kill-2", "--symbol", "BTCUSDT"]
        assert command == ["kill", *options, "--config", "config.yaml"]
        code, out, err = run(capsys, *command, "--yes", "--json")
        assert code == 0, err
        assert json.loads(out)["closed"] == ["usdm:BTCUSDT:BOTH"]
        assert there.truth()["positions"] == []
        assert resting(there) == []
        assert run(capsys, "run")[0] == 6, "the damaged one is still refused"
        # A restored ledger knows nothing of that switch: the same word, once more, puts it there.
        ledger.write_bytes(b"\n".join(lines))
        assert run(capsys, "kill", "--yes")[0] == 0
        code, out, _ = run(capsys, "positions", "status", "--json")
        assert [gate["gate"] for gate in json.loads(out)["gates"]] == ["kill_switch"]
