"""Positions as text: every column of the interface in 100 characters, no digit lost."""

import io

from rich.console import Console

from backstay.cli.tables import WIDTH, positions_table

from tests.position_row import position


def shown(row):
    out = io.StringIO()
    Console(file=out, width=WIDTH).print(positions_table([row]))
    return out.getvalue()


def test_a_position_takes_two_lines_of_100_characters():
    text = shown(position(entry_price="76969.1"))
    head, under, first, second = (line for line in text.splitlines() if line.strip())
    assert max(map(len, (head, under, first, second))) <= WIDTH
    told = "BTCUSDT-BOTH-1 LONG 0.02 76969.1 -0.884 73120.6 78123.6 1/3 48.2% yes"
    assert first.split() == told.split()
    told = "GUARDED 1h 6m 77013.19 -0.06% ARMED LIVE 76199.3 11-01 10:00 10:00:00"
    assert second.split() == told.split()


def test_what_does_not_fit_is_folded_and_never_cut():
    wide = shown(position(id="1000PEPEUSDT-SHORT-12", quantity="1234567", entry_price="0.0123456789"))
    assert max(map(len, wide.splitlines())) <= WIDTH
    assert "…" not in wide
    assert "1234567" in wide
    assert "1000PEPEUSDT-SHORT-12" in wide
