"""Rate-limit arithmetic. SIGNATURES ARE STABLE, bodies follow. Nothing waits here."""

from enum import StrEnum

import msgspec

from backstay.core.types import TimeNs


class Kind(StrEnum):
    READ = "read"
    EXPOSURE = "exposure"
    PROTECTIVE = "protective"
    CANCEL = "cancel"


class Admit(msgspec.Struct, frozen=True): ...


class Delay(msgspec.Struct, frozen=True):
    until: TimeNs
    reason: str


class Halted(msgspec.Struct, frozen=True):
    """418 or a ban: only release() ends it."""

    reason: str


class Budget:
    """`now` is venue time in ns everywhere."""

    def admit(self, kind: Kind, weight: int, now: TimeNs, *, orders: int = 0) -> Admit | Delay | Halted:
        """Admit books weight and orders at once."""
        raise NotImplementedError

    def adopt(self, now: TimeNs, *, weight: int | None = None, orders_10s: int | None = None, orders_1m: int | None = None) -> None:
        raise NotImplementedError

    def adopt_limits(self, *, weight: int | None = None, orders_10s: int | None = None, orders_1m: int | None = None) -> None:
        """capacities out of exchangeInfo"""
        raise NotImplementedError

    def pause(self, until: TimeNs, reason: str, *, orders_only: bool = False) -> None:
        """429 / -1003 (all), -1015 (orders only: cancels and reads go on)"""
        raise NotImplementedError

    def halt(self, reason: str) -> None:
        """418"""
        raise NotImplementedError

    def release(self) -> None:
        raise NotImplementedError

    @property
    def halted(self) -> bool:
        raise NotImplementedError
