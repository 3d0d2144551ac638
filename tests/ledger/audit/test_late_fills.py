"""Fills that are told late: each finds its trade, however many positions have come and gone since."""

from decimal import Decimal

import pytest

from backstay.core.account import fold
from backstay.core.events import FillRow, FillsSnapshot, OrderStatus
from backstay.core.records import Record
from backstay.core.scored import SignalKind
from backstay.core.types import PositionSide, Role, Side
from backstay.ledger.audit.book import Book
from backstay.ledger.audit.trade import CLOSED, OPEN
from backstay.testing import evidence
from backstay.testing.builders import OPENED_AT, slot
from backstay.testing.evidence import SYMBOL, ms
from backstay.testing.market import scored, signal

D = Decimal
FEE = D("0.3")


class Told:
    """A book that is fed events at their times, in milliseconds."""

    def __init__(self):
        self.book, self.account, self.seq = Book(), evidence.hydrated(), 0
        self.book.feed(Record(1, OPENED_AT, 0, evidence.run()), self.account, self.account)

    def tell(self, event, at):
        before, self.account = self.account, fold(self.account, event, ms(at))
        self.seq += 1
        self.book.feed(Record(self.seq, ms(at), 0, event), before, self.account)

    def filled(self, number, side, at, name=""):
        """An order and its fill as a report tells them, with what it makes of the position."""
        fill = {"last_qty": "0.010", "last_price": 60000, "avg_price": 60000, "trade_id": number}
        paid = {"commission": FEE, "commission_asset": "USDT"}
        row = evidence.order(
            OrderStatus.FILLED,
            order_id=number,
            client_id=name or f"web_{number}",
            side=side,
            at=at,
            **fill,
            **paid,
        )
        self.tell(row, at)
        self.position("0.010" if side is Side.BUY else 0, at)

    def position(self, quantity, at):
        self.tell(evidence.position(quantity, at=at), at)

    def read(self, at, *fills):
        """`fills`: (number, side, when it traded)."""
        rows = tuple(
            FillRow(
                symbol=SYMBOL,
                position_side=PositionSide.BOTH,
                order_id=number,
                trade_id=number,
                side=side,
                price=D(60000),
                quantity=D("0.010"),
                at=ms(then),
                commission=FEE,
                commission_asset="USDT",
            )
            for number, side, then in fills
        )
        self.tell(FillsSnapshot(symbol=SYMBOL, rows=rows, requested_at=ms(at), received_at=ms(at)), at)

    def life(self, number, at):
        """A position that is opened at `at` and closed a second later, told whole."""
        self.filled(number, Side.BUY, at)
        self.filled(number + 1, Side.SELL, at + 1_000)

    def entry_asked_for(self):
        """The request of an entry on a score, both at the beginning."""
        self.tell(scored(signal(at=100)), 100)
        wanted = slot(Role.ENTRY, side=Side.BUY, quantity="0.010", price="60000")
        asked = evidence.request(evidence.context(wanted, "e1"))
        self.tell(evidence.registered(asked), 200)
        return asked

    @property
    def trades(self):
        return sorted([*self.book.sealed, *self.book.unsealed(self.account)], key=lambda t: t.opened_seq)


@pytest.mark.parametrize("lives", [0, 1, 2, 5])
def test_a_fill_that_a_gap_hid_finds_its_trade_after_any_number_of_later_ones(lives):
    told = Told()
    told.filled(10, Side.BUY, 1_000)
    told.position(0, 2_000)
    told.position(0, 9_000)
    for n in range(lives):
        told.life(20 + 2 * n, 20_000 + 10_000 * n)
    first = told.trades[0]
    assert (first.status, first.fee, bool(first.guess_note)) == (CLOSED, FEE, True)
    told.read(99_000, (11, Side.SELL, 2_000))
    first = told.trades[0]
    assert (first.fee, first.guess_note, first.reason_out) == (2 * FEE, "", "by hand")
    assert [t.fee for t in told.trades] == [2 * FEE] * (lives + 1)


def test_of_a_trade_that_is_whole_nothing_waits():
    told = Told()
    for n in range(4):
        told.life(20 + 2 * n, 20_000 + 10_000 * n)
    assert len(told.book.sealed) == 3
    assert len(told.book.unsealed(told.account)) == 1


