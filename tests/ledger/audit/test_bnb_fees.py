"""Fees that were taken in BNB: counted at a recorded price, or said not to be counted."""

import csv
import io
from decimal import Decimal

import pytest
from msgspec.structs import replace

from backstay.app.ledger_paths import LEDGER
from backstay.core.account import fold
from backstay.core.events import OrderReport, PriceReached
from backstay.core.records import Decided, Noted, Record
from backstay.core.state import AccountState
from backstay.core.types import SECOND
from backstay.ledger.audit.book import Book
from backstay.ledger.audit.lines import TRADES, trade_line
from backstay.ledger.reader import chunks

from tests.system.test_healthy import LADDER, a_life
from tests.system.world import play

D = Decimal
RATE = D("600")
"""What a BNB is to cost."""


@pytest.fixture(scope="module")
def records():
    disk = play(a_life, policy=LADDER).disk
    return [record for chunk in chunks(disk, LEDGER) for record in chunk]


def told(records, *, age_s=None, burns=True):
    """The rows of a life whose fees were taken in BNB; its price was recorded `age_s` before the first."""
    book, account = Book(), AccountState()
    fees = [r for r in records if isinstance(r.body, OrderReport) and r.body.commission]
    for record in records:
        body = record.body
        if record is fees[0] and age_s is not None:
            price = PriceReached(symbol="BNBUSDT", price=RATE, at=body.at - age_s * SECOND)
            book.feed(Record(record.seq, record.at, 0, price), account, account)
        if isinstance(body, OrderReport) and body.commission and burns:
            body = replace(body, commission=body.commission / RATE, commission_asset="BNB")
        before = account
        if not isinstance(body, (Decided, Noted)):
            account = fold(before, body, record.at)
        book.feed(Record(record.seq, record.at, record.cause, body), before, account)
    trades = [*book.sealed, *book.unsealed(account)]
    return list(csv.DictReader(io.StringIO("".join(map(trade_line, trades))), fieldnames=TRADES))


def test_a_fee_in_bnb_is_counted_at_the_recorded_price(records):
    (plain,) = told(records, burns=False)
    (row,) = told(records, age_s=60)
    assert float(row["fees"]) == pytest.approx(float(plain["fees"]))
    assert float(row["net_pnl"]) == pytest.approx(float(plain["net_pnl"]))
    assert row["fees_other"].endswith(" BNB")
    assert row["note"] == f"{row['fees_other']} counted at recorded prices"


@pytest.mark.parametrize("age_s", [None, 24 * 3600])
def test_a_fee_whose_price_was_not_recorded_in_time_is_said_not_to_be_counted(records, age_s):
    (row,) = told(records, age_s=age_s)
    assert row["fees"] == "0"
    assert row["net_pnl"] == row["gross_pnl"]
    assert row["note"] == (
        f"{row['fees_other']} is not in fees and net_pnl: no price of it was recorded within an hour"
    )


def test_a_fee_in_the_margin_asset_needs_no_price_and_no_note(records):
    (row,) = told(records, burns=False)
    assert (row["fees_other"], row["note"]) == ("", "")
    assert D(row["net_pnl"]) == D(row["gross_pnl"]) - D(row["fees"])
