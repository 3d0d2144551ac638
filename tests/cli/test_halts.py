"""The exchange takes nothing: what an operator is told, and what a kill that was asked for comes to."""

import json

from backstay.app.config import load_settings

from tests.app.spot_venues import KEYS, POSITIONS, venues
from tests.cli.harness import run


def test_a_kill_while_the_keys_are_refused_says_so_at_once_and_is_done_after_the_ack(folder, keys, capsys):
    with venues(folder, products=("usdm", "spot")) as there:
        there.configure(POSITIONS)
        with there.running(load_settings(folder / "config.yaml", environ=KEYS)):
            there.by_hand("usdm", do="order", side="BUY", type="MARKET", quantity="0.01")
            there.until(lambda: stops(there))
            there.faults({"effect": "keys_revoked"}, product="usdm")
            there.by_hand("usdm", do="cancel_algo")
            there.until(lambda: status(capsys)["gates"])
            code, _, err = run(capsys, "kill", "--yes")
            assert code == 4
            assert "nothing can be sent: the venue refused the API key" in err
            assert "Close BTCUSDT-BOTH-1 at the exchange" in err
            assert "`backstay ack`" in err
            assert "nothing can be sent" in status(capsys)["health"]["why"]
            there.calm("usdm")
            code, _, err = run(capsys, "ack")
            assert (code, "ack: done" in err) == (0, True)
            there.until(lambda: not there.truth("usdm")["positions"])
            # The switch is on and the door open: said again, it is true that nothing changes.
            code, _, err = run(capsys, "ack")
            assert (code, "nothing changed" in err) == (0, True)


def test_a_ban_is_told_as_one_by_doctor_and_its_release_is_not_nothing(folder, keys, capsys):
    with venues(folder) as there:
        there.configure(POSITIONS)
        with there.running(load_settings(folder / "config.yaml", environ=KEYS)):
            ban = {"match": {"surface": "rest", "times": 1}, "effect": {"ban_418": {"seconds": 300}}}
            there.faults(ban, product="usdm")
            code, out, _ = run(capsys, "doctor", "--json")
            (found,) = [c for c in json.loads(out)["checks"] if c["name"] == "exchange"]
            assert (code, found["state"]) == (5, "fail")
            assert "find what else uses it" in found["todo"]
            there.by_hand("usdm", do="order", side="BUY", type="MARKET", quantity="0.01")
            there.until(lambda: status(capsys)["gates"])
            there.calm("usdm")
            _, _, err = run(capsys, "ack")
            assert "ack: done" in err


def stops(there):
    return [a for a in there.truth("usdm")["algo_orders"] if a["algoStatus"] == "NEW"]


def status(capsys):
    return json.loads(run(capsys, "positions", "status", "--json")[1])
