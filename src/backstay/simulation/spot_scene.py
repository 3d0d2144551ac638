"""What of a spot account can be seen: orders, trades and balances, folded from private frames and reads.

One copy holds what the venue knows, another one what the running process was told.
"""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import msgspec

from backstay.core.events import BalancesSnapshot
from backstay.core.types import MS
from backstay.simulation.scene import RESTING, LegKey

D = Decimal
ZERO = D(0)
UNFILLED = frozenset({"CANCELED", "EXPIRED", "EXPIRED_IN_MATCH"})
"""How an order ends that has not sold everything: taken back, or stopped by self-trade prevention."""


class SpotOrder(msgspec.Struct, frozen=True):
    """An order that rests."""

    order_id: int
    client_id: str
    symbol: str
    side: str
    kind: str
    price: Decimal
    total: Decimal
    executed: Decimal
    list_id: int = -1
    trigger: Decimal = Decimal(0)
    """Of a conditional order."""

    @property
    def left(self) -> Decimal:
        return self.total - self.executed


class SpotFill(msgspec.Struct, frozen=True):
    """One trade of the account, as the venue told it when it made it."""

    trade_id: int
    order_id: int
    client_id: str
    symbol: str
    buys: bool
    price: Decimal
    quantity: Decimal
    fee: Decimal
    fee_asset: str
    at_ms: int
    bnb: Decimal
    """What a BNB cost in that moment, in quote currency."""

    def received(self, base: str) -> Decimal:
        """Base coins that a BUY really brought."""
        return self.quantity - self.fee if self.fee_asset == base else self.quantity

    def fee_in_quote(self, base: str) -> Decimal:
        """What the commission was worth when it was taken."""
        if self.fee_asset == base:
            return self.fee * self.price
        return self.fee * self.bnb if self.fee_asset == "BNB" else self.fee


