"""The judge of the comparison: naked time, duplicates, orphans and foreign orders, from the venue's truth."""

import sys
from decimal import Decimal
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench" / "peers"))

from judge import judge
from table import cells, render, seconds, sums


class Book:
    """Writes a record as the venue would: frames first, final rows as they were left."""

    def __init__(self, **intended):
        self.frames, self.requests, self.exits = [], [], []
        self.orders, self.algos, self.positions = {}, {}, {}
        self.intended = intended or {"BOTH": "0.020"}

    def position(self, at, amount, leg="BOTH"):
        rows = [{"s": "BTCUSDT", "ps": leg, "pa": amount}]
        self.frames.append({"e": "ACCOUNT_UPDATE", "E": at, "T": at, "a": {"m": "ORDER", "P": rows}})
        self.positions[leg] = amount

    def stop(self, at, number, status="NEW", qty="0.020", *, whole=False, side="SELL", leg="BOTH"):
        self.frames.append(
            {
                "e": "ALGO_UPDATE",
                "E": at,
                "T": at,
                "o": {
                    "aid": number,
                    "caid": f"c{number}",
                    "o": "STOP_MARKET",
                    "s": "BTCUSDT",
                    "S": side,
                    "ps": leg,
                    "q": "0" if whole else qty,
                    "X": status,
                    "cp": whole,
                },
            }
        )
        self.algos[number] = {
            "algoId": number,
            "clientAlgoId": f"c{number}",
            "algoStatus": status,
            "orderType": "STOP_MARKET",
            "side": side,
            "positionSide": leg,
            "quantity": "0" if whole else qty,
            "closePosition": whole,
            "origin": "api",
            "updateTime": at,
        }

    def limit(
        self, at, number, status="NEW", *, side="SELL", reduce=True, origin="api", filled="0", kind="LIMIT"
    ):
        self.frames.append(
            {
                "e": "ORDER_TRADE_UPDATE",
                "E": at,
                "T": at,
                "o": {
                    "i": number,
                    "c": f"o{number}",
                    "o": kind,
                    "s": "BTCUSDT",
                    "S": side,
                    "ps": "BOTH",
                    "q": "0.020",
                    "z": filled,
                    "X": status,
                    "R": reduce,
                },
            }
        )
        self.orders[number] = {
            "orderId": number,
            "clientOrderId": f"o{number}",
            "status": status,
            "side": side,
            "positionSide": "BOTH",
            "reduceOnly": reduce,
            "executedQty": filled,
            "origin": origin,
            "updateTime": at,
        }

    def request(self, endpoint, status=200, at=0, **params):
        self.requests.append({"endpoint": endpoint, "params": params, "status": status, "at": at * 1_000_000})

    def verdict(self, ended):
        held = [
            {"positionSide": leg, "positionAmt": amount}
            for leg, amount in self.positions.items()
            if Decimal(amount)
        ]
        return judge(
            {
                "frames": self.frames,
                "requests": self.requests,
                "truth": {
                    "positions": held,
                    "orders": list(self.orders.values()),
                    "algo_orders": list(self.algos.values()),
                },
                "ended_ms": ended,
                "intended": self.intended,
                "exits": self.exits,
            }
        )


def guarded():
    book = Book()
    book.position(1000, "0.020")
    book.stop(1040, 1)
    book.limit(1060, 7)
    return book


def test_a_position_is_naked_until_its_stop_rests():
    verdict = guarded().verdict(9000)
    assert (verdict.naked_ms, verdict.longest_ms, verdict.position) == (40, 40, "guarded")
    assert verdict.recovered


def test_a_stop_that_goes_away_leaves_it_naked_until_the_end():
    book = guarded()
    book.stop(3000, 1, "CANCELED")
    verdict = book.verdict(9000)
    assert (verdict.naked_ms, verdict.longest_ms) == (6040, 6000)
    assert (verdict.position, verdict.recovered) == ("naked", False)