def test_a_fill_that_is_read_before_its_order_is_named_by_it_afterwards():
    told = Told()
    asked = told.entry_asked_for()
    scored_seq = told.seq - 1
    told.tell(evidence.sent(asked, at=200), 200)
    told.read(2_000, (10, Side.BUY, 1_000))
    assert (told.trades[0].reason_in, told.trades[0].signal_seq) == ("by hand", 0)
    told.tell(scored(signal(SignalKind.SHORT, at=2_500)), 2_500)
    row = evidence.order(OrderStatus.FILLED, order_id=10, client_id="e1", side=Side.BUY, at=1_000)
    told.tell(evidence.found(row, at=3_000), 3_000)
    told.position("0.010", 3_000)
    (trade,) = told.trades
    assert (trade.reason_in, trade.signal_seq) == ("signal: LONG for a test", scored_seq)


def test_an_entry_whose_fill_is_told_after_its_end_was_read_keeps_the_number_of_its_position():
    told = Told()
    asked = told.entry_asked_for()
    told.tell(evidence.sent(asked, at=200), 200)
    told.position("0.010", 1_000)
    told.position(0, 2_000)
    row = evidence.order(OrderStatus.FILLED, order_id=10, client_id="e1", side=Side.BUY, at=1_000)
    told.tell(evidence.found(row, at=3_000), 3_000)
    assert [t.id for t in told.trades] == ["BTCUSDT-BOTH-1"]


def test_an_entry_whose_position_came_and_went_unseen_has_the_number_that_the_recovery_will_count():
    told = Told()
    asked = told.entry_asked_for()
    told.tell(evidence.sent(asked, at=200), 200)
    told.tell(evidence.positions_read(evidence.position_row(0, updated=2_000), at=3_000), 3_000)
    entry = evidence.order(OrderStatus.FILLED, order_id=10, client_id="e1", side=Side.BUY, at=1_000)
    told.tell(evidence.found(entry, at=4_000), 4_000)
    told.read(5_000, (11, Side.SELL, 2_000))
    assert [(t.id, t.status) for t in told.trades] == [("BTCUSDT-BOTH-1", CLOSED)]


def test_an_entry_keeps_its_number_when_it_ended_in_a_gap_and_another_was_opened_by_hand_meanwhile():
    told = Told()
    asked = told.entry_asked_for()
    told.tell(evidence.sent(asked, at=200), 200)
    told.filled(10, Side.BUY, 1_000, "e1")
    told.position("0.004", 5_000)
    told.read(9_000, (11, Side.SELL, 2_000))
    told.tell(evidence.wallet(9_999, at=9_500), 9_500)
    assert [(t.id, t.status) for t in told.trades] == [("BTCUSDT-BOTH-1", CLOSED), ("BTCUSDT-BOTH-U1", OPEN)]
    told.position(0, 10_000)
    told.tell(evidence.wallet(9_999, at=15_000), 15_000)
    told.life(20, 20_000)
    assert [t.id for t in told.trades] == ["BTCUSDT-BOTH-1", "BTCUSDT-BOTH-U1", "BTCUSDT-BOTH-2"]


def test_a_position_that_was_over_before_the_one_that_was_read_takes_no_number_of_a_later_one():
    told = Told()
    told.position("-0.010", 3_000)
    told.read(4_000, (10, Side.BUY, 1_000), (11, Side.SELL, 2_000), (12, Side.SELL, 3_000))
    told.position(0, 5_000)
    told.read(6_000, (13, Side.BUY, 5_000))
    told.life(20, 20_000)
    names = [(t.id, t.side) for t in told.trades]
    number = "BTCUSDT-BOTH-"
    assert names == [(f"{number}U1", "LONG"), (f"{number}1", "SHORT"), (f"{number}2", "LONG")]


def test_a_position_that_only_its_quantity_tells_of_learns_its_score_with_its_fill():
    told = Told()
    told.entry_asked_for()
    told.position("0.010", 1_000)
    told.tell(evidence.wallet(9_999, at=9_000), 9_000)
    assert told.trades[0].reason_in == "found open"
    told.filled(10, Side.BUY, 1_000, "e1")
    (trade,) = told.trades
    assert (trade.reason_in, trade.score, trade.guess_note) == ("signal: LONG for a test", D("0.5"), "")
