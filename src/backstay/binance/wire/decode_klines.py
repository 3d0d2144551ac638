"""REST klines to bars. Source: binance-usdm.md 1 (rows have no closed flag: who asks must know the time)."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from backstay.binance.wire.errors import WireError, redact
from backstay.binance.wire.numbers import NUMBERS
from backstay.core.types import MS
from backstay.signals.bars import Bar

_ROWS: Final = msgspec.json.Decoder(list[list[Any]])


def klines(body: bytes) -> tuple[Bar, ...]:
    """Every row of the answer, oldest first, the running bar included if it was asked for.

    Raises WireError for anything but rows of the venue's columns (open time, open, high, low, close, volume
    and further ones that are not read).
    """
    try:
        return tuple(_bar(row) for row in _ROWS.decode(body))
    except (msgspec.MsgspecError, ValueError, TypeError, IndexError) as error:
        raise WireError(f"{error} in {redact(body, 120)}", "klines") from None


def _bar(row: Sequence[Any]) -> Bar:
    opened, *figures = row[:6]
    if not isinstance(opened, int) or isinstance(opened, bool) or len(figures) != 5:
        raise ValueError("a row without open time and five figures")
    return Bar(opened * MS, *(float(NUMBERS[text]) for text in figures))
