"""The auditor: watches what the venue itself sees, and trusts nothing that the product says.

It hears the venue's private events at the moment they are made and reads the venue's own request log. From
these alone it tells how long positions stood without a stop, whether anything was sent twice, and whether
anything that is not ours was touched.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import msgspec

STOPS = ("STOP_MARKET", "STOP", "TRAILING_STOP_MARKET")
LIVE = ("NEW", "TRIGGERING")
TWIN_MAX_MS = 1_000
"""Two equal orders of ours may stand for so long."""
MUTATIONS = ("POST", "PUT", "DELETE")


class NakedWindow(msgspec.Struct, frozen=True):
    """A time during which a position had no stop at the venue; ms of venue time."""

    symbol: str
    side: str
    from_ms: int
    ms: int
    opened: bool
    """The window began with the position; otherwise a stop went away under it."""
    closed_by: str
    """`stop`, `flat`, or `end` of the watch."""


class _Leg:
    def __init__(self) -> None:
        self.amount = Decimal(0)
        self.stops: dict[int, tuple[str, Decimal, bool]] = {}
        self.naked_from: int | None = None
        self.opened = False
        self.guarded = False
        self.life = 0
        """Counts the positions of this leg: a stop of the last one is no twin of this one's."""


class Auditor:
    """Feed it with `event` (private frames, in the venue's order) and ask afterwards.

    `owns` tells from a custom id whether an order is the product's.
    """

    def __init__(self, owns: Callable[[str], bool]) -> None:
        self._owns = owns
        self._legs: dict[tuple[str, str], _Leg] = {}
        self._live: dict[tuple[str, int], tuple[str, ...]] = {}
        self._twins: dict[tuple[str, int], tuple[tuple[str, int], int]] = {}
        self.windows: list[NakedWindow] = []
        self.positions_opened = 0
        self.positions_guarded = 0
        """Positions that had a stop of their full size at some time."""
        self.stops_placed = 0
        self.duplicates: list[str] = []
        self.foreign_touched: list[str] = []
        self.now_ms = 0

    def event(self, frame: dict[str, Any]) -> None:
        kind = frame["e"]
        self.now_ms = max(self.now_ms, int(frame.get("T", frame["E"])))
        if kind == "ACCOUNT_UPDATE":
            for row in frame["a"].get("P", ()):
                self._position(row, int(frame["T"]))
        elif kind == "ALGO_UPDATE":
            self._algo(frame["o"], int(frame["T"]))
        elif kind == "ORDER_TRADE_UPDATE":
            self._order(frame["o"])

    def _leg(self, symbol: str, side: str) -> _Leg:
        return self._legs.setdefault((symbol, side), _Leg())

    def _position(self, row: dict[str, Any], at: int) -> None:
        leg = self._leg(row["s"], row["ps"])
        before, leg.amount = leg.amount, Decimal(row["pa"])
        if leg.amount and (not before or (before > 0) != (leg.amount > 0)):
            self.positions_opened += 1
            leg.guarded = False
            leg.life += 1
            self._close(row["s"], row["ps"], leg, at, "flat")
        self._judge(row["s"], row["ps"], leg, at, opened=not before)

    def _algo(self, o: dict[str, Any], at: int) -> None:
        if o["o"] not in STOPS:
            return
        leg = self._leg(o["s"], o["ps"])
        if o["X"] in LIVE:
            if o["aid"] not in leg.stops and self._owns(o["caid"]):
                self.stops_placed += 1
                shape = (o["s"], o["ps"], o["S"], o["o"], o["tp"], o["q"], str(o["cp"]), str(leg.life))
                self._twin(("algo", int(o["aid"])), shape)
            leg.stops[o["aid"]] = (o["S"], Decimal(o["q"] or 0), bool(o["cp"]))
        else:
            leg.stops.pop(o["aid"], None)
            self._ended(("algo", int(o["aid"])), at, worked=o["X"] in ("TRIGGERED", "FINISHED"))
        self._judge(o["s"], o["ps"], leg, at, opened=False)

    def _order(self, o: dict[str, Any]) -> None:
        key = ("regular", int(o["i"]))
        if o["X"] in ("NEW", "PARTIALLY_FILLED"):
            if self._owns(o["c"]) and key not in self._live and o["o"] == "LIMIT":
                life = str(self._leg(o["s"], o["ps"]).life)
                self._twin(key, (o["s"], o["ps"], o["S"], o["o"], o["p"], o["q"], str(o["R"]), life))
        else:
            self._ended(key, self.now_ms, worked=o["X"] == "FILLED")

    def _twin(self, key: tuple[str, int], shape: tuple[str, ...]) -> None:
        """Two live orders of ours that are the same order: a duplicate, unless one goes at once.

        A stop that was on its way to a position which was closed and opened again meanwhile is such a one.
        """
        for other, known in self._live.items():
            if known == shape:
                self._twins[key] = (other, self.now_ms)
        self._live[key] = shape

    def _ended(self, key: tuple[str, int], at: int, *, worked: bool) -> None:
        for twin, (other, since) in list(self._twins.items()):
            if key in (twin, other):
                del self._twins[twin]
                if worked or at - since > TWIN_MAX_MS:
                    self.duplicates.append(f"{key[0]} {self._live.get(key)} rested twice for {at - since} ms")
        self._live.pop(key, None)

    def _judge(self, symbol: str, side: str, leg: _Leg, at: int, *, opened: bool) -> None:
        closing = "SELL" if leg.amount > 0 else "BUY"
        covered = any(s == closing and (cp or q >= abs(leg.amount)) for s, q, cp in leg.stops.values())
        if leg.amount and not covered:
            if leg.naked_from is None:
                leg.naked_from, leg.opened = at, opened
        else:
            self._close(symbol, side, leg, at, "stop" if leg.amount else "flat")
            if leg.amount and not leg.guarded:
                leg.guarded = True
                self.positions_guarded += 1

    def _close(self, symbol: str, side: str, leg: _Leg, at: int, by: str) -> None:
        if leg.naked_from is not None:
            ms = max(at - leg.naked_from, 0)
            self.windows.append(NakedWindow(symbol, side, leg.naked_from, ms, leg.opened, by))
            leg.naked_from = None

    def finish(self, now_ms: int) -> None:
        """The watch ends: what is still naked or there twice counts up to now."""
        for key, (_, since) in self._twins.items():
            self.duplicates.append(f"{key[0]} {self._live.get(key)} rests twice for {now_ms - since} ms")
        self._twins.clear()
        for (symbol, side), leg in self._legs.items():
            if leg.naked_from is not None:
                self._close(symbol, side, leg, now_ms, "end")

    @property
    def unprotected_now(self) -> int:
        return sum(1 for leg in self._legs.values() if leg.naked_from is not None)

    def read_requests(self, rows: Iterable[dict[str, Any]]) -> None:
        """Go through the venue's request log: ids sent twice, orders touched that are not ours."""
        seen: dict[str, int] = {}
        for row in rows:
            if row["method"] not in MUTATIONS and "." not in row["method"]:
                continue
            endpoint, params = row["endpoint"], row["params"]
            if endpoint in ("POST /fapi/v1/order", "POST /fapi/v1/algoOrder"):
                name = params.get("newClientOrderId") or params.get("clientAlgoId", "")
                seen[name] = seen.get(name, 0) + 1
                if seen[name] == 2:
                    self.duplicates.append(f"{endpoint} was sent twice as {name}")
            elif endpoint.startswith(("DELETE /fapi/v1/", "PUT /fapi/v1/")) and "rder" in endpoint:
                name = params.get("origClientOrderId") or params.get("clientAlgoId", "")
                if not self._owns(name):
                    self.foreign_touched.append(f"{endpoint} {name or params}")


def percentiles(windows: Iterable[NakedWindow]) -> dict[str, float]:
    """p50, p99 and max of the windows' lengths in ms; zeros when there are none."""
    lengths = sorted(w.ms for w in windows)
    if not lengths:
        return {"p50": 0.0, "p99": 0.0, "max": 0.0}

    def at(share: float) -> float:
        return float(lengths[min(len(lengths) - 1, int(share * len(lengths)))])

    return {"p50": at(0.5), "p99": at(0.99), "max": float(lengths[-1])}
