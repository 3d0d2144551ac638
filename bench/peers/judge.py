"""The judge: from what the venue told and knows alone, what became of the account under a fault.

Pure: a record in, a verdict out. A record holds `frames` (the private events in the venue's order, before any
fault of the wire), `requests` (the venue's log), `truth` (its final books), and what the case intended.
What a client says of itself is not in it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from math import ceil
from typing import Any

STOPS = ("STOP_MARKET", "STOP", "TRAILING_STOP_MARKET")
LIVE = ("NEW", "PARTIALLY_FILLED")
STUCK_MS = 1000
"""A stop that is still TRIGGERING after this long protects nobody."""
TWIN_MS = 2000
"""Two orders for one purpose beside each other: a replacement is done by then, a duplicate stays."""


@dataclass(frozen=True)
class Verdict:
    """Times are ms of venue time.

    naked: a position had no stop, or stops for less than its size, summed over the run and the longest.
    duplicates: orders of the client beyond those that its position needed, which lived for more than
    `TWIN_MS`, and entries that filled twice. orphans: its orders left resting at the end where no position
    is; one that hangs in TRIGGERING is none, for nobody could take it back. foreign: orders of the owner's
    hand that the client cancelled or changed. recovered: the account is right at the end: guarded or flat,
    nothing left over, nothing foreign touched, the process alive.
    """

    naked_ms: int
    longest_ms: int
    duplicates: int
    orphans: int
    foreign: int
    position: str
    """At the end: `guarded`, `flat`, `naked`, `reversed` or `oversized`."""
    recovered: bool
    notes: tuple[str, ...] = ()


@dataclass
class _Order:
    own: bool
    leg: str
    side: str
    stop: bool
    qty: Decimal
    whole: bool
    exits: bool
    triggering: int | None = None


@dataclass
class _Leg:
    amount: Decimal = Decimal(0)
    naked_from: int | None = None
    surplus: dict[str, list[int]] = field(default_factory=dict)
    """purpose -> since when there was one order too many, two too many ..."""


class _Watch:
    """The account as its events tell it, one after the other."""

    def __init__(self, owner_ids: set[str]) -> None:
        self._by_hand = owner_ids
        self._orders: dict[tuple[str, int], _Order] = {}
        self._legs: dict[str, _Leg] = {}
        self._now = 0
        self.naked: list[int] = []
        self.twins = 0
        self.left = 0
        """Of the twins, those that are there at the end."""

    def frame(self, frame: Mapping[str, Any]) -> None:
        self._go_to(int(frame.get("T", frame["E"])))
        kind = frame["e"]
        if kind == "ACCOUNT_UPDATE":
            for row in frame["a"].get("P", ()):
                self._legs.setdefault(row["ps"], _Leg()).amount = Decimal(row["pa"])
        elif kind == "ALGO_UPDATE":
            self._algo(frame["o"])
        elif kind == "ORDER_TRADE_UPDATE":
            self._order(frame["o"])
        self._look()

    def finish(self, now: int) -> None:
        self._go_to(now)
        self._look()
        for leg in self._legs.values():
            self._clothed(leg)
            before = self.twins
            leg.surplus = {name: self._outlived(since, 0) for name, since in leg.surplus.items()}
            self.left += self.twins - before

    def _go_to(self, now: int) -> None:
        """Time passes; a stop that is stuck stops counting at its own moment."""
        due = [o.triggering + STUCK_MS for o in self._orders.values() if o.triggering is not None]
        for moment in sorted(m for m in due if self._now < m <= now):
            self._now = moment
            self._look()
        self._now = max(self._now, now)

    def _algo(self, o: Mapping[str, Any]) -> None:
        key = ("algo", int(o["aid"]))
        if o["X"] not in {"NEW", "TRIGGERING"}:
            self._orders.pop(key, None)
            return
        whole = bool(o["cp"])
        order = self._orders.setdefault(
            key,
            _Order(
                own=o["caid"] not in self._by_hand,
                leg=o["ps"],
                side=o["S"],
                stop=o["o"] in STOPS,
                qty=Decimal(o["q"] or 0),
                whole=whole,
                exits=True,
            ),
        )
        if o["X"] == "TRIGGERING" and order.triggering is None:
            order.triggering = self._now

    def _order(self, o: Mapping[str, Any]) -> None:
        key = ("regular", int(o["i"]))
        if o["X"] not in LIVE or o["o"] != "LIMIT":
            self._orders.pop(key, None)
            return
        exits = bool(o["R"]) or (o["ps"], o["S"]) in {("LONG", "SELL"), ("SHORT", "BUY")}
        left = Decimal(o["q"]) - Decimal(o["z"])
        self._orders[key] = _Order(o["c"] not in self._by_hand, o["ps"], o["S"], False, left, False, exits)

    def _closing(self, name: str, leg: _Leg) -> list[_Order]:
        side = "SELL" if leg.amount > 0 else "BUY"
        return [o for o in self._orders.values() if o.leg == name and o.side == side and o.exits]

    def _protects(self, order: _Order) -> bool:
        stuck = order.triggering is not None and self._now >= order.triggering + STUCK_MS
        return order.stop and not stuck

    def _look(self) -> None:
        for name, leg in self._legs.items():
            closing = self._closing(name, leg) if leg.amount else []
            stops = [o for o in closing if self._protects(o)]
            size = abs(leg.amount)
            covered = sum((size if o.whole else o.qty for o in stops), Decimal(0)) >= size
            if leg.amount and not covered:
                leg.naked_from = self._now if leg.naked_from is None else leg.naked_from
            else:
                self._clothed(leg)
            takers = [o for o in closing if not o.stop]
            entries = sum(1 for o in self._orders.values() if o.leg == name and o.own and not o.exits)
            extras = {
                "stop": _surplus([o for o in stops if o.own], size),
                "profit": _surplus([o for o in takers if o.own], size),
                "entry": max(0, entries - 1),
            }
            for purpose, extra in extras.items():
                leg.surplus[purpose] = self._outlived(leg.surplus.get(purpose, []), extra)

    def _outlived(self, since: list[int], extra: int) -> list[int]:
        """Brings the list to `extra` members; those that leave it have been twins if they were long."""
        gone = since[extra:]
        self.twins += sum(1 for moment in gone if self._now - moment > TWIN_MS)
        return [*since[:extra], *[self._now] * (extra - len(since))]

    def _clothed(self, leg: _Leg) -> None:
        if leg.naked_from is not None:
            self.naked.append(self._now - leg.naked_from)
            leg.naked_from = None


def _surplus(orders: list[_Order], size: Decimal) -> int:
    """How many of these could go with the rest still being enough for the position."""
    needed, covered = 0, Decimal(0)
    for order in sorted(orders, key=lambda o: size if o.whole else o.qty, reverse=True):
        if covered >= size:
            break
        covered += size if order.whole else order.qty
        needed += 1
    return len(orders) - needed


def judge(record: Mapping[str, Any]) -> Verdict:
    """`record`: frames, requests, truth, ended_ms, intended (leg -> signed size at most), exits."""
    truth = record["truth"]
    by_hand = {
        row.get("clientOrderId") or row.get("clientAlgoId")
        for row in [*truth["orders"], *truth["algo_orders"]]
        if row["origin"] == "human"
    }
    watch = _Watch(by_hand)
    for frame in record["frames"]:
        watch.frame(frame)
    watch.finish(int(record["ended_ms"]))

    positions = {row["positionSide"]: Decimal(row["positionAmt"]) for row in truth["positions"]}
    intended = {leg: Decimal(size) for leg, size in record["intended"].items()}
    state = _state(positions, intended, truth)
    orphans = _orphans(positions, truth)
    foreign = _foreign(record["requests"], truth)
    double = _double_entries(truth, intended) if record.get("enters", True) else 0
    duplicates = watch.twins + double
    dead = [f"process ended by itself (exit {e['code']})" for e in record.get("exits", ())]
    right = state in {"guarded", "flat"} and not watch.left and not orphans and not foreign
    return Verdict(
        naked_ms=sum(watch.naked),
        longest_ms=max(watch.naked, default=0),
        duplicates=duplicates,
        orphans=orphans,
        foreign=foreign,
        position=state,
        recovered=right and not dead,
        notes=tuple(dead),
    )


def _state(
    positions: Mapping[str, Decimal], intended: Mapping[str, Decimal], truth: Mapping[str, Any]
) -> str:
    if not positions:
        return "flat"
    for leg, amount in positions.items():
        wanted = intended.get(leg, Decimal(0))
        if wanted and (wanted > 0) != (amount > 0):
            return "reversed"
        if abs(amount) > abs(wanted):
            return "oversized"
    for leg, amount in positions.items():
        side = "SELL" if amount > 0 else "BUY"
        cover = Decimal(0)
        for row in truth["algo_orders"]:
            if (row["positionSide"], row["side"], row["algoStatus"]) != (leg, side, "NEW"):
                continue
            if row["orderType"] in STOPS:
                cover += abs(amount) if row["closePosition"] else Decimal(row["quantity"])
        if cover < abs(amount):
            return "naked"
    return "guarded"


def _orphans(positions: Mapping[str, Decimal], truth: Mapping[str, Any]) -> int:
    regular = [o for o in truth["orders"] if o["status"] in LIVE]
    algo = [o for o in truth["algo_orders"] if o["algoStatus"] == "NEW"]
    return sum(1 for o in [*regular, *algo] if o["origin"] != "human" and o["positionSide"] not in positions)


def _foreign(requests: Iterable[Mapping[str, Any]], truth: Mapping[str, Any]) -> int:
    """The owner's orders that requests of the client's keys named, or swept away with all others."""
    ids = {
        str(row[name])
        for row in [*truth["orders"], *truth["algo_orders"]]
        if row["origin"] == "human"
        for name in ("orderId", "algoId", "clientOrderId", "clientAlgoId")
        if row.get(name)
    }
    touched: set[str] = set()
    for row in requests:
        method, _, path = row["endpoint"].partition(" ")
        if method not in {"DELETE", "PUT"} or "rder" not in path or row["status"] != 200:
            continue
        if path in {"/fapi/v1/allOpenOrders", "/fapi/v1/algoOpenOrders"}:
            touched |= _swept(path, row, truth)
        touched |= ids & {str(v) for v in row["params"].values()}
    return len(touched)


def _swept(path: str, row: Mapping[str, Any], truth: Mapping[str, Any]) -> set[str]:
    """The owner's orders that ended in the moment of a cancel-all."""
    name, key = ("algo_orders", "algoId") if "algo" in path else ("orders", "orderId")
    at = int(row["at"]) // 1_000_000
    return {
        str(o[key])
        for o in truth[name]
        if o["origin"] == "human"
        and (o.get("status") or o.get("algoStatus")) == "CANCELED"
        and abs(int(o["updateTime"]) - at) <= 5
    }


def _double_entries(truth: Mapping[str, Any], intended: Mapping[str, Decimal]) -> int:
    """Entries of the client beyond the one per leg that was wanted, by what they filled."""
    opening: dict[str, Decimal] = {}
    for order in truth["orders"]:
        leg, side = order["positionSide"], order["side"]
        wanted = intended.get(leg, Decimal(0))
        if order["origin"] == "api" and not order["reduceOnly"] and side == ("BUY" if wanted > 0 else "SELL"):
            opening[leg] = opening.get(leg, Decimal(0)) + Decimal(order["executedQty"])
    times = (ceil(opening.get(leg, Decimal(0)) / abs(wanted)) for leg, wanted in intended.items() if wanted)
    return sum(max(0, n - 1) for n in times)
