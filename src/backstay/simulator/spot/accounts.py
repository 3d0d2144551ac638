"""A Spot account: free and locked balances, own trades, prevented matches, commission rates."""

from decimal import Decimal

import msgspec

from backstay.simulator.numbers import ZERO
from backstay.simulator.versions import Versioned


class Balance(Versioned):
    """What an account holds of one asset."""

    __slots__ = ("free", "locked", "update")

    def __init__(self) -> None:
        super().__init__()
        self.free = ZERO
        self.locked = ZERO
        self.update = 0


class SpotTrade(msgspec.Struct, frozen=True):
    """One own trade; `at` in venue ns."""

    id: int
    at: int
    order_id: int
    list_id: int
    client_id: str
    symbol: str
    buys: bool
    price: Decimal
    qty: Decimal
    fee: Decimal
    fee_asset: str
    maker: bool


class Prevented(msgspec.Struct, frozen=True):
    """A match that self-trade prevention stopped."""

    id: int
    at: int
    symbol: str
    taker_id: int
    maker_id: int
    stp: str
    price: Decimal
    taker_qty: Decimal
    maker_qty: Decimal


class Amendment(msgspec.Struct, frozen=True):
    """One successful amendment; client ids before and after, quantities likewise."""

    at: int
    order_id: int
    execution_id: int
    symbol: str
    old_client: str
    new_client: str
    old_qty: Decimal
    new_qty: Decimal


class SpotAccount:
    """Plain state. `burns_bnb`: commissions are paid in BNB while there is enough of it."""

    def __init__(self, name: str, number: int, *, burns_bnb: bool, maker: Decimal, taker: Decimal) -> None:
        self.name = name
        self.uid = number
        self.burns_bnb = burns_bnb
        self.maker, self.taker = maker, taker
        self.symbol_rates: dict[str, tuple[Decimal, Decimal]] = {}
        self.balances: dict[str, Balance] = {}
        self.trades: list[SpotTrade] = []
        self.prevented: list[Prevented] = []
        self.amendments: list[Amendment] = []
        self.touched: dict[str, None] = {}
        self.locked_outside: dict[str, Decimal] = {}
        self.update = 0
        self.last_event = 0

    def balance(self, asset: str) -> Balance:
        found = self.balances.get(asset)
        if found is None:
            found = self.balances[asset] = Balance()
        return found

    def free(self, asset: str) -> Decimal:
        found = self.balances.get(asset)
        return found.free if found else ZERO

    def locked(self, asset: str) -> Decimal:
        found = self.balances.get(asset)
        return found.locked if found else ZERO

    def outside(self, asset: str) -> Decimal:
        """What other products have locked of an asset."""
        return self.locked_outside.get(asset, ZERO)

    def move(self, asset: str, now: int, *, free: Decimal = ZERO, locked: Decimal = ZERO) -> None:
        """Change a balance. `ValueError` when it would fall below zero: a defect, never a market event."""
        row = self.balance(asset)
        row.free += free
        row.locked += locked
        if row.free < 0 or row.locked < 0:
            raise ValueError(f"{asset} of {self.name} fell below zero: free {row.free}, locked {row.locked}")
        row.update = self.update = now
        row.remember(now)
        self.touched[asset] = None

    def rates(self, symbol: str) -> tuple[Decimal, Decimal]:
        """(maker, taker) standard rates of a symbol."""
        return self.symbol_rates.get(symbol, (self.maker, self.taker))
