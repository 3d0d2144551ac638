"""Rate-limit arithmetic: calendar buckets, what they still hold, and for whom. Nothing waits here.

Sources: binance.md 4, exchange-state 8.1 (-1003, 429, 418) and 12 (protective reserve first). Times are
venue time in ns. Several processes may share one address, so whatever count the venue reports is adopted.
"""

from enum import StrEnum
from typing import Final

import msgspec

from backstay.binance.wire import endpoints
from backstay.core.types import SECOND, TimeNs

DAY: Final = 24 * 3600 * SECOND


class Kind(StrEnum):
    """For whom a request is; the reserve is kept for the last two."""

    READ = "read"
    EXPOSURE = "exposure"
    PROTECTIVE = "protective"
    CANCEL = "cancel"


class Admit(msgspec.Struct, frozen=True):
    """Go ahead; weight and orders are booked."""


class Delay(msgspec.Struct, frozen=True):
    """Not before `until`, and then ask again; nothing is booked."""

    until: TimeNs
    reason: str


class Halted(msgspec.Struct, frozen=True):
    """The venue banned this address: nothing may be sent until an operator releases the budget."""

    reason: str


_ADMIT: Final = Admit()
_RESERVED: Final = frozenset({Kind.PROTECTIVE, Kind.CANCEL})


class Bucket:
    """One counter of the venue: it starts again at every full interval of the calendar."""

    __slots__ = ("_start", "_used", "capacity", "interval", "reserve")

    def __init__(self, capacity: int, interval: TimeNs, reserve: int) -> None:
        """Raises ValueError for a reserve that leaves nothing to others."""
        if not 0 <= reserve < capacity or interval <= 0:
            raise ValueError(f"a bucket of {capacity} cannot keep {reserve} in reserve")
        self.capacity = capacity
        self.interval = interval
        self.reserve = reserve
        self._start = 0
        self._used = 0

    def used(self, now: TimeNs) -> int:
        self._turn(now)
        return self._used

    def holds(self, cost: int, now: TimeNs, *, reserved: bool) -> bool:
        """Whether `cost` still fits; only `reserved` requests may use the reserve."""
        self._turn(now)
        return self._used + cost <= self.capacity - (0 if reserved else self.reserve)

    def book(self, cost: int) -> None:
        self._used += cost

    def adopt(self, used: int, now: TimeNs) -> None:
        """Take the venue's count; requests that are still on their way are not in it, so it only raises."""
        self._turn(now)
        self._used = max(self._used, used)

    def edge(self, now: TimeNs) -> TimeNs:
        """When the counter starts again."""
        return now - now % self.interval + self.interval

    def resize(self, capacity: int) -> None:
        """Adopt another capacity; the reserve keeps its share. Raises ValueError when there is none."""
        if capacity <= 0:
            raise ValueError(f"a limit of {capacity} requests is not usable")
        self.reserve = self.reserve * capacity // self.capacity
        self.capacity = capacity

    def _turn(self, now: TimeNs) -> None:
        start = now - now % self.interval
        # A clock that was set back within the offset correction must not empty the bucket.
        if start > self._start:
            self._start = start
            self._used = 0


def _longer(held: Delay, new: Delay) -> Delay:
    return new if new.until > held.until else held


