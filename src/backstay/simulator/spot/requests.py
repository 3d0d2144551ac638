"""Reading Spot's parameters: strings in, values out, Spot's own refusal when they are not valid."""

import re
from decimal import Decimal

from backstay.simulator.errors import Refusal
from backstay.simulator.numbers import places
from backstay.simulator.requests import (
    Params,
    decimal,
    flag,
    integer,
    limit,
    required,
    text,
)
from backstay.simulator.spot.errors import refusal
from backstay.simulator.spot.specs import SpotSpec
from backstay.simulator.spot.world import SpotWorld

__all__ = [
    "Params",
    "choice",
    "client_id",
    "decimal",
    "flag",
    "forbid",
    "integer",
    "limit",
    "positive",
    "required",
    "symbol",
    "text",
    "which",
    "window",
]
_LEGAL_ID = "^[a-zA-Z0-9-_]{1,36}$"
_CLIENT_ID = re.compile(r"[a-zA-Z0-9\-_]{1,36}")
SIDES = ("BUY", "SELL")
TIFS = ("GTC", "IOC", "FOK")
STP = ("NONE", "EXPIRE_MAKER", "EXPIRE_TAKER", "EXPIRE_BOTH", "DECREMENT", "TRANSFER")
RESPONSES = ("ACK", "RESULT", "FULL")


def choice(params: Params, name: str, allowed: tuple[str, ...], code: int, default: str | None = None) -> str:
    """One of `allowed`; another value is refused with `code`, absence with -1102 without a default."""
    value = text(params, name)
    if value is None:
        if default is None:
            raise refusal(-1102, name)
        return default
    if value not in allowed:
        raise refusal(code, name)
    return value


def positive(params: Params, name: str, what: str) -> Decimal | None:
    """A number above zero with at most eight decimals (-1013, -1111); None where absent."""
    value = decimal(params, name)
    if value is None:
        return None
    if value <= 0:
        raise refusal(-1013, what)
    if places(value) > 8:
        raise refusal(-1111, name)
    return value


def needed(params: Params, name: str, what: str) -> Decimal:
    value = positive(params, name, what)
    if value is None:
        raise refusal(-1102, name)
    return value


def client_id(params: Params, name: str) -> str | None:
    """A client id that obeys the rule, or None where none was sent. -1100 otherwise."""
    value = params.get(name)
    if not value:
        return None
    if not _CLIENT_ID.fullmatch(value):
        raise refusal(-1100, name, _LEGAL_ID)
    return value


def symbol(world: SpotWorld, params: Params) -> SpotSpec:
    return world.spec(required(params, "symbol"))


def forbid(params: Params, *names: str) -> None:
    for name in names:
        if params.get(name) is not None:
            raise refusal(-1106, name)


def which(params: Params, id_name: str, client_name: str) -> tuple[int | None, str | None]:
    """(order id, client id). -1102 when both are absent."""
    number = integer(params, id_name)
    client = params.get(client_name) or None
    if number is None and client is None:
        raise Refusal(-1102, f"Param '{client_name}' or '{id_name}' must be sent, but both were empty/null!")
    return number, client


def moment(params: Params, name: str) -> int | None:
    """A time in ns: milliseconds, or microseconds where it has sixteen digits."""
    value = integer(params, name)
    if value is None:
        return None
    return value * (1_000 if value >= 10**15 else 1_000_000)


def window(params: Params, hours: int) -> tuple[int | None, int | None]:
    """(start, end) in ns; refused when reversed (-1128) or wider than `hours` (-1127)."""
    start, end = moment(params, "startTime"), moment(params, "endTime")
    if start is not None and end is not None:
        if start > end:
            raise refusal(-1128)
        if end - start > hours * 3_600_000_000_000:
            raise refusal(-1127, hours)
    return start, end
