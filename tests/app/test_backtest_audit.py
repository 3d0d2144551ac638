"""What a backtest reports of its trades is what the audit makes of its ledger: two books, one truth."""

from decimal import Decimal

import pytest

from backstay.app.backtest_setup import Setup
from backstay.app.backtesting import backtest
from backstay.backtest.trades import Trade
from backstay.core.account import fold
from backstay.core.engine import Engine, Manager
from backstay.core.escalation import Escalation, Then
from backstay.core.records import Decided, Noted
from backstay.core.state import AccountState
from backstay.core.types import SECOND
from backstay.ledger.audit import trade as audit
from backstay.ledger.audit.book import Book
from backstay.ledger.codec import GENESIS
from backstay.ledger.journal import Journal
from backstay.ledger.memory_disk import MemoryDisk
from backstay.ledger.reader import records
from backstay.ledger.writers import InlineWriter
from backstay.signals.policy import BracketRule, ScorePolicy
from backstay.simulator.feeds.marks import Funding
from backstay.strategies.scored.policy import CoolDown, ExitPolicy, ScoredPolicy
from backstay.strategies.scored.wanted import ScoredTrader

from tests.app.test_backtest import LEDGER, SHORT, scored
from tests.backtest.markets import MINUTE, T0, moody

D = Decimal
FAR = BracketRule(stop=D(8), targets=(D(10),))
SATOSHI = D("0.00000001")
"""Shares of funding are rounded to this in the audit."""


def audited(disk: MemoryDisk) -> list[audit.Trade]:
    """Every trade of the ledger, in the order in which they were opened."""
    book, account = Book(), AccountState()
    for record in records(disk, LEDGER):
        if not isinstance(record.body, (Decided, Noted)):
            before, account = account, fold(account, record.body, record.at)
            book.feed(record, before, account)
    return sorted([*book.sealed, *book.unsealed(account)], key=lambda t: (t.opened_at, t.symbol))


@pytest.mark.parametrize("seed", [3, 8])
def test_the_report_and_the_audit_of_its_ledger_tell_the_same_trades(seed: int) -> None:
    bars = (moody(900, seed), moody(900, seed + 50, "ETHUSDT", price=400_000))
    funding = {"BTCUSDT": Funding([(T0 + 8 * 3600 * SECOND * i, D("0.0003")) for i in range(1, 3)])}
    disk = MemoryDisk()
    journal = Journal(disk, LEDGER, start=GENESIS, writer=InlineWriter())
    outcome = backtest(Setup(engine=scored("BTCUSDT", "ETHUSDT"), bars=bars, funding=funding), journal)
    journal.close()
    told = sorted(outcome.trades, key=lambda t: (t.opened_at, t.symbol))
    kept = audited(disk)
    assert len(told) == len(kept) > 5
    for one, other in zip(told, kept, strict=True):
        assert plain(one) == facts(other)
        assert abs(one.funding - other.funding) <= SATOSHI
        assert abs(one.net - other.net) <= SATOSHI


@pytest.mark.parametrize(
    "rule",
    [None, Escalation(timeout=5 * SECOND, give_up=20 * SECOND, then=Then.MARKET, max_slippage=None)],
    ids=["at market", "a limit order first"],
)
def test_the_audit_says_why_a_scored_position_was_left(rule: Escalation | None) -> None:
    policy = ScoredPolicy(
        symbols=("BTCUSDT",),
        score=ScorePolicy(interval=MINUTE, higher=5 * MINUTE, periods=SHORT, gate=D("0.1"), bracket=FAR),
        exit=ExitPolicy(on_opposite=True, after=20 * MINUTE, escalation=rule),
        cool_down=CoolDown(after_close=MINUTE, after_loss=MINUTE),
    )
    engine = Engine((Manager(ScoredTrader(), policy, frozenset(policy.symbols)),))
    disk = MemoryDisk()
    journal = Journal(disk, LEDGER, start=GENESIS, writer=InlineWriter())
    backtest(Setup(engine=engine, bars=(moody(1800, 8),)), journal)
    journal.close()
    reasons = {t.reason_out for t in audited(disk) if t.status == audit.CLOSED}
    assert (
        {"opposite signal", "time stop"} <= reasons <= {"opposite signal", "time stop", "stop", "take-profit"}
    )


def plain(t: Trade) -> tuple[object, ...]:
    return (
        t.symbol,
        t.direction.value,
        t.quantity,
        t.opened_at,
        t.closed_at,
        t.entry,
        t.exit,
        t.fees,
        t.realized,
    )


def facts(t: audit.Trade) -> tuple[object, ...]:
    entry, leaving = t.entry_price, t.exit_price or D(0)
    return t.symbol, t.side, t.peak, t.opened_at, t.closed_at, entry, leaving, t.fee, t.gross
