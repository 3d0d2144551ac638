"""What a run came to, made of its ledger records: trades, fees, funding, equity. Nothing else is asked."""

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from backstay.core.decisions import Wait
from backstay.core.events import AccountReport, OrderReport
from backstay.core.records import Body, Decided
from backstay.core.scored import Signal, SignalScored
from backstay.core.types import ZERO, Direction, ExecutionType, PositionSide, Role, Side, TimeNs
from backstay.core.wanted import DEFECT

FUNDING = "FUNDING_FEE"


class Trade(msgspec.Struct, frozen=True, kw_only=True):
    """One position from flat to flat. Prices and money in quote currency, quantities in base."""

    symbol: str
    direction: Direction
    quantity: Decimal
    """The largest size it had."""
    opened_at: TimeNs
    closed_at: TimeNs
    """0: still open when the data ended."""
    entry: Decimal
    """Average price of what opened it."""
    exit: Decimal
    """Average price of what closed it; 0: nothing did."""
    realized: Decimal
    """Without fees and funding, as the venue reported it."""
    fees: Decimal
    funding: Decimal
    """Received; negative: paid."""
    why_in: str
    why_out: str
    """The role of the order that closed it: SL, TP, EXIT; or what else did."""
    risk: Decimal
    """What was to be lost at the planned stop, without fees; 0: there was no plan."""
    factors: dict[str, Decimal]
    """Contributions to the score of its entry."""

    @property
    def net(self) -> Decimal:
        return self.realized - self.fees + self.funding

    @property
    def multiple(self) -> Decimal | None:
        """The result in units of `risk` (R); None: there was no plan."""
        return self.net / self.risk if self.risk else None


class _Open(msgspec.Struct):
    """A position under way."""

    direction: Direction
    opened_at: TimeNs
    why: str
    signal: Signal | None
    factors: dict[str, Decimal]
    size: Decimal = ZERO
    largest: Decimal = ZERO
    bought: Decimal = ZERO
    """Quantity that opened it, and its value."""
    paid: Decimal = ZERO
    sold: Decimal = ZERO
    got: Decimal = ZERO
    realized: Decimal = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO

    def ended(self, symbol: str, at: TimeNs, why: str) -> Trade:
        entry = self.paid / self.bought
        plan = self.signal
        return Trade(
            symbol=symbol,
            direction=self.direction,
            quantity=self.largest,
            opened_at=self.opened_at,
            closed_at=at,
            entry=entry,
            exit=self.got / self.sold if self.sold else ZERO,
            realized=self.realized,
            fees=self.fees,
            funding=self.funding,
            why_in=self.why,
            why_out=why,
            risk=plan.stop_distance * entry * self.largest if plan is not None else ZERO,
            factors=self.factors,
        )


class Meaning(msgspec.Struct, frozen=True):
    """What an order of ours was for."""

    role: Role
    signal: Signal | None
    """The plan that its scope follows."""


type Leg = tuple[str, PositionSide]
"""A symbol, and in hedge mode one of its two positions."""
NOT_OURS: Mapping[str, Meaning] = {}


class Books:
    """Told every record, in order; `meaning` says what a custom id is for.

    An order that is larger than the position that it closes ends one trade and begins the next.
    """

    def __init__(self) -> None:
        self.trades: list[Trade] = []
        self.wallet: list[tuple[TimeNs, Decimal]] = []
        """(at, wallet balance) of the margin asset after every booking."""
        self.sizes: dict[Leg, list[tuple[TimeNs, Decimal, Decimal]]] = {}
        """(at, signed quantity, entry price) after every change."""
        self.fees = ZERO
        self.funding = ZERO
        self.defects: dict[str, str] = {}
        """By symbol: how its strategy failed first. What follows then says nothing of the strategy."""
        self._open: dict[Leg, _Open] = {}
        self._scores: dict[tuple[str, TimeNs], dict[str, Decimal]] = {}

    def take(self, at: TimeNs, body: Body, meaning: Mapping[str, Meaning]) -> None:
        if isinstance(body, OrderReport):
            if body.execution is ExecutionType.TRADE and body.last_qty:
                self._filled(body, meaning.get(body.client_id))
        elif isinstance(body, AccountReport):
            self._booked(body)
        elif isinstance(body, Decided):
            if isinstance(body.decision, Wait) and body.decision.reason.startswith(DEFECT):
                self.defects.setdefault(body.scope.symbol, body.decision.reason.removeprefix(DEFECT))
        elif isinstance(body, SignalScored):
            self._scores[body.symbol, body.signal.at] = {f.name: f.contribution for f in body.factors}

    def close(self) -> list[Trade]:
        """Trades that the end of the data left open."""
        return [held.ended(symbol, 0, "open") for (symbol, _), held in sorted(self._open.items())]

    def _booked(self, report: AccountReport) -> None:
        for row in report.balances:
            self.wallet.append((report.at, row.wallet))
            if report.reason == FUNDING:
                self.funding += row.change
                # The frame does not name the symbol; it is charged at one moment for each.
                for held in self._open.values():
                    held.funding += row.change / len(self._open)
        for position in report.positions:
            self.sizes.setdefault((position.symbol, position.position_side), []).append(
                (report.at, position.quantity, position.entry_price)
            )

    def _filled(self, fill: OrderReport, meaning: Meaning | None) -> None:
        direction = Direction.LONG if fill.side is Side.BUY else Direction.SHORT
        self.fees += fill.commission
        leg = fill.symbol, fill.position_side
        held = self._open.get(leg)
        left, fee = fill.last_qty, fill.commission
        if held is not None and held.direction is not direction:
            part = min(left, held.size)
            share = fee * part / left
            held.size -= part
            held.sold += part
            held.got += part * fill.last_price
            held.realized += fill.realized_pnl
            held.fees += share
            left, fee = left - part, fee - share
            if not held.size:
                why = str(meaning.role) if meaning is not None else "by hand"
                self.trades.append(held.ended(fill.symbol, fill.at, why))
                del self._open[leg]
            held = None
        if not left:
            return
        if held is None:
            held = self._open[leg] = self._opened(fill, direction, meaning)
        held.size += left
        held.largest = max(held.largest, held.size)
        held.bought += left
        held.paid += left * fill.last_price
        held.fees += fee

    def _opened(self, fill: OrderReport, direction: Direction, meaning: Meaning | None) -> _Open:
        plan = meaning.signal if meaning is not None else None
        return _Open(
            direction=direction,
            opened_at=fill.at,
            why=plan.reason if plan is not None else "by hand",
            signal=plan,
            factors=self._scores.get((fill.symbol, plan.at), {}) if plan is not None else {},
        )