def test_stops_for_less_than_the_position_do_not_protect_it_and_two_halves_do():
    book = Book()
    book.position(1000, "0.020")
    book.stop(1010, 1, qty="0.010")
    assert book.verdict(5000).position == "naked"
    book.stop(1500, 2, qty="0.010")
    verdict = book.verdict(9000)
    assert (verdict.naked_ms, verdict.duplicates, verdict.recovered) == (500, 0, True)


def test_a_stop_of_the_whole_position_covers_any_size():
    book = Book(BOTH="-0.020")
    book.position(1000, "-0.020")
    book.stop(1005, 1, whole=True, side="BUY")
    assert book.verdict(4000).recovered


def test_a_stop_on_the_wrong_side_protects_nothing():
    book = Book()
    book.position(1000, "0.020")
    book.stop(1005, 1, side="BUY")
    assert book.verdict(4000).position == "naked"


def test_a_stop_that_hangs_in_triggering_stops_counting_after_a_second():
    book = guarded()
    book.stop(3000, 1, "TRIGGERING")
    verdict = book.verdict(9000)
    assert verdict.naked_ms == 40 + 5000
    assert verdict.position == "naked"


def test_a_stop_that_triggers_and_fills_at_once_is_no_naked_time():
    book = guarded()
    book.stop(3000, 1, "TRIGGERING")
    book.stop(3000, 1, "TRIGGERED")
    book.position(3000, "0")
    book.stop(3000, 1, "FINISHED")
    book.limit(3000, 7, "EXPIRED")
    verdict = book.verdict(9000)
    assert (verdict.naked_ms, verdict.position, verdict.recovered) == (40, "flat", True)


def test_two_stops_for_one_position_are_a_duplicate_when_they_stay():
    book = guarded()
    book.stop(2000, 2)
    verdict = book.verdict(9000)
    assert (verdict.duplicates, verdict.recovered) == (1, False)


def test_a_replacement_that_overlaps_for_a_moment_is_none():
    book = guarded()
    book.stop(2000, 2)
    book.stop(2300, 1, "CANCELED")
    assert book.verdict(9000).duplicates == 0


def test_a_duplicate_that_was_cleaned_up_late_is_still_told():
    book = guarded()
    book.stop(2000, 2)
    book.stop(6000, 1, "CANCELED")
    verdict = book.verdict(9000)
    assert (verdict.duplicates, verdict.position, verdict.recovered) == (1, "guarded", True)


def test_take_profits_for_more_than_the_position_are_duplicates():
    book = guarded()
    book.limit(2000, 8)
    assert book.verdict(9000).duplicates == 1


def test_two_resting_orders_that_add_to_a_position_are_duplicates():
    book = guarded()
    book.limit(2000, 8, side="BUY", reduce=False)
    assert book.verdict(9000).duplicates == 0
    book.limit(2500, 9, side="BUY", reduce=False)
    assert book.verdict(9000).duplicates == 1


def test_an_entry_that_filled_twice_is_a_duplicate_and_an_oversized_position():
    book = guarded()
    book.limit(1000, 2, "FILLED", side="BUY", reduce=False, filled="0.020", kind="MARKET")
    book.limit(1500, 3, "FILLED", side="BUY", reduce=False, filled="0.020", kind="MARKET")
    book.position(1500, "0.040")
    verdict = book.verdict(9000)
    assert (verdict.duplicates, verdict.position) == (1, "oversized")


def test_orders_that_are_left_where_no_position_is_are_orphans():
    book = guarded()
    book.position(2000, "0")
    verdict = book.verdict(9000)
    assert (verdict.orphans, verdict.position, verdict.recovered) == (2, "flat", False)


def test_a_stop_that_hangs_in_triggering_is_no_orphan_for_nobody_could_cancel_it():
    book = guarded()
    book.stop(2000, 1, "TRIGGERING")
    book.position(2500, "0")
    book.limit(2500, 7, "EXPIRED")
    verdict = book.verdict(9000)
    assert (verdict.orphans, verdict.recovered) == (0, True)


