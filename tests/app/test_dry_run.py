"""DRY_RUN_PRIVATE over both products: nothing is sent, and each candidate is a whole document (I-35)."""

import json

from backstay.app.config import load_settings
from backstay.app.exchange import API_KEY, API_SECRET
from backstay.app.store import LEDGERS

from tests.app.spot_venues import POSITIONS, SWING, venues
from tests.cli.harness import run

KEYS = {"BINANCE_API_KEY": API_KEY, "BINANCE_API_SECRET": API_SECRET}
SHAPE = ["type", "action", "product", "symbol", "side", "order_type", "price", "quantity", "slot", "ctx_id"]


def candidates(folder, product):
    lines = (folder / "data" / LEDGERS[product]).read_text().splitlines()
    bodies = [json.loads(line)["body"] for line in lines]
    return [b["detail"] for b in bodies if b.get("what") == "order_request"]


def is_mutation(request):
    name = request["endpoint"]
    return not name.startswith("GET ") and "rder" in name


def test_i35_every_candidate_is_a_complete_order_request_in_ledger_and_log(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with venues(tmp_path) as there:
        there.configure(POSITIONS, SWING, run={"mode": "DRY_RUN_PRIVATE"})
        settings = load_settings(tmp_path / "config.yaml", environ=KEYS)
        with there.running(settings):
            there.by_hand("usdm", do="order", side="BUY", type="MARKET", quantity="0.01")
            there.buy("0.001", "0.002")
            there.until(lambda: len(candidates(tmp_path, "spot")) == 2 and candidates(tmp_path, "usdm"))
        assert there.resting() == []
        truth = there.truth("usdm")
        assert [o for o in truth["orders"] if o["status"] == "NEW"] == []
        asked = [r for p in ("spot", "usdm") for r in there.requests(p) if is_mutation(r)]
        assert asked == [], "no request that changes anything was received"
    spot, usdm = candidates(tmp_path, "spot"), candidates(tmp_path, "usdm")
    for document in (*spot, *usdm):
        assert list(document)[: len(SHAPE)] == SHAPE
        assert document["type"] == "order_request"
        assert not {"signature", "timestamp", "apiKey"} & set(document)
    assert {(d["side"], d["order_type"], d["quantity"]) for d in spot} == {
        ("SELL", "LIMIT", "0.00099"),
        ("SELL", "LIMIT", "0.00199"),
    }
    assert all(d["price"] and d["request"] == "POST /api/v3/order" for d in spot)
    assert all(d["timeInForce"] == "GTC" and d["newClientOrderId"] == d["ctx_id"] for d in spot)
    stop = next(d for d in usdm if d["order_type"] == "STOP_MARKET")
    assert (stop["side"], stop["quantity"], stop["closePosition"]) == ("SELL", "", "true")
    assert stop["triggerPrice"]
    logged = [json.loads(line) for line in (tmp_path / "logs" / "backstay.log").read_text().splitlines()]
    documents = [line["order_request"] for line in logged if "order_request" in line]
    assert [d for d in documents if d["product"] == "spot"] == spot
    assert [d for d in documents if d["product"] == "usdm"] == usdm
    code, out, _ = run(capsys, "ledger", "tail", "-n", "200")
    assert code == 0
    assert "would place (nothing was sent): product spot, symbol BTCUSDT, side SELL, order type LIMIT" in out
