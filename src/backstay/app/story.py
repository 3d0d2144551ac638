"""The story of a trade in plain words: from its score to what it brought, from the ledger alone."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec

from backstay.app.words import number, words
from backstay.core.account import fold
from backstay.core.decisions import Act
from backstay.core.events import (
    AccountReport,
    AlgoReport,
    AnswerClass,
    AnswerReceived,
    OperatorCommand,
    OrderReport,
    RequestDropped,
    RequestSent,
    RequestsRegistered,
)
from backstay.core.records import Body, Decided, Noted, Record
from backstay.core.scored import SignalScored
from backstay.core.state import AccountState
from backstay.core.types import (
    AlgoStatus,
    ExecutionType,
    Family,
    OrderStatus,
    PositionSide,
    Product,
    Role,
    Scope,
    TimeNs,
)
from backstay.ledger.audit.book import Book
from backstay.ledger.audit.lines import iso, text
from backstay.ledger.audit.trade import CLOSED, Trade
from backstay.ledger.disk import Disk
from backstay.ledger.reader import chunks

LED_UP = 40
"""Records before the first fill among which the entry's own are looked for, where no score is named."""


class Line(msgspec.Struct, frozen=True):
    """One step of the story."""

    seq: int
    at: str
    text: str


class Story(msgspec.Struct, frozen=True):
    trade: dict[str, Any]
    lines: tuple[Line, ...]
    result: str


def story_of(disk: Disk, path: str, seq: int) -> Story | None:
    """The story of the trade that record `seq` belongs to; None: it belongs to none.

    Reads the whole ledger. Raises DamagedLedgerError.
    """
    book, account = Book(), AccountState()
    told: list[tuple[Record, Scope]] = []
    ended: list[Trade] = []
    asked: Record | None = None
    place: Scope | None = None
    for chunk in chunks(disk, path):
        for record in chunk:
            before, body = account, record.body
            if not isinstance(body, (Decided, Noted)):
                account = fold(before, body, record.at)
            book.feed(record, before, account)
            asked = record if record.seq == seq else asked
            for scope in scopes_of(body, account):
                told.append((record, scope))
                if record.seq == seq:
                    place = scope
            ended.extend(book.sealed)
            book.sealed = []
    if asked is None:
        return None
    trades = [*ended, *book.unsealed(account)]
    lead = 0 if isinstance(asked.body, SignalScored) else LED_UP
    about = [t for t in trades if _named(t, seq, place) or place == _scope(t)]
    trade = max(about, key=lambda t: _order(t, asked, lead), default=None)
    if trade is None or not _order(trade, asked, lead)[0]:
        return None
    return _told(trade, trades, told)


def _scope(trade: Trade) -> Scope:
    return Scope(Product(trade.product), trade.symbol, PositionSide(trade.position_side))


def _named(trade: Trade, seq: int, place: Scope | None) -> bool:
    """The record is one that the trade itself names."""
    named = seq in (trade.signal_seq, trade.opened_seq, trade.closed_seq)
    return named and (place is None or place.symbol == trade.symbol)


def _order(trade: Trade, record: Record, lead: int) -> tuple[int, int, TimeNs]:
    """A record belongs to the trade for which this is highest: one that names it, one that was open, one
    that it may have led up to, one that it came after. A gap hides an end: where two were open by what the
    ledger knew, the later had begun by the venue's time. First of the tuple 0: it is none of this trade's.
    """
    seq = record.seq
    begin, end = trade.signal_seq or trade.opened_seq - lead, trade.closed_seq
    over = trade.status == CLOSED and seq > end
    rank = 0
    if _named(trade, seq, None):
        rank = 4
    elif _of_another(record.body, trade):
        rank = 0
    elif _early(trade, record):
        rank = 2 if begin <= seq else 0
    elif not over:
        rank = 3
    elif seq <= end + lead:
        rank = 1
    return rank, trade.opened_seq, trade.opened_at


def _early(trade: Trade, record: Record) -> bool:
    return record.seq < trade.opened_seq and record.at < trade.opened_at


def scopes_of(body: Body, account: AccountState) -> Iterator[Scope]:
    """The scopes that a record speaks of, as far as a story tells of them."""
    match body:
        case Decided() | AnswerReceived():
            yield body.scope
        case Noted() | OperatorCommand():
            if body.scope is not None:
                yield body.scope
        case OrderReport() | AlgoReport():
            yield Scope(body.product, body.symbol, body.position_side)
        case SignalScored():
            yield from (k for k in account.scopes if (k.symbol, k.product) == (body.symbol, body.product))
        case RequestSent() | RequestDropped():
            yield body.scope
        case AccountReport():
            yield from (Scope(body.product, row.symbol, row.position_side) for row in body.positions)
        case RequestsRegistered():
            yield from {r.scope for r in body.requests}


def _told(trade: Trade, trades: list[Trade], told: list[tuple[Record, Scope]]) -> Story:
    scope = _scope(trade)
    end = trade.closed_seq if trade.status == CLOSED else 0
    # Lots are held side by side: each tells all that was done for their symbol.
    alone = scope.product is Product.USDM
    others = [t for t in trades if alone and t is not trade and _scope(t) == scope]
    lines: list[Line] = []
    for record, where in told:
        if where != scope or not (mine := _order(trade, record, LED_UP))[0]:
            continue
        if any(_order(other, record, LED_UP) > mine for other in others):
            continue
        body = record.body
        if _early(trade, record) and not isinstance(body, (Decided, Noted, SignalScored)):
            continue  # as far as can be told, it is of the trade before
        late = bool(end) and record.seq > end
        said = _sentences(body, trade, late=late, score=record.seq == trade.signal_seq)
        lines.extend(Line(record.seq, iso(record.at), sentence) for sentence in said)
    return Story(_row(trade), tuple(lines), result(trade))