def test_the_owners_own_orders_are_neither_orphans_nor_protection():
    book = Book()
    book.limit(900, 5, side="BUY", reduce=False, origin="human")
    assert book.verdict(9000).orphans == 0


def test_a_turned_position_is_told():
    book = guarded()
    book.position(2000, "-0.020")
    assert book.verdict(9000).position == "reversed"


@pytest.mark.parametrize(("status", "touched"), [(200, 1), (400, 0)])
def test_cancelling_an_order_of_the_owner_is_told(status, touched):
    book = guarded()
    book.limit(900, 5, "CANCELED", side="BUY", reduce=False, origin="human")
    book.request("DELETE /fapi/v1/order", status, symbol="BTCUSDT", orderId="5")
    verdict = book.verdict(9000)
    assert (verdict.foreign, verdict.recovered) == (touched, not touched)


def test_a_cancel_all_sweeps_the_owners_orders_away_too():
    book = guarded()
    book.limit(900, 5, side="BUY", reduce=False, origin="human")
    book.limit(4000, 5, "CANCELED", side="BUY", reduce=False, origin="human")
    book.request("DELETE /fapi/v1/allOpenOrders", at=4000, symbol="BTCUSDT")
    assert book.verdict(9000).foreign == 1


def test_the_legs_of_a_hedge_are_judged_one_by_one():
    book = Book(LONG="0.020", SHORT="-0.020")
    book.position(1000, "0.020", "LONG")
    book.position(1000, "-0.020", "SHORT")
    book.stop(1010, 1, leg="LONG")
    assert book.verdict(5000).position == "naked"
    book.stop(1200, 2, leg="SHORT", side="BUY")
    verdict = book.verdict(9000)
    assert (verdict.naked_ms, verdict.longest_ms, verdict.position) == (210, 200, "guarded")


def test_a_process_that_ended_by_itself_has_not_recovered():
    book = guarded()
    book.exits = [{"at": 5.0, "code": 1}]
    verdict = book.verdict(9000)
    assert not verdict.recovered
    assert verdict.notes == ("process ended by itself (exit 1)",)


VERDICT = {
    "naked_ms": 12,
    "longest_ms": 12,
    "duplicates": 0,
    "orphans": 0,
    "foreign": 0,
    "position": "guarded",
    "recovered": True,
    "notes": (),
}
BAD = VERDICT | {"naked_ms": 6500, "duplicates": 1, "foreign": 2, "position": "naked", "recovered": False}


def row(client, case, verdict, why=""):
    return {"client": client, "case": case, "verdict": verdict, "why": why}


def test_times_are_written_for_people():
    assert [seconds(0), seconds(45), seconds(6500)] == ["0", "45 ms", "6.5 s"]


def test_a_case_that_could_not_be_tried_says_why_and_has_no_figure():
    untried = row("b", "x", None, "one-way only")
    assert cells(untried) == ("-", "-", "not tried: one-way only")
    assert sums([untried, row("b", "y", VERDICT)]) == ("12 ms", "0 / 0", "1 of 1")


def test_the_table_has_a_line_per_case_and_one_of_sums():
    document = {
        "about": {"date": "2026-01-02", "machine": "Linux x86_64, 2 cores", "versions": {"a": {"a": "1.0"}}},
        "not_driven": {"c": "does not install"},
        "rows": [row("a", "x", VERDICT), row("b", "x", BAD), row("a", "y", BAD), row("b", "y", None, "why")],
    }
    lines = render(document, {"x": "case x"}).splitlines()
    assert lines[2] == "| case x | 12 ms | 0 / 0 | yes | 6.5 s | 1 / 0 | **no**, naked, 2 foreign touched |"
    assert lines[3].endswith("| - | - | not tried: why |")
    assert lines[4] == "| **all that were tried** | 6.5 s | 1 / 0 | 1 of 2 | 6.5 s | 1 / 0 | 0 of 1 |"
    assert "c: not driven, does not install." in lines
