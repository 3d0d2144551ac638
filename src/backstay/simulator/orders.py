"""Regular orders and the store that finds them: by id, by client id, and the open ones of a symbol."""

from collections.abc import Iterable, Iterator
from decimal import Decimal

from backstay.simulator.numbers import ZERO
from backstay.simulator.versions import Versioned

OPEN = ("NEW", "PARTIALLY_FILLED")


class Order(Versioned):
    """One regular order; times in venue ms as on the wire, quantities in base units."""

    __slots__ = (
        "account",
        "activate_price",
        "algo_id",
        "amends",
        "buys",
        "callback_rate",
        "client_id",
        "close_position",
        "cum_quote",
        "executed",
        "gtd",
        "id",
        "knocks_out",
        "modified_at",
        "modify_id",
        "orig_type",
        "origin",
        "position_side",
        "price",
        "price_match",
        "price_protect",
        "qty",
        "queue",
        "reduce_only",
        "side",
        "status",
        "stop_price",
        "stp",
        "symbol",
        "tif",
        "time",
        "type",
        "update_time",
        "working_type",
    )

    def __init__(
        self,
        *,
        account: str,
        symbol: str,
        side: str,
        position_side: str,
        kind: str,
        tif: str,
        qty: Decimal,
        price: Decimal,
        client_id: str,
    ) -> None:
        super().__init__()
        self.id = 0
        self.account = account
        self.symbol = symbol
        self.side = side
        self.buys = side == "BUY"
        self.position_side = position_side
        self.type = self.orig_type = kind
        self.tif = tif
        self.qty = qty
        self.price = price
        self.client_id = client_id
        self.reduce_only = False
        self.close_position = False
        self.stop_price = ZERO
        self.working_type = "CONTRACT_PRICE"
        self.price_protect = False
        self.price_match = "NONE"
        self.stp = "EXPIRE_MAKER"
        self.gtd = 0
        self.status = "NEW"
        self.executed = ZERO
        self.cum_quote = ZERO
        self.time = self.update_time = 0
        self.algo_id: int | None = None
        self.queue = ZERO
        self.amends = 0
        self.modified_at = 0
        self.modify_id = ""
        self.origin = "api"
        self.knocks_out = False
        self.activate_price: Decimal | None = None
        self.callback_rate: Decimal | None = None

    @property
    def left(self) -> Decimal:
        return self.qty - self.executed

    @property
    def open(self) -> bool:
        return self.status in OPEN

    @property
    def average(self) -> Decimal:
        return self.cum_quote / self.executed if self.executed else ZERO

    def reduces(self, hedge: bool) -> bool:
        """Whether it can only make a position smaller: the flag, or in hedge mode the closing side."""
        if hedge:
            return self.buys == (self.position_side == "SHORT")
        return self.reduce_only


class OrderStore:
    """All orders ever accepted, with indexes of the open ones."""

    def __init__(self) -> None:
        self.by_id: dict[int, Order] = {}
        self._by_client: dict[tuple[str, str], list[Order]] = {}
        self._open: dict[str, dict[int, Order]] = {}
        self._mine: dict[str, list[Order]] = {}
        self._top: dict[str, tuple[Decimal | None, Decimal | None]] = {}

    def add(self, order: Order) -> None:
        self.by_id[order.id] = order
        self._by_client.setdefault((order.account, order.client_id), []).append(order)
        self._mine.setdefault(order.account, []).append(order)
        self._open.setdefault(order.symbol, {})[order.id] = order
        self._top.pop(order.symbol, None)

    def closed(self, order: Order) -> None:
        """The order has ended: take it out of the open ones."""
        self._open.get(order.symbol, {}).pop(order.id, None)
        self._top.pop(order.symbol, None)

    def moved(self, order: Order) -> None:
        """The order's price has changed: it goes to the end of the time order."""
        rows = self._open[order.symbol]
        rows.pop(order.id, None)
        rows[order.id] = order
        self._top.pop(order.symbol, None)

    def open_in(self, symbol: str) -> Iterable[Order]:
        return self._open.get(symbol, {}).values()

    def has_open(self, symbol: str) -> bool:
        return bool(self._open.get(symbol))

    def touched(self, symbol: str, low: Decimal, high: Decimal) -> bool:
        """Whether any open buy is at or above `low`, or any open sell at or below `high`."""
        edge = self._top.get(symbol)
        if edge is None:
            buys = [o.price for o in self.open_in(symbol) if o.buys]
            sells = [o.price for o in self.open_in(symbol) if not o.buys]
            edge = (max(buys, default=None), min(sells, default=None))
            self._top[symbol] = edge
        top, bottom = edge
        return (top is not None and top >= low) or (bottom is not None and bottom <= high)

    def open_of(self, account: str, symbol: str | None = None) -> Iterator[Order]:
        if symbol is not None:
            yield from (o for o in self.open_in(symbol) if o.account == account)
            return
        for rows in self._open.values():
            yield from (o for o in rows.values() if o.account == account)

    def all_of(self, account: str) -> list[Order]:
        return self._mine.get(account, [])

    def find(self, account: str, symbol: str, order_id: int | None, client_id: str | None) -> Order | None:
        """By order id, else the newest with that client id (an open one first)."""
        if order_id is not None:
            order = self.by_id.get(order_id)
            return order if order and order.account == account and order.symbol == symbol else None
        rows = [o for o in self._by_client.get((account, client_id or ""), ()) if o.symbol == symbol]
        return next((o for o in reversed(rows) if o.open), rows[-1] if rows else None)

    def client_id_open(self, account: str, client_id: str) -> bool:
        return any(o.open for o in self._by_client.get((account, client_id), ()))
