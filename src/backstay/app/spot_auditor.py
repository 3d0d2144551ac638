"""The auditor of spot: what the exchange itself saw of fills and sales, held against the lots.

Trades, orders and requests are the exchange's own; of the product only its lots are looked at, to see whether
they are what was bought, to the unit, and whether each was sold once and for the profit that was promised.
"""

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import msgspec

from backstay.core.lots import Ended, Lot, Lots, changed
from backstay.core.state import AccountState
from backstay.core.types import Product, Scope
from backstay.strategies.swing.policy import SwingPolicy

ZERO = Decimal(0)
LIVE = ("NEW", "PARTIALLY_FILLED")
PLACES = ("POST /api/v3/order", "POST /api/v3/sor/order")
CANCELS = ("DELETE /api/v3/order", "DELETE /api/v3/openOrders", "PUT /api/v3/order/amend/keepPriority")
REPLACES = ("POST /api/v3/order/cancelReplace",)


class Fill(msgspec.Struct, frozen=True):
    """One trade of the account, as the exchange reported it when it made it."""

    order_id: int
    ours: bool
    buys: bool
    price: Decimal
    qty: Decimal
    fee: Decimal
    fee_asset: str

    def received(self, base: str) -> Decimal:
        """Base coins that a BUY really brought."""
        return self.qty - self.fee if self.fee_asset == base else self.qty


