"""Figures as people write them: `5%` or `0.05`, `10h` or `5s`, `"0.010"`, `100 USDT`.

Every function raises ValueError with what was expected; the caller adds where it stood.
"""

import re
from decimal import Decimal, InvalidOperation

from backstay.core.types import SECOND, TimeNs

_UNITS: dict[str, TimeNs] = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "s": SECOND,
    "m": 60 * SECOND,
    "min": 60 * SECOND,
    "h": 3600 * SECOND,
    "d": 24 * 3600 * SECOND,
    "w": 7 * 24 * 3600 * SECOND,
}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+)")


def decimal(value: object) -> Decimal:
    """An exact finite number. A float is refused: its digits are not the ones that were written."""
    if isinstance(value, Decimal):
        number = value
    elif (isinstance(value, int) and not isinstance(value, bool)) or isinstance(value, str):
        try:
            number = Decimal(str(value).strip().replace("_", ""))
        except InvalidOperation:
            raise ValueError(f"{value!r} is not a number; write for example 0.010") from None
    else:
        raise ValueError(f"{value!r} is not a number; write for example 0.010")  # noqa: TRY004 (shown to users)
    if not number.is_finite():
        raise ValueError(f"{value!r} is not a finite number")
    return number


def fraction(value: object) -> Decimal:
    """A share of one: `5%` and `0.05` are both 0.05."""
    if isinstance(value, str) and value.strip().endswith("%"):
        return decimal(value.strip()[:-1]) / 100
    try:
        return decimal(value)
    except ValueError:
        raise ValueError(f"{value!r} is not a percentage; write 5% or 0.05") from None


def duration(value: object) -> TimeNs:
    """Nanoseconds of `10h`, `5s`, `1h30m`, `250ms`; 0 needs no unit."""
    text = str(value).strip().lower()
    if text == "0":
        return 0
    total, rest = Decimal(0), text
    while rest:
        part = _PART.match(rest)
        unit = _UNITS.get(part[2]) if part else None
        if part is None or unit is None:
            raise ValueError(
                f"{value!r} is not a duration; write a number with a unit, such as 10h, 30m or 5s"
            )
        total += Decimal(part[1]) * unit
        rest = rest[part.end() :].lstrip()
    if not text:
        raise ValueError("a duration is empty; write a number with a unit, such as 10h, 30m or 5s")
    return int(total)


def seconds(value: object) -> float:
    """Seconds, from a duration (`15m`) or from a bare number of seconds, as older variables have it."""
    text = str(value).strip()
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    return duration(value) / SECOND


def size(value: object) -> tuple[Decimal, str]:
    """The size of a first DCA step and what it counts: `quantity`, `quote` or `base_fraction`.

    `"0.010"` is a quantity, `"100 USDT"` an amount of the quote currency, `"50%"` a part of the position.
    """
    text = str(value).strip()
    if text.endswith("%"):
        return fraction(text), "base_fraction"
    amount, _, currency = text.partition(" ")
    currency = currency.strip()
    if not currency:
        return decimal(text if isinstance(value, str) else value), "quantity"
    if not re.fullmatch(r"[A-Z]{2,10}", currency):
        raise ValueError(f'{value!r} is not a size; write "0.010", "100 USDT" or "50%"')
    return decimal(amount), "quote"


def span(ns: TimeNs) -> str:
    """A duration in at most two units, for people: `3d 4h`, `12m 5s`, `850ms`."""
    if ns < SECOND:
        return f"{max(ns, 0) // 1_000_000}ms"
    parts: list[str] = []
    for unit in ("d", "h", "m", "s"):
        count, ns = divmod(ns, _UNITS[unit])
        if count or parts:
            parts.append(f"{count}{unit}" if count else "")
        if len(parts) == 2:
            break
    return " ".join(part for part in parts if part)
