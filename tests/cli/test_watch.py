"""What `watch` draws."""

import io

from rich.console import Console

from backstay.cli.watch import screen

UP = {"private": "up", "orders": "up", "market": "up"}
STATUS = {
    "account": "main",
    "mode": "DEMO",
    "uptime_s": 60,
    "last_event_age_s": 3,
    "health": {"grade": "attention", "why": "spot: the private stream is down"},
    "streams": UP,
    "naked_ms": {"p50": 0.0, "p99": 0.0, "max": 0.0},
    "counters": {"stops_placed": 0, "duplicates": 0, "foreign_touched": 0},
    "news": [],
}


def drawn(status):
    console = Console(file=io.StringIO(), width=180)
    console.print(screen(status, []))
    return console.file.getvalue()


def test_streams_of_both_accounts_are_told():
    alone = drawn(STATUS)
    assert "streams private up orders up market up" in alone
    assert "spot streams" not in alone
    text = drawn({**STATUS, "spot": {"streams": {**UP, "private": "down"}}})
    assert "streams private up orders up market up  spot streams private down orders up market up" in text