class SpotAuditor:
    """Feed it with `event` (private frames) and `follow` (the account, after each record), ask afterwards.

    `prefix`: how the custom ids of the product begin.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self.fills: dict[tuple[str, int], Fill] = {}
        self.lots: dict[tuple[str, int], Lot] = {}
        """Every lot that there ever was, as it was last seen."""
        self.wrong: list[str] = []
        """What should never have happened, in the order in which it did."""
        self._seen: dict[Scope, Lots] = {}
        self._ours: dict[int, Decimal] = {}
        """Live SELLs of the product: what is left of each."""
        self._offered: dict[str, Decimal] = {}
        self._held: dict[str, Decimal] = {}
        """Bought less sold, by symbol."""

    # --- what the exchange says ---------------------------------------------------------------------

    def event(self, frame: dict[str, Any]) -> None:
        """One private event, at the moment when the exchange makes it."""
        if frame["e"] != "executionReport":
            return
        symbol, order_id = str(frame["s"]), int(frame["i"])
        ours = str(frame["C"] or frame["c"]).startswith(self._prefix)
        if frame["x"] == "TRADE":
            fill = self.fills[symbol, int(frame["t"])] = Fill(
                order_id,
                ours,
                frame["S"] == "BUY",
                Decimal(frame["L"]),
                Decimal(frame["l"]),
                Decimal(frame["n"]),
                str(frame["N"] or ""),
            )
            change = fill.received(_base(symbol)) if fill.buys else -fill.qty
            self._held[symbol] = self._held.get(symbol, ZERO) + change
        if not ours:
            return
        if frame["S"] == "BUY":
            self.wrong.append(f"{symbol}: bought by order {order_id}, which nobody asked for")
        before = self._ours.pop(order_id, ZERO)
        left = Decimal(frame["q"]) - Decimal(frame["z"]) if frame["X"] in LIVE else ZERO
        if left:
            self._ours[order_id] = left
        self._offered[symbol] = self._offered.get(symbol, ZERO) + left - before
        if frame["x"] == "NEW":
            self._never_twice(symbol)

    def _never_twice(self, symbol: str) -> None:
        """The product offers at most what was bought and is not sold yet."""
        held, offered = self._held.get(symbol, ZERO), self._offered.get(symbol, ZERO)
        if offered > held:
            self.wrong.append(
                f"{symbol}: {offered} are offered and {held} were bought: something is sold twice"
            )

    def read_requests(self, rows: Iterable[dict[str, Any]]) -> None:
        """Go through the exchange's request log: ids sent twice, orders cancelled or amended."""
        seen: Counter[str] = Counter()
        for row in rows:
            endpoint, params = row["endpoint"], row["params"]
            if endpoint in PLACES:
                name = str(params.get("newClientOrderId", ""))
                seen[name] += 1
                if seen[name] == 2:
                    self.wrong.append(f"{endpoint} was sent twice as {name}")
            elif endpoint in CANCELS or endpoint in REPLACES:
                self.wrong.append(
                    f"{endpoint} {params.get('origClientOrderId', '')}: a SELL was not left alone"
                )

    # --- what the product believes ------------------------------------------------------------------

    def follow(self, account: AccountState) -> None:
        """Take in the lots that the last record changed; a restarted guard is simply followed on."""
        for key, s in account.scopes.items():
            if key.product is not Product.SPOT or s.lots is None:
                continue
            before = self._seen.get(key)
            if before is s.lots:
                continue
            for lot in changed(before, s.lots):
                self.lots[key.symbol, lot.trade_id] = lot
            self._seen[key] = s.lots

    @property
    def completed(self) -> int:
        return sum(lot.ended is Ended.COMPLETED for lot in self.lots.values())

    @property
    def waiting(self) -> int:
        return sum(lot.ended is Ended.NO for lot in self.lots.values())

    def min_net_profit(self) -> Decimal | None:
        """The lowest profit of all completed lots, as a fraction of what the sold coins had cost."""
        profits = [self.net_profit(name) for name, lot in self.lots.items() if lot.ended is Ended.COMPLETED]
        return min((p for p in profits if p is not None), default=None)

    def net_profit(self, name: tuple[str, int]) -> Decimal | None:
        """Proceeds less price and commissions of both sides, over the price; None: nothing was sold.

        Computed from the exchange's trades. A commission in a third asset counts by its account's rate.
        """
        lot, bought = self.lots[name], self.fills[name]
        if not lot.sold:
            return None
        symbol = name[0]
        cost = bought.price * lot.sold
        share = lot.sold / bought.qty
        fee = _in_quote(bought, _base(symbol), _quote(symbol)) * share
        sale = lot.proceeds - (lot.sell_commission if lot.sell_commission_asset == _quote(symbol) else ZERO)
        return (sale - cost - fee) / cost

    def broken(self, account: AccountState, policy: SwingPolicy) -> list[str]:
        """The promises that do not hold, in words; to be asked when everything has come to rest."""
        self.follow(account)
        return [
            *self.wrong[:5],
            *self._lots_are_fills(),
            *self._one_sale_each(account),
            *self._profits(policy),
        ]

    def _lots_are_fills(self) -> list[str]:
        """Every BUY trade is one lot of exactly what it brought; the sums are then equal, to the unit."""
        bought = {name: fill for name, fill in self.fills.items() if fill.buys}
        found = [f"{symbol} trade {number} has no lot" for symbol, number in bought.keys() - self.lots.keys()]
        found += [
            f"{symbol} lot {number} was never bought" for symbol, number in self.lots.keys() - bought.keys()
        ]
        for name in bought.keys() & self.lots.keys():
            lot, fill = self.lots[name], bought[name]
            told = lot.price, lot.quantity, lot.received
            if told != (fill.price, fill.qty, fill.received(_base(name[0]))):
                found.append(f"{name[0]} lot {name[1]} is {told}, and the exchange traded {fill}")
        sold = sum((f.qty for f in self.fills.values() if not f.buys and f.ours), ZERO)
        gone = sum((lot.sold for lot in self.lots.values() if lot.ended is not Ended.CLOSED_BY_HAND), ZERO)
        by_hand = any(lot.ended is Ended.CLOSED_BY_HAND for lot in self.lots.values())
        if sold != gone and not by_hand:
            found.append(f"lots tell of {gone} sold, and the exchange of {sold}")
        return found[:5]

    def _one_sale_each(self, account: AccountState) -> list[str]:
        found = []
        for key, s in account.scopes.items():
            names = Counter(n for c in s.contexts.values() if not c.is_terminal for n in c.slot.lots)
            found += [f"{key}: lot {name} has {count} SELLs" for name, count in names.items() if count > 1]
        return found

    def _profits(self, policy: SwingPolicy) -> list[str]:
        lowest = self.min_net_profit()
        if lowest is None or lowest >= policy.profit:
            return []
        return [f"a lot was completed at a net profit of {lowest:.6f}, and {policy.profit} was promised"]


QUOTES = ("USDT", "USDC", "BTC")


def _quote(symbol: str) -> str:
    return next(q for q in QUOTES if symbol.endswith(q))


def _base(symbol: str) -> str:
    return symbol.removesuffix(_quote(symbol))


THIRD_RATE = Decimal("0.001")


def _in_quote(fill: Fill, base: str, quote: str) -> Decimal:
    if fill.fee_asset == base:
        return fill.fee * fill.price
    return fill.fee if fill.fee_asset == quote else fill.price * fill.qty * THIRD_RATE