class Budget:
    """What one account's process may still send.

    Reads and exposure leave a reserve in every bucket, which protective orders and cancels may use.
    """

    def __init__(
        self,
        *,
        weight_per_minute: int = endpoints.WEIGHT_PER_MINUTE,
        orders_per_10s: int = endpoints.ORDERS_PER_10S,
        orders_per_minute: int = endpoints.ORDERS_PER_MINUTE,
        orders_per_day: int = 0,
        reserve_percent: int = 20,
    ) -> None:
        """`orders_per_day` > 0: orders are counted by the day instead of by the minute, as on spot.

        Raises ValueError for limits or a reserve that leave nothing.
        """
        window, orders = (DAY, orders_per_day) if orders_per_day else (60 * SECOND, orders_per_minute)
        self._long_name = "orders_1d" if orders_per_day else "orders_1m"
        self.weight = Bucket(weight_per_minute, 60 * SECOND, weight_per_minute * reserve_percent // 100)
        self.orders_10s = Bucket(orders_per_10s, 10 * SECOND, orders_per_10s * reserve_percent // 100)
        self.orders_long = Bucket(orders, window, orders * reserve_percent // 100)
        self._paused = self._paused_reserved = Delay(0, "")
        self._orders_paused = self._orders_paused_reserved = Delay(0, "")
        self._halted: Halted | None = None

    def admit(self, kind: Kind, weight: int, now: TimeNs, *, orders: int = 0) -> Admit | Delay | Halted:
        """Ask for one request; an `Admit` books it at once."""
        if self._halted is not None:
            return self._halted
        paused = self._paused_reserved if kind in _RESERVED else self._paused
        if now < paused.until:
            return paused
        held = self._orders_paused_reserved if kind in _RESERVED else self._orders_paused
        if orders and now < held.until:
            return held
        reserved = kind in _RESERVED
        if weight and not self.weight.holds(weight, now, reserved=reserved):
            return Delay(self.weight.edge(now), "request weight of this minute is used up")
        if orders:
            if not self.orders_10s.holds(orders, now, reserved=reserved):
                return Delay(self.orders_10s.edge(now), "order count of these 10 seconds is used up")
            if not self.orders_long.holds(orders, now, reserved=reserved):
                return Delay(self.orders_long.edge(now), f"order count ({self._long_name}) is used up")
            self.orders_10s.book(orders)
            self.orders_long.book(orders)
        if weight:
            self.weight.book(weight)
        return _ADMIT

    def adopt(
        self,
        now: TimeNs,
        *,
        weight: int | None = None,
        orders_10s: int | None = None,
        orders_long: int | None = None,
    ) -> None:
        """Take over counters of a response. The caller leaves out those of `endpoints.UNRELIABLE_WEIGHT`."""
        if weight is not None:
            self.weight.adopt(weight, now)
        if orders_10s is not None:
            self.orders_10s.adopt(orders_10s, now)
        if orders_long is not None:
            self.orders_long.adopt(orders_long, now)

    def adopt_limits(
        self, *, weight: int | None = None, orders_10s: int | None = None, orders_long: int | None = None
    ) -> None:
        """Take over capacities of exchangeInfo. Raises ValueError for a limit that is not positive."""
        if weight is not None:
            self.weight.resize(weight)
        if orders_10s is not None:
            self.orders_10s.resize(orders_10s)
        if orders_long is not None:
            self.orders_long.resize(orders_long)

    def pause(
        self, until: TimeNs, reason: str, *, orders_only: bool = False, reserved_until: TimeNs = 0
    ) -> None:
        """Admit nothing before `until` (429, -1003), or no orders (-1015: cancels and reads go on).

        A pause only grows. `reserved_until`: protective orders and cancels wait no longer than this, which is
        what the venue asked for.
        """
        rest, reserved = Delay(until, reason), Delay(reserved_until or until, reason)
        if orders_only:
            self._orders_paused = _longer(self._orders_paused, rest)
            self._orders_paused_reserved = _longer(self._orders_paused_reserved, reserved)
            return
        self._paused = _longer(self._paused, rest)
        self._paused_reserved = _longer(self._paused_reserved, reserved)

    def halt(self, reason: str) -> None:
        """418 or a ban: admit nothing until `release`."""
        self._halted = Halted(reason)

    def release(self) -> None:
        """The operator's word that a ban is over."""
        self._halted = None

    @property
    def halted(self) -> bool:
        return self._halted is not None

    def headroom(self, now: TimeNs) -> dict[str, int]:
        """Units left per bucket, the reserve included: for a status page."""
        return {
            "weight_1m": self.weight.capacity - self.weight.used(now),
            "orders_10s": self.orders_10s.capacity - self.orders_10s.used(now),
            self._long_name: self.orders_long.capacity - self.orders_long.used(now),
        }

    def used(self, now: TimeNs) -> dict[str, float]:
        """Share of each bucket that is used up, 0 to 1."""
        buckets = {"weight_1m": self.weight, "orders_10s": self.orders_10s, self._long_name: self.orders_long}
        return {name: bucket.used(now) / bucket.capacity for name, bucket in buckets.items()}
