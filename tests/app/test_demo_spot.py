"""The spot story of the demo: its figures, its promises, and that a broken one is told."""

from decimal import Decimal

import msgspec
import pytest

from backstay.app.demo import play
from backstay.app.demo_options import FULL_SPEED, DemoOptions
from backstay.app.ledger_paths import SPOT_LEDGER
from backstay.app.spot_auditor import SpotAuditor
from backstay.cli.demo import _lots
from backstay.core.state import AccountState
from backstay.strategies.swing.policy import SwingPolicy


def test_every_lot_is_sold_for_its_profit_or_waits(tmp_path):
    options = DemoOptions(
        seed=3,
        speed=FULL_SPEED,
        duration_s=900,
        headless=True,
        symbols=("BTCUSDT",),
        data_dir=str(tmp_path),
    )
    summary = play(options)
    assert summary.promises_held, summary.broken
    assert summary.lots > 40
    assert summary.lots_completed > 0
    assert summary.lots == summary.lots_completed + summary.lots_waiting
    assert summary.min_net_profit_pct >= 0.15
    assert (tmp_path / SPOT_LEDGER).exists()
    line = _lots(msgspec.to_builtins(summary))
    assert f"{summary.lots} bought by hand on spot" in line
    again = play(msgspec.structs.replace(options, duration_s=120))
    assert again.promises_held, "another demo in the same folder has a spot ledger of its own"


def frame(**more):
    report = {
        "e": "executionReport",
        "s": "SOLUSDT",
        "i": 1,
        "c": "web_1",
        "C": "",
        "S": "BUY",
        "x": "TRADE",
        "X": "FILLED",
        "q": "2",
        "z": "2",
        "t": 7,
        "L": "100",
        "l": "2",
        "n": "0.002",
        "N": "SOL",
    }
    return report | more


@pytest.mark.parametrize(
    ("frames", "rows", "told"),
    [
        ([frame()], [], "SOLUSDT trade 7 has no lot"),
        ([frame(i=2, c="bs-1", x="NEW", X="NEW", S="SELL", z="0")], [], "something is sold twice"),
        ([frame(c="bs-2")], [], "which nobody asked for"),
        ([], [{"endpoint": "DELETE /api/v3/order", "params": {}}], "was not left alone"),
        ([], [{"endpoint": "POST /api/v3/order", "params": {"newClientOrderId": "bs-1"}}] * 2, "sent twice"),
    ],
)
def test_what_should_never_happen_is_told(frames, rows, told):
    auditor = SpotAuditor("bs-")
    for each in frames:
        auditor.event(each)
    auditor.read_requests(rows)
    assert any(told in text for text in auditor.broken(AccountState(), SwingPolicy(profit=Decimal("0.01"))))
