"""Worries about lots reach people: once each while they last, in ledger, store, log and at `alerts.urls`."""

import asyncio
import json

from backstay.app.config import load_settings
from backstay.app.lot_alerts import LotAlerts, is_worry
from backstay.app.store import LEDGERS
from backstay.core.decisions import Converged
from backstay.core.records import Decided
from backstay.core.types import PositionSide, Product, Scope
from backstay.strategies.by_lot import FULL

from tests.app.spot_venues import KEYS, SWING, venues
from tests.cli.harness import run

SMALL = "lot 1: unsellable (notional_below_min)"
SPOT = Scope(Product.SPOT, "BTCUSDT", PositionSide.BOTH)


class Owner:
    live = True

    def __init__(self):
        self.notes = []
        self.failed = asyncio.get_running_loop().create_future()

    def note(self, body):
        self.notes.append(body.detail["text"])


def test_each_worry_is_told_once_while_it_lasts():
    async def script():
        owner = Owner()
        alerts = LotAlerts(owner)

        async def decided(*notes, scope=SPOT):
            alerts.record(1, 1, Decided(scope, Converged(notes)))
            await asyncio.sleep(0)
            told, owner.notes = owner.notes, []
            return told

        assert await decided(SMALL) == [SMALL]
        assert await decided(SMALL) == []
        assert await decided(SMALL, "lot 2: old") == ["lot 2: old"]
        assert await decided() == []
        assert await decided("lot 2: old") == ["lot 2: old"], "it is so again"
        assert await decided(FULL, "lot 3: is being closed") == []
        owner.live = False
        assert await decided("lot 4: old") == []
        owner.live = True
        assert await decided("lot 4: old") == ["lot 4: old"], "what could not be told yet is told later"
        assert await decided("x", scope=Scope(Product.USDM, "BTCUSDT", PositionSide.BOTH)) == []

    asyncio.run(script())
    assert is_worry("held: the account holds less BTC than its lots (sold by hand elsewhere?)")


def test_a_lot_that_cannot_be_sold_and_one_cancelled_by_its_owner_are_alerts(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    with venues(tmp_path) as there:
        there.configure(SWING)
        settings = load_settings(tmp_path / "config.yaml")
        path = tmp_path / "data" / LEDGERS["spot"]

        def alerts():
            bodies = [json.loads(line)["body"] for line in path.read_text().splitlines()]
            return [b["detail"]["text"] for b in bodies if b.get("what") == "lot_alert"]

        with there.running(settings):
            there.buy("0.00002", "0.002")
            there.until(lambda: len(there.resting()) == 1 and alerts())
            assert "unsellable (notional_below_min)" in alerts()[0]
            there.by_hand(do="cancel", orderId=there.resting()[0]["orderId"])
            there.until(lambda: len(alerts()) == 2)
            assert "its SELL was cancelled by its owner; acknowledge to place it again" in alerts()[1]
        assert there.resting() == [], "it is not placed again"
    code, out, _ = run(capsys, "ledger", "tail", "-n", "100")
    assert code == 0
    assert "BTCUSDT: lot" in out
    logged = [json.loads(line) for line in (tmp_path / "logs" / "backstay.log").read_text().splitlines()]
    assert [
        line for line in logged if line["level"] == "warning" and "cancelled by its owner" in line["event"]
    ]
