"""REST klines. Source: binance-usdm.md 1 (rows have no closed flag: who asks must know the time)."""

from decimal import Decimal
from typing import Any, Final

import msgspec

from backstay.binance.wire.errors import WireError, redact
from backstay.binance.wire.numbers import NUMBERS
from backstay.core.types import MS, TimeNs

_ROWS: Final = msgspec.json.Decoder(list[list[Any]])


class KlineRow(msgspec.Struct, frozen=True, gc=False):
    """One row; prices in quote currency, volume in base units."""

    open_at: TimeNs
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


def klines(body: bytes) -> tuple[KlineRow, ...]:
    """Every row of the answer, oldest first, the running bar included if it was asked for.

    Raises WireError for anything but rows of the venue's columns (open time, open, high, low, close, volume
    and further ones that are not read).
    """
    try:
        return tuple(_row(row) for row in _ROWS.decode(body))
    except (msgspec.MsgspecError, ValueError, TypeError) as error:
        raise WireError(f"{error} in {redact(body, 120)}", "klines") from None


def _row(row: list[Any]) -> KlineRow:
    figures = row[1:6]
    if len(figures) != 5 or type(row[0]) is not int or not all(isinstance(x, str) for x in figures):
        raise ValueError("a row without an open time and five figures")
    return KlineRow(row[0] * MS, *(NUMBERS[text] for text in figures))
