"""Conditional orders: a store of their own, disjoint from the regular one until a trigger hands over."""

from collections.abc import Iterable, Iterator
from decimal import Decimal

from backstay.simulator.numbers import ZERO
from backstay.simulator.versions import Versioned

KINDS = ("STOP_MARKET", "TAKE_PROFIT_MARKET", "STOP", "TAKE_PROFIT", "TRAILING_STOP_MARKET")
LIVE = ("NEW", "TRIGGERING", "TRIGGERED")


class AlgoOrder(Versioned):
    """One conditional order. `status` walks NEW -> TRIGGERING -> TRIGGERED -> FINISHED, or CANCELED, EXPIRED,
    REJECTED (`binance-usdm.md` section 3).
    """

    __slots__ = (
        "account",
        "activate_price",
        "activated",
        "actual_avg",
        "actual_id",
        "actual_qty",
        "actual_type",
        "buys",
        "callback_rate",
        "client_id",
        "close_position",
        "create_time",
        "extreme",
        "gtd",
        "id",
        "origin",
        "position_side",
        "price",
        "price_match",
        "price_protect",
        "qty",
        "reason",
        "reduce_only",
        "side",
        "status",
        "stp",
        "symbol",
        "tif",
        "trigger",
        "trigger_time",
        "type",
        "update_time",
        "working_type",
    )

    def __init__(
        self, *, account: str, symbol: str, side: str, position_side: str, kind: str, tif: str, client_id: str
    ) -> None:
        super().__init__()
        self.id = 0
        self.account = account
        self.symbol = symbol
        self.side = side
        self.buys = side == "BUY"
        self.position_side = position_side
        self.type = kind
        self.tif = tif
        self.client_id = client_id
        self.qty = ZERO
        self.price = ZERO
        self.trigger = ZERO
        self.working_type = "CONTRACT_PRICE"
        self.price_match = "NONE"
        self.close_position = False
        self.price_protect = False
        self.reduce_only = False
        self.stp = "EXPIRE_MAKER"
        self.gtd = 0
        self.activate_price: Decimal | None = None
        self.callback_rate: Decimal | None = None
        self.activated = False
        self.extreme = ZERO
        self.status = "NEW"
        self.reason = ""
        self.actual_id: int | None = None
        self.actual_type = ""
        self.actual_qty = ZERO
        self.actual_avg = ZERO
        self.create_time = self.update_time = self.trigger_time = 0
        self.origin = "api"

    @property
    def trailing(self) -> bool:
        return self.type == "TRAILING_STOP_MARKET"

    @property
    def rising(self) -> bool:
        """Whether it fires when the price is at or above the trigger."""
        return self.buys == self.type.startswith("STOP")


class AlgoStore:
    """All conditional orders, with per-symbol trigger bounds so that most prices cost one comparison."""

    def __init__(self) -> None:
        self.by_id: dict[int, AlgoOrder] = {}
        self._by_client: dict[tuple[str, str], list[AlgoOrder]] = {}
        self._mine: dict[str, list[AlgoOrder]] = {}
        self._live: dict[str, dict[int, AlgoOrder]] = {}
        self._edges: dict[tuple[str, str], tuple[Decimal | None, Decimal | None, bool]] = {}

    def add(self, algo: AlgoOrder) -> None:
        self.by_id[algo.id] = algo
        self._by_client.setdefault((algo.account, algo.client_id), []).append(algo)
        self._mine.setdefault(algo.account, []).append(algo)
        self._live.setdefault(algo.symbol, {})[algo.id] = algo
        self._forget(algo.symbol)

    def changed(self, algo: AlgoOrder) -> None:
        """Its status has changed: refresh the indexes."""
        if algo.status not in LIVE:
            self._live.get(algo.symbol, {}).pop(algo.id, None)
        self._forget(algo.symbol)

    def _forget(self, symbol: str) -> None:
        self._edges.pop((symbol, "MARK_PRICE"), None)
        self._edges.pop((symbol, "CONTRACT_PRICE"), None)

    def live_in(self, symbol: str) -> Iterable[AlgoOrder]:
        return self._live.get(symbol, {}).values()

    def waiting_in(self, symbol: str) -> list[AlgoOrder]:
        return [a for a in self.live_in(symbol) if a.status == "NEW"]

    def may_fire(self, symbol: str, working_type: str, price: Decimal) -> bool:
        """Whether some waiting order could react to this price (trailing ones always look)."""
        if not self._live.get(symbol):
            return False
        edge = self._edges.get((symbol, working_type))
        if edge is None:
            rows = [a for a in self.waiting_in(symbol) if a.working_type == working_type]
            edge = (
                min((a.trigger for a in rows if a.rising and not a.trailing), default=None),
                max((a.trigger for a in rows if not a.rising and not a.trailing), default=None),
                any(a.trailing for a in rows),
            )
            self._edges[symbol, working_type] = edge
        up, down, trailing = edge
        return trailing or (up is not None and price >= up) or (down is not None and price <= down)

    def open_of(self, account: str, symbol: str | None = None) -> Iterator[AlgoOrder]:
        """Those of an account that have not ended and not yet handed over."""
        names = [symbol] if symbol is not None else list(self._live)
        for name in names:
            yield from (a for a in self.live_in(name) if a.account == account and a.status == "NEW")

    def all_of(self, account: str) -> list[AlgoOrder]:
        return self._mine.get(account, [])

    def find(self, account: str, algo_id: int | None, client_id: str | None) -> AlgoOrder | None:
        if algo_id is not None:
            algo = self.by_id.get(algo_id)
            return algo if algo and algo.account == account else None
        rows = self._by_client.get((account, client_id or ""), [])
        return next((a for a in reversed(rows) if a.status in LIVE), rows[-1] if rows else None)

    def client_id_open(self, account: str, client_id: str) -> bool:
        return any(a.status in LIVE[:2] for a in self._by_client.get((account, client_id), ()))
