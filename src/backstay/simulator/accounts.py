"""Wallets and positions, and what a fill does to them. Figures only; no venue rules."""

from decimal import Decimal
from typing import Any

import msgspec

from backstay.simulator.numbers import CENT10, MS, ZERO, cents
from backstay.simulator.versions import Versioned


class Position(Versioned):
    """One position row: BOTH (one-way), LONG or SHORT (hedge). `amount` is signed, short below zero."""

    __slots__ = ("amount", "entry", "iso_wallet", "open_fees", "realised", "side", "symbol", "update_time")

    def __init__(self, symbol: str, side: str) -> None:
        super().__init__()
        self.symbol = symbol
        self.side = side
        self.amount = ZERO
        self.entry = ZERO
        self.iso_wallet = ZERO
        self.open_fees = ZERO
        self.realised = ZERO
        self.update_time = 0

    @property
    def break_even(self) -> Decimal:
        """Entry moved by the fees paid for opening: entry * (1 + rate) long, (1 - rate) short."""
        return self.entry + self.open_fees / self.amount if self.amount else ZERO

    def unrealised(self, mark: Decimal) -> Decimal:
        return cents(self.amount * (mark - self.entry))

    def close(self, qty: Decimal, price: Decimal) -> tuple[Decimal, Decimal]:
        """Make it smaller by `qty` at `price`; returns (realised profit, isolated margin released)."""
        size = abs(self.amount)
        sign = 1 if self.amount > 0 else -1
        realised = cents(qty * (price - self.entry) * sign)
        share = qty / size
        released = self.iso_wallet if qty == size else cents(self.iso_wallet * share)
        self.iso_wallet -= released
        self.open_fees = ZERO if qty == size else self.open_fees * (1 - share)
        self.amount -= sign * qty
        if not self.amount:
            self.entry = ZERO
        self.realised += realised
        return realised, released

    def open(self, qty: Decimal, price: Decimal, sign: int, margin: Decimal) -> None:
        """Make it larger; the entry becomes the weighted average."""
        size = abs(self.amount)
        self.entry = ((self.entry * size + price * qty) / (size + qty)).quantize(CENT10)
        self.amount += sign * qty
        self.iso_wallet += margin


class SymbolSetup(msgspec.Struct):
    """An account's own settings of one symbol."""

    leverage: int
    isolated: bool = False


class OwnTrade(msgspec.Struct, frozen=True):
    """One fill of an account, as userTrades lists it."""

    id: int
    at: int
    order_id: int
    client_id: str
    symbol: str
    side: str
    position_side: str
    price: Decimal
    qty: Decimal
    fee: Decimal
    fee_asset: str
    realised: Decimal
    maker: bool


class Income(msgspec.Struct, frozen=True):
    """One booking on the wallet, as income lists it."""

    at: int
    kind: str
    asset: str
    amount: Decimal
    symbol: str
    info: str
    tran_id: int
    trade_id: str


class Account:
    """Everything the venue knows of one account."""

    def __init__(self, name: str, *, hedge: bool, multi_assets: bool, leverage: int, opened_at: int) -> None:
        self.name = name
        self.hedge = hedge
        self.multi_assets = multi_assets
        self.default_leverage = leverage
        self.wallets: dict[str, Decimal] = {}
        self.positions: dict[tuple[str, str], Position] = {}
        self.setups: dict[str, SymbolSetup] = {}
        self.trades: list[OwnTrade] = []
        self.income: list[Income] = []
        self.amendments: list[dict[str, Any]] = []
        self.margin_moves: list[dict[str, Any]] = []
        self.forced: list[int] = []
        self.countdowns: dict[str, int] = {}
        self.fee_burn = True
        self.opened_at = opened_at
        self.update_time = 0
        self.last_event_ms = 0
        self.wallet_past: list[tuple[int, dict[str, Decimal]]] = []
        self.margin_called = False
        self.safe: dict[str, tuple[Decimal, Decimal]] = {}
        """symbol -> mark band within which no liquidation is possible; empty after any change."""

    def setup(self, symbol: str) -> SymbolSetup:
        row = self.setups.get(symbol)
        if row is None:
            row = self.setups[symbol] = SymbolSetup(self.default_leverage)
        return row

    def position(self, symbol: str, side: str) -> Position:
        row = self.positions.get((symbol, side))
        if row is None:
            row = self.positions[symbol, side] = Position(symbol, side)
        return row

    def held(self) -> list[Position]:
        """Positions that are not flat."""
        return [p for p in self.positions.values() if p.amount]

    def held_in(self, symbol: str) -> list[Position]:
        sides = ("LONG", "SHORT") if self.hedge else ("BOTH",)
        rows = (self.positions.get((symbol, side)) for side in sides)
        return [p for p in rows if p is not None and p.amount]

    def wallet(self, asset: str) -> Decimal:
        return self.wallets.get(asset, ZERO)

    def book(self, asset: str, amount: Decimal, at: int) -> None:
        """Change a wallet balance and remember the state for lagging queries."""
        self.wallets[asset] = self.wallet(asset) + amount
        self.update_time = max(self.update_time, at // MS)
        self.safe.clear()
        if self.wallet_past and self.wallet_past[-1][0] == at:
            self.wallet_past[-1] = (at, dict(self.wallets))
        else:
            self.wallet_past.append((at, dict(self.wallets)))
            del self.wallet_past[:-64]

    def wallets_seen(self, at: int) -> dict[str, Decimal]:
        for when, wallets in reversed(self.wallet_past):
            if when <= at:
                return wallets
        return self.wallet_past[0][1] if self.wallet_past else self.wallets