class SpotScene:
    """Folds private frames. `owns` tells from a custom id whether a process of ours sent the order."""

    def __init__(self, owns: Callable[[str], bool], bnb: Callable[[], Decimal] = lambda: ZERO) -> None:
        self.owns = owns
        self._bnb = bnb
        self.orders: dict[int, SpotOrder] = {}
        self.fills: dict[tuple[str, int], SpotFill] = {}
        self.balances: dict[str, tuple[Decimal, Decimal]] = {}
        """(free, locked) by asset."""
        self._told_ms: dict[str, int] = {}
        """When the change happened that an asset's balance was last told for."""
        self.balances_ms = 0
        """Venue time of the latest news of them."""
        self.names: dict[int, str] = {}
        """Custom ids by the venue's, of every order ever seen."""
        self.cancelled: list[tuple[str, Decimal]] = []
        """(symbol, quantity left) of our SELLs that ended unfilled."""
        self.frames = 0

    def frame(self, frame: dict[str, Any]) -> set[LegKey]:
        """Take in a private event; returns the symbols (as legs) that it touched."""
        self.frames += 1
        match frame.get("e"):
            case "executionReport":
                return {self._report(frame)}
            case "outboundAccountPosition":
                self.balances.update({b["a"]: (D(b["f"]), D(b["l"])) for b in frame["B"]})
                self.balances_ms = max(self.balances_ms, int(frame["u"]))
                self._told_ms.update((b["a"], int(frame["u"])) for b in frame["B"])
        return set()

    def _report(self, o: dict[str, Any]) -> LegKey:
        symbol, number = str(o["s"]), int(o["i"])
        name = self.names[number] = str(o["C"] or o["c"])
        if o["x"] == "TRADE":
            self.fills[symbol, int(o["t"])] = SpotFill(
                int(o["t"]),
                number,
                name,
                symbol,
                o["S"] == "BUY",
                D(o["L"]),
                D(o["l"]),
                D(o["n"]),
                str(o["N"] or ""),
                int(o["T"]),
                self._bnb(),
            )
        if o["X"] in RESTING:
            self.orders[number] = SpotOrder(
                number,
                name,
                symbol,
                o["S"],
                o["o"],
                D(o["p"]),
                D(o["q"]),
                D(o["z"]),
                int(o["g"]),
                D(o["P"]),
            )
        else:
            self.orders.pop(number, None)
            if o["X"] in UNFILLED and o["S"] == "SELL" and self.owns(name):
                self.cancelled.append((symbol, D(o["q"]) - D(o["z"])))
        return symbol, "BOTH"

    def read_balances(self, account: dict[str, Any]) -> None:
        """What an account read showed: all that there was at its update time. Later news stand."""
        rows = account["balances"]
        read = {row["asset"]: (D(row["free"]), D(row["locked"])) for row in rows}
        self._shown(read, int(account["updateTime"]))

    def take_balances(self, e: BalancesSnapshot) -> None:
        """What a process took in of such a read; after later news it is none."""
        if e.requested_at // MS >= self.balances_ms:
            read = {r.asset: (r.cross_wallet, r.wallet - r.cross_wallet) for r in e.rows}
            self._shown(read, e.updated_at // MS)

    def _shown(self, read: dict[str, tuple[Decimal, Decimal]], update_ms: int) -> None:
        later = {a: row for a, row in self.balances.items() if self._told_ms.get(a, 0) > update_ms}
        self.balances = read | later
        self.balances_ms = max(self.balances_ms, update_ms + 1)

    def read_trades(self, rows: list[dict[str, Any]]) -> None:
        """What a read of own trades showed besides those that were told."""
        for row in rows:
            number = int(row["orderId"])
            fill = SpotFill(
                int(row["id"]),
                number,
                self.names.get(number, ""),
                str(row["symbol"]),
                bool(row["isBuyer"]),
                D(row["price"]),
                D(row["qty"]),
                D(row["commission"]),
                str(row["commissionAsset"]),
                int(row["time"]),
                self._bnb(),
            )
            self.fills.setdefault((fill.symbol, fill.trade_id), fill)

    def total(self, asset: str) -> Decimal:
        """Free and locked."""
        return sum(self.balances.get(asset, (ZERO, ZERO)), ZERO)

    def resting(self, symbol: str, *, ours: bool | None = None) -> Iterator[SpotOrder]:
        """Open orders of a symbol, oldest first."""
        for order in self.orders.values():
            if order.symbol == symbol and (ours is None or self.owns(order.client_id) is ours):
                yield order

    def offered(self, symbol: str) -> Decimal:
        """What our resting SELLs of a symbol may still sell."""
        ours = self.resting(symbol, ours=True)
        return sum((o.left for o in ours if o.side == "SELL"), ZERO)

    def bought(self, symbol: str, base: str) -> Decimal:
        """Base coins that BUYs brought, less commissions in them."""
        fills = (f for f in self.fills.values() if f.symbol == symbol and f.buys)
        return sum((f.received(base) for f in fills), ZERO)

    def sold(self, symbol: str, *, ours: bool) -> Decimal:
        """Base coins that SELLs of ours, or of others, have sold."""
        fills = (f for f in self.fills.values() if f.symbol == symbol and not f.buys)
        return sum((f.quantity for f in fills if self.owns(f.client_id) is ours), ZERO)


def spot_frame_words(frame: dict[str, Any]) -> str:
    """A private event of spot in words, for stories."""
    match frame.get("e"):
        case "executionReport":
            name = frame["C"] or frame["c"]
            trade = f" traded {frame['l']} at {frame['L']} fee {frame['n']} {frame['N']}"
            what = f"{frame['S']} {frame['o']} {frame['q']} at {frame['p']} z={frame['z']}"
            more = trade + f" (trade {frame['t']})" if frame["x"] == "TRADE" else ""
            return f"{frame['x']}/{frame['X']} {name} {frame['s']} {what}{more}"
        case "outboundAccountPosition":
            return "balances " + ", ".join(f"{b['a']} {b['f']}+{b['l']}" for b in frame["B"])
        case kind:
            return f"{kind} {frame.get('a', '')} {frame.get('d', '')}".rstrip()
