"""What is known of positions and orders from private frames alone: once as the venue makes them, once as one
process is told them. Nothing here comes out of the product.
"""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import msgspec

D = Decimal
STOPS = frozenset({"STOP_MARKET", "STOP", "TRAILING_STOP_MARKET"})
RESTING = frozenset({"NEW", "PARTIALLY_FILLED"})

type LegKey = tuple[str, str]
"""(symbol, position side of the venue)."""


ZERO = D(0)


class Leg(msgspec.Struct):
    """A position row."""

    amount: Decimal = D(0)
    entry: Decimal = D(0)
    epoch: int = 0
    """Counts how often it left flat or turned over."""
    changed_ms: int = 0
    """The venue's time of the latest change that is known."""
    epoch_ms: int = 0
    """When the present life began."""


class Resting(msgspec.Struct, frozen=True):
    """An open order, of either surface."""

    surface: str
    venue_id: int
    client_id: str
    symbol: str
    leg_side: str
    side: str
    kind: str
    price: Decimal
    trigger: Decimal
    left: Decimal
    total: Decimal
    close_position: bool
    reduce_only: bool
    status: str
    since_ms: int = 0

    @property
    def key(self) -> LegKey:
        return self.symbol, self.leg_side

    @property
    def is_stop(self) -> bool:
        return self.surface == "algo" and self.kind in STOPS

    def closes(self, amount: Decimal) -> bool:
        """On the side that reduces a position of `amount`."""
        return amount != 0 and (self.side == "SELL") == (amount > 0)

    def takes(self, amount: Decimal) -> bool:
        """A limit order that may only reduce a position of `amount` (in hedge mode the side says so)."""
        regular = self.surface == "regular"
        return regular and self.closes(amount) and (self.reduce_only or self.leg_side != "BOTH")

    def opens(self, amount: Decimal) -> bool:
        """May add to a position of `amount`, or begin one (in hedge mode the side says so)."""
        if self.reduce_only:
            return False
        if self.leg_side != "BOTH":
            return (self.side == "BUY") == (self.leg_side == "LONG")
        return not self.closes(amount)

    def covers(self, amount: Decimal, tolerance: Decimal = ZERO) -> bool:
        """Protects a position of `amount` to its full size, but for a `tolerance` that the policy allows."""
        whole = self.close_position or self.total >= abs(amount) * (1 - tolerance)
        return self.is_stop and self.status == "NEW" and self.closes(amount) and whole


