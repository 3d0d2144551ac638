"""Spot orders, order lists, and the store that finds them."""

from collections.abc import Iterator
from decimal import Decimal

from backstay.simulator.numbers import ZERO
from backstay.simulator.versions import Versioned

OPEN = ("NEW", "PARTIALLY_FILLED", "PENDING_NEW")
LIMITS = ("LIMIT", "LIMIT_MAKER", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT")
STOPS = ("STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT")


class SpotOrder(Versioned):
    """One order; times in venue ns, quantities in base units.

    `lock`: what the order holds of `lock_asset`. `waiting`: a stop that has not been triggered. `pending`: a
    leg whose working order has not filled yet.
    """

    __slots__ = (
        "account",
        "amends",
        "buys",
        "client_id",
        "cum_quote",
        "executed",
        "extreme",
        "iceberg",
        "id",
        "list_id",
        "lock",
        "lock_asset",
        "origin",
        "pending",
        "prevented",
        "prevented_match",
        "price",
        "qty",
        "queue",
        "quote_qty",
        "reason",
        "resp",
        "side",
        "status",
        "stop_price",
        "stp",
        "strategy_id",
        "strategy_type",
        "symbol",
        "tif",
        "time",
        "trailing",
        "trailing_at",
        "type",
        "update",
        "waiting",
        "working_at",
    )

    def __init__(self, *, account: str, symbol: str, side: str, kind: str, client_id: str) -> None:
        super().__init__()
        self.id = 0
        self.account = account
        self.symbol = symbol
        self.side = side
        self.buys = side == "BUY"
        self.type = kind
        self.client_id = client_id
        self.tif = "GTC"
        self.qty = self.price = self.stop_price = self.iceberg = self.quote_qty = ZERO
        self.status = "NEW"
        self.executed = self.cum_quote = self.prevented = ZERO
        self.prevented_match = -1
        self.lock = ZERO
        self.lock_asset = ""
        self.list_id = -1
        self.pending = False
        self.waiting = kind in STOPS
        self.trailing = 0
        self.trailing_at = 0
        self.extreme: Decimal | None = None
        self.queue = ZERO
        self.stp = "NONE"
        self.strategy_id: int | None = None
        self.strategy_type: int | None = None
        self.resp = "ACK"
        self.time = self.update = 0
        self.working_at = 0
        self.amends = 0
        self.reason = "NONE"
        self.origin = "api"

    @property
    def left(self) -> Decimal:
        return self.qty - self.executed - self.prevented

    @property
    def open(self) -> bool:
        return self.status in OPEN

    @property
    def resting(self) -> bool:
        """On the book: may meet the market."""
        return self.open and not self.waiting and not self.pending

    @property
    def is_limit(self) -> bool:
        return self.type in LIMITS

    @property
    def is_algo(self) -> bool:
        return self.type in STOPS


class OrderList:
    """OCO, OTO or OTOCO (OPO and OPOCO are OTOs that size their pending legs). Leg order is the answer's."""

    def __init__(
        self, number: int, account: str, symbol: str, kind: str, client_id: str, legs: list[SpotOrder]
    ) -> None:
        self.id = number
        self.account = account
        self.symbol = symbol
        self.kind = kind
        self.client_id = client_id
        self.legs = legs
        self.working: SpotOrder | None = None
        self.sizes_pending = False
        self.received = ZERO
        """What the working buy brought in, less commission in the base asset (OPO)."""
        self.done = False
        self.at = 0

    @property
    def pending(self) -> list[SpotOrder]:
        return [leg for leg in self.legs if leg is not self.working]

    def pair_of(self, order: SpotOrder) -> SpotOrder | None:
        """The other leg of an OCO pair; None for a leg that has none."""
        group = self.pending if self.working is not None else self.legs
        if order not in group or len(group) < 2:
            return None
        return next(leg for leg in group if leg is not order)


class OrderStore:
    """All orders ever accepted, with indexes of the open ones."""

    def __init__(self) -> None:
        self.by_id: dict[int, SpotOrder] = {}
        self.lists: dict[int, OrderList] = {}
        self._by_client: dict[tuple[str, str], list[SpotOrder]] = {}
        self._open: dict[str, dict[int, SpotOrder]] = {}
        self._mine: dict[str, list[SpotOrder]] = {}
        self._edges: dict[str, tuple[Decimal | None, Decimal | None, int]] = {}

    def add(self, order: SpotOrder) -> None:
        self.by_id[order.id] = order
        self._by_client.setdefault((order.account, order.client_id), []).append(order)
        self._mine.setdefault(order.account, []).append(order)
        self._open.setdefault(order.symbol, {})[order.id] = order
        self._edges.pop(order.symbol, None)

    def renamed(self, order: SpotOrder) -> None:
        """An amendment gave the order another client id."""
        self._by_client.setdefault((order.account, order.client_id), []).append(order)

    def closed(self, order: SpotOrder) -> None:
        self._open.get(order.symbol, {}).pop(order.id, None)
        self._edges.pop(order.symbol, None)

    def changed(self, order: SpotOrder) -> None:
        """An order has come onto the book."""
        self._edges.pop(order.symbol, None)

    def open_in(self, symbol: str) -> list[SpotOrder]:
        return list(self._open.get(symbol, {}).values())

    def touched(self, symbol: str, low: Decimal, high: Decimal) -> bool:
        """Whether a resting buy is at or above `low`, or a resting sell at or below `high`."""
        top, bottom, _ = self._edge(symbol)
        return (top is not None and top >= low) or (bottom is not None and bottom <= high)

    def has_stops(self, symbol: str) -> bool:
        return bool(self._edge(symbol)[2])

    def _edge(self, symbol: str) -> tuple[Decimal | None, Decimal | None, int]:
        edge = self._edges.get(symbol)
        if edge is None:
            rows = self._open.get(symbol, {}).values()
            resting = [o for o in rows if o.resting]
            edge = self._edges[symbol] = (
                max((o.price for o in resting if o.buys), default=None),
                min((o.price for o in resting if not o.buys), default=None),
                sum(1 for o in rows if o.waiting and not o.pending),
            )
        return edge

    def open_of(self, account: str, symbol: str | None = None) -> Iterator[SpotOrder]:
        names = list(self._open) if symbol is None else [symbol]
        for name in names:
            yield from (o for o in self.open_in(name) if o.account == account)

    def all_of(self, account: str) -> list[SpotOrder]:
        return self._mine.get(account, [])

    def lists_of(self, account: str) -> list[OrderList]:
        return [found for found in self.lists.values() if found.account == account]

    def list_of(self, order: SpotOrder) -> OrderList | None:
        return self.lists.get(order.list_id)

    def find(self, account: str, symbol: str, order_id: int | None, client: str | None) -> SpotOrder | None:
        """By order id, else the newest with that client id (an open one first)."""
        if order_id is not None:
            order = self.by_id.get(order_id)
            return order if order and order.account == account and order.symbol == symbol else None
        rows = [
            o
            for o in self._by_client.get((account, client or ""), ())
            if o.symbol == symbol and o.client_id == client
        ]
        return next((o for o in reversed(rows) if o.open), rows[-1] if rows else None)

    def client_id_open(self, account: str, client_id: str) -> bool:
        rows = self._by_client.get((account, client_id), ())
        return any(o.open and o.client_id == client_id for o in rows)
