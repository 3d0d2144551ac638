"""Reading parameters as the venue does: strings in, values out, its own refusal when they are not valid."""

import re
from collections.abc import Mapping
from decimal import Decimal

from backstay.simulator.errors import Refusal, refusal
from backstay.simulator.numbers import number
from backstay.simulator.specs import SymbolSpec
from backstay.simulator.world import World

Params = Mapping[str, str]
_CLIENT_ID = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")
SIDES = ("BUY", "SELL")
POSITION_SIDES = ("BOTH", "LONG", "SHORT")
STP_MODES = ("EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "NONE")
TIFS = ("GTC", "IOC", "FOK", "GTX", "GTD", "RPI")
PRICE_MATCHES = (
    "OPPONENT",
    "OPPONENT_5",
    "OPPONENT_10",
    "OPPONENT_20",
    "QUEUE",
    "QUEUE_5",
    "QUEUE_10",
    "QUEUE_20",
)


def text(params: Params, name: str) -> str | None:
    """The value, or None where it is absent. Present but empty is malformed (-1102)."""
    value = params.get(name)
    if value is None:
        return None
    if value == "":
        raise refusal(-1102, name)
    return value


def required(params: Params, name: str) -> str:
    value = text(params, name)
    if value is None:
        raise refusal(-1102, name)
    return value


def decimal(params: Params, name: str) -> Decimal | None:
    value = text(params, name)
    if value is None:
        return None
    parsed = number(value)
    if parsed is None:
        raise refusal(-1102, name)
    return parsed


def required_decimal(params: Params, name: str) -> Decimal:
    value = decimal(params, name)
    if value is None:
        raise refusal(-1102, name)
    return value


def integer(params: Params, name: str) -> int | None:
    value = text(params, name)
    if value is None:
        return None
    if not re.fullmatch(r"-?[0-9]{1,18}", value):
        raise refusal(-1102, name)
    return int(value)


def limit(params: Params, default: int, most: int) -> int:
    value = integer(params, "limit")
    if value is None:
        return default
    if not 1 <= value <= most:
        raise refusal(-1130, "limit")
    return value


def flag(params: Params, name: str) -> bool | None:
    """True or false by its word, in any case of letters; None where absent."""
    value = text(params, name)
    if value is None:
        return None
    lowered = value.lower()
    if lowered not in {"true", "false"}:
        raise refusal(-1130, name)
    return lowered == "true"


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


def symbol(world: World, params: Params) -> SymbolSpec:
    return world.spec(required(params, "symbol"))


def optional_symbol(world: World, params: Params) -> SymbolSpec | None:
    name = text(params, "symbol")
    return None if name is None else world.spec(name)


def client_id(params: Params, name: str) -> str | None:
    """A client order id that obeys the rule, or None where none was sent. -4015 otherwise."""
    value = params.get(name)
    if value is None or value == "":
        return None
    if not _CLIENT_ID.fullmatch(value):
        raise refusal(-4015)
    return value


def position_side(params: Params, *, hedge: bool) -> str:
    """The position side; -4061 where it does not fit the account's mode (absent means BOTH)."""
    side = choice(params, "positionSide", POSITION_SIDES, -4060, default="BOTH")
    if (side == "BOTH") == hedge:
        raise refusal(-4061)
    return side


def reduce_only(params: Params, *, hedge: bool) -> bool:
    """The flag; in hedge mode it must not be sent at all (-1106)."""
    if params.get("reduceOnly") is None:
        return False
    if hedge:
        raise refusal(-1106, "reduceonly")
    value = params["reduceOnly"].lower()
    if value not in {"true", "false"}:
        raise refusal(-4062)
    return value == "true"


def forbid(params: Params, *names: str) -> None:
    for name in names:
        if params.get(name) is not None:
            raise refusal(-1106, name.lower())


def window(params: Params, now_ms: int, days: int, code: int = -1127) -> tuple[int | None, int]:
    """(start or None, end) in ms; refused when reversed or wider than `days`, cut to it without an end."""
    start, end = integer(params, "startTime"), integer(params, "endTime")
    width = days * 86_400_000
    if start is not None and end is not None:
        if start > end:
            raise refusal(-1023)
        if end - start > width:
            raise refusal(code, days)
    if end is None:
        end = now_ms if start is None else min(now_ms, start + width)
    return start, end


def which_order(params: Params, id_name: str, client_name: str) -> tuple[int | None, str | None]:
    """(order id, client id); the order id wins. -1102 when both are absent."""
    order_id = integer(params, id_name)
    client = params.get(client_name) or None
    if order_id is None and client is None:
        raise Refusal(-1102, f"Param '{client_name}' or '{id_name}' must be sent, but both were empty/null!")
    return order_id, client