class Scene:
    """Folds private frames. `owns` tells from a custom id whether a process of ours sent the order."""

    def __init__(self, owns: Callable[[str], bool], tolerance: Decimal = ZERO) -> None:
        self.owns = owns
        self.tolerance = tolerance
        self.legs: dict[LegKey, Leg] = {}
        self.orders: dict[int, Resting] = {}
        self.algos: dict[int, Resting] = {}
        self.frames = 0

    def copy(self) -> "Scene":
        """As it is now."""
        other = Scene(self.owns, self.tolerance)
        other.legs = {key: msgspec.structs.replace(leg) for key, leg in self.legs.items()}
        other.orders, other.algos = dict(self.orders), dict(self.algos)
        return other

    def frame(self, frame: dict[str, Any]) -> set[LegKey]:
        """Take in a private frame; returns the legs that it touched."""
        self.frames += 1
        match frame.get("e"):
            case "ACCOUNT_UPDATE":
                return {self._position(row, int(frame["T"])) for row in frame["a"].get("P", ())}
            case "ORDER_TRADE_UPDATE":
                return {self._order(frame["o"], int(frame["T"]))}
            case "ALGO_UPDATE":
                return {self._algo(frame["o"], int(frame["T"]))}
        return set()

    def _position(self, row: dict[str, Any], at: int) -> LegKey:
        key = (row["s"], row["ps"])
        leg = self.legs.setdefault(key, Leg())
        amount = D(row["pa"])
        if amount and (not leg.amount or (amount > 0) != (leg.amount > 0)):
            leg.epoch += 1
            leg.epoch_ms = at
        leg.amount, leg.entry, leg.changed_ms = amount, D(row["ep"]), at
        return key

    def _order(self, o: dict[str, Any], at: int) -> LegKey:
        if o["X"] in RESTING:
            total = D(o["q"])
            known = self.orders.get(o["i"])
            self.orders[o["i"]] = Resting(
                "regular",
                o["i"],
                o["c"],
                o["s"],
                o["ps"],
                o["S"],
                o["o"],
                D(o["p"]),
                D(0),
                total - D(o["z"]),
                total,
                close_position=False,
                reduce_only=bool(o["R"]),
                status=o["X"],
                since_ms=known.since_ms if known is not None else at,
            )
        else:
            self.orders.pop(o["i"], None)
        return o["s"], o["ps"]

    def _algo(self, o: dict[str, Any], at: int) -> LegKey:
        if o["X"] in {"NEW", "TRIGGERING"}:
            known = self.algos.get(o["aid"])
            self.algos[o["aid"]] = Resting(
                "algo",
                o["aid"],
                o["caid"],
                o["s"],
                o["ps"],
                o["S"],
                o["o"],
                D(o["p"]),
                D(o["tp"]),
                D(o["q"]),
                D(o["q"]),
                close_position=bool(o["cp"]),
                reduce_only=bool(o["R"]),
                status=o["X"],
                since_ms=known.since_ms if known is not None else at,
            )
        else:
            self.algos.pop(o["aid"], None)
        return o["s"], o["ps"]

    def read(self, rows: list[dict[str, Any]], at: int) -> None:
        """What an open-orders read of the algo surface showed."""
        for row in rows:
            if row.get("algoStatus") not in {"NEW", "TRIGGERING"}:
                self.algos.pop(row.get("algoId", 0), None)
                continue
            fields = {
                "aid": row["algoId"],
                "caid": row["clientAlgoId"],
                "s": row["symbol"],
                "ps": row["positionSide"],
                "S": row["side"],
                "o": row["orderType"],
                "X": row["algoStatus"],
                "tp": row.get("triggerPrice") or "0",
                "p": row.get("price") or "0",
                "q": row.get("quantity") or "0",
                "cp": row["closePosition"],
                "R": row["reduceOnly"],
            }
            self._algo(fields, at)

    def read_ends(self, rows: list[dict[str, Any]], symbol: str, truth: "Scene") -> None:
        """Regular orders whose end no frame told of: a read of open orders (all, or those of `symbol`) shows
        them no more. A lagging read ends none that is still in the `truth`.
        """
        shown = {row["orderId"] for row in rows} | truth.orders.keys()
        for venue_id, order in list(self.orders.items()):
            if venue_id not in shown and symbol in {"", order.symbol}:
                del self.orders[venue_id]

    def read_positions(self, rows: list[dict[str, Any]], at: int, symbol: str, asked_ms: int) -> None:
        """What a position read showed; legs that it covers (all, or those of `symbol`) and lacks are flat.

        An answer that comes late takes nothing back that a frame has told of since (O-9).
        """
        keys: set[LegKey] = set()
        for row in rows:
            key, changed = (row["symbol"], row["positionSide"]), int(row["updateTime"])
            keys.add(key)
            leg = self.legs.get(key)
            if leg is None or leg.changed_ms <= changed:
                self._position(_frame_row(row), at)
                self.legs[key].changed_ms = changed
        for key, leg in self.legs.items():
            missing = key not in keys and symbol in {"", key[0]}
            if missing and leg.changed_ms <= asked_ms:
                leg.amount = D(0)

    def bare(self, key: LegKey) -> bool:
        """The leg is open and no stop at all rests for it, of whatever size."""
        amount = self.amount(key)
        stops = (o for o in self.resting(key) if o.is_stop and o.status == "NEW" and o.closes(amount))
        return bool(amount) and next(stops, None) is None

    def amount(self, key: LegKey) -> Decimal:
        leg = self.legs.get(key)
        return leg.amount if leg is not None else D(0)

    def resting(self, key: LegKey, *, ours: bool | None = None) -> Iterator[Resting]:
        """Open orders of a leg, regular ones first."""
        for order in (*self.orders.values(), *self.algos.values()):
            if order.key == key and (ours is None or self.owns(order.client_id) is ours):
                yield order

    def covered(self, key: LegKey, *, ours: bool | None = None) -> bool:
        """The leg is flat or has a stop for its full size."""
        amount = self.amount(key)
        return not amount or any(o.covers(amount, self.tolerance) for o in self.resting(key, ours=ours))


def _frame_row(row: dict[str, Any]) -> dict[str, Any]:
    return {"s": row["symbol"], "ps": row["positionSide"], "pa": row["positionAmt"], "ep": row["entryPrice"]}
