"""Positions as text: every column of the interface in 100 characters, no digit lost."""

import io

from rich.console import Console

from backstay.cli.tables import WIDTH, positions_table

ROW = {
    "id": "BTCUSDT-BOTH-1",
    "status": "GUARDED",
    "side": "SHORT",
    "quantity": "0.024",
    "entry_price": "76988.95",
    "entry_time": "2026-11-20T05:12:13Z",
    "mark_price": "77046.16",
    "unrealised_pnl": {"quote": "-1.37", "percent": "-0.07"},
    "age": 360_000,
    "stop": {"price": "77739.1", "state": "ARMED"},
    "take_profit": {"price": "76680.9", "state": "LIVE"},
    "dca": {"done": 1, "total": 3, "next_price": "77219.5"},
    "distance_to_liquidation": "48.2",
    "protected": "yes",
    "protected_since": "2026-11-20T05:12:14Z",
    "unprotected_since": None,
}


def shown(row):
    out = io.StringIO()
    Console(file=out, width=WIDTH).print(positions_table([row]))
    return out.getvalue()


def test_a_position_takes_two_lines_of_100_characters():
    head, under, first, second = (line for line in shown(ROW).splitlines() if line.strip())
    assert max(map(len, (head, under, first, second))) <= WIDTH
    assert first.split() == [
        "BTCUSDT-BOTH-1",
        "SHORT",
        "0.024",
        *["76988.95", "-1.37", "77739.1", "76680.9", "1/3", "48.2%", "yes"],
    ]
    told = "GUARDED 4d 4h 77046.16 -0.07% ARMED LIVE 77219.5 11-20 05:12 05:12:14"
    assert second.split() == told.split()


def test_what_does_not_fit_is_folded_and_never_cut():
    wide = shown({**ROW, "id": "1000PEPEUSDT-SHORT-12", "quantity": "1234567", "entry_price": "0.0123456789"})
    assert max(map(len, wide.splitlines())) <= WIDTH
    assert "…" not in wide
    assert "1234567" in wide
    assert "1000PEPEUSDT-SHORT-12" in wide