def _of_another(body: Body, trade: Trade) -> bool:
    """A decision names the position that it is about; a trade may have no number of its own."""
    number = trade.id.rsplit("-", 1)[1]
    if not isinstance(body, Decided) or not isinstance(body.decision, Act) or not number.isdigit():
        return False
    intents = body.decision.intents
    return all(
        int(number) != i.premise.epoch + (i.key.role is Role.ENTRY and not i.premise.position)
        for i in intents
    )


def _sentences(body: Body, trade: Trade, *, late: bool, score: bool) -> Iterator[str]:
    match body:
        case SignalScored() if score:
            yield from score_lines(body)
        case Decided() if isinstance(body.decision, Act) and not late:
            if body.decision.family is not Family.CLEANUP:
                yield words(body)
        case Noted() if body.what in {"protected", "unprotected"} and not late:
            yield words(body)
        case Noted() if body.what in {"position_opened", "position_closed"}:
            if body.detail.get("position") == trade.id:
                yield words(body)
        case AnswerReceived() if body.answer not in {AnswerClass.ACCEPTED, AnswerClass.NOOP} and not late:
            yield words(body)
        case OrderReport() if not late:
            ended = body.status in {OrderStatus.EXPIRED, OrderStatus.REJECTED}
            if body.execution is ExecutionType.TRADE or ended:
                yield words(body)
        case AlgoReport() if body.status in {AlgoStatus.TRIGGERED, AlgoStatus.REJECTED} and not late:
            yield words(body)
        case OperatorCommand() if not late:
            yield words(body)


def score_lines(body: SignalScored) -> Iterator[str]:
    """The score, factor by factor."""
    signal = body.signal
    yield (
        f"{body.symbol} scored {number(signal.score)} against a gate of {number(body.gate)} at the close of "
        f"{iso(signal.at)}: {signal.kind.value}, {signal.reason}"
    )
    for factor in body.factors:
        yield (
            f"  {factor.name:12} score {_short(factor.score):>7} x confidence {_short(factor.confidence):>6} "
            f"x weight {_short(factor.weight):>6} = {_short(factor.contribution):>7}  {factor.sentence}"
        )
    for veto in body.vetoes:
        yield f"  forbidden by {veto}"
    if signal.kind.direction is not None:
        targets = ", ".join(
            f"{number(t.distance * 100)} % for {number(t.share * 100)} %" for t in signal.targets
        )
        yield (
            f"  the plan: stop {number(signal.stop_distance * 100)} % away, targets {targets}, valid until "
            f"{iso(signal.valid_until)}"
        )


def _short(value: Decimal) -> str:
    return f"{value:+.4f}"


def result(trade: Trade) -> str:
    """What the trade brought, in one or two sentences."""
    entry, asset = text(trade.entry_price), trade.asset
    size = f"{trade.side} {text(trade.entry_quantity)} {trade.symbol} at {entry} ({trade.reason_in})"
    if trade.status != CLOSED:
        left = f"; {text(trade.exit_quantity)} of it is closed" if trade.exit_quantity else ""
        return f"{size}, still open{left}. So far {text(trade.net)} {asset} after fees of {text(trade.fee)}."
    held = Decimal((trade.closed_at - trade.opened_at) // 1_000_000) / 1000
    parts = [
        f"{size}, closed at {text(trade.exit_price)} after {text(held)} s ({trade.reason_out}).",
        f"Gross {text(trade.gross)} {asset}, fees {text(trade.fee)}, funding {text(trade.funding)}: "
        f"net {text(trade.net)} {asset}",
    ]
    multiple = trade.r_multiple
    parts[1] += f", {multiple:+.2f} R (risked {text(trade.risk)})." if multiple is not None else "."
    if trade.other_fees:
        paid = ", ".join(f"{text(fee)} {coin}" for coin, fee in trade.other_fees.items())
        parts.append(f"Fees of {paid} are not in it.")
    if trade.fees_missing:
        parts.append(f"The fees of {text(trade.fees_missing)} were never told.")
    if trade.guess_note:
        parts.append(f"Note: {trade.guess_note}.")
    return " ".join(parts)


def _row(trade: Trade) -> dict[str, Any]:
    return {
        "id": trade.id,
        "side": trade.side,
        "status": trade.status,
        "entry_price": text(trade.entry_price),
        "exit_price": text(trade.exit_price),
        "quantity": text(trade.entry_quantity),
        "fees": text(trade.fee),
        "funding": text(trade.funding),
        "gross_pnl": text(trade.gross),
        "net_pnl": text(trade.net),
        "r_multiple": text(trade.r_multiple),
        "reason_in": trade.reason_in,
        "reason_out": trade.reason_out,
        "score": text(trade.score),
        "signal_seq": trade.signal_seq,
        "opened_seq": trade.opened_seq,
        "closed_seq": trade.closed_seq,
    }
