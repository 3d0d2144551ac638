"""Exact numbers between the venue's text and `Decimal`, both ways."""

import re
from decimal import Decimal
from typing import Final

from backstay.core.types import ZERO

_FORM = re.compile(r"[+-]?\d{1,40}(\.\d{0,40})?([eE][+-]?\d{1,2})?", re.ASCII)
_CAPACITY: Final = 16_384


class Numbers(dict[str, Decimal]):
    """Text to `Decimal`, remembered.

    Prices, sizes and zeros repeat from frame to frame; finding one again costs an eighth of making it.
    Raises ValueError for text that is not a plain finite number.
    """

    def __missing__(self, text: str) -> Decimal:
        if _FORM.fullmatch(text) is None:
            raise ValueError(f"{text[:40]!r} is not a number")
        if len(self) >= _CAPACITY:
            self.clear()
        # A field that holds the very ZERO that is its default is left out of the ledger's line.
        value = self[text] = ZERO if text == "0" else Decimal(text)
        return value


NUMBERS: Final = Numbers()
"""The table of this process: a pure function of the text, so sharing it changes no result."""


def optional(text: str | None) -> Decimal:
    """A number that the venue may leave out, null or empty: zero then."""
    return NUMBERS[text] if text else ZERO


def plain(value: Decimal) -> str:
    """Shortest exact text without exponent and without trailing zeros; `value` must be positive.

    Raises ValueError for zero, negative and non-finite values: the venue takes none of them.
    """
    text = str(value)
    if not value or not text[0].isdigit():
        raise ValueError(f"{value} is not a positive number")
    if "E" in text:
        text = format(value, "f")
    if text[-1] == "0" and "." in text:
        text = text.rstrip("0").rstrip(".")
    return text


def exact_id(value: str | int | None) -> int:
    """An order id that comes as a number, as digits in a string, or empty (0: none yet).

    Raises ValueError for anything else, and for what the ledger's 64 bits cannot hold.
    """
    if not value:
        return 0
    if isinstance(value, str) and not (len(value) <= 19 and value.isascii() and value.isdigit()):
        raise ValueError(f"{value[:40]!r} is not an order id")
    number = int(value)
    if not 0 <= number < 2**63:
        raise ValueError(f"{number} is not an order id")
    return number


def limit(text: str | None) -> Decimal:
    """A bound of the venue; zero: it states none. Raises ValueError for a negative one."""
    value = optional(text)
    if value < ZERO:
        raise ValueError(f"states a negative limit: {value}")
    return value


def positive(what: str, text: str | None) -> Decimal:
    """A number that there must be. Raises ValueError, naming it as `what`."""
    value = optional(text)
    if value <= ZERO:
        raise ValueError(f"{what} is {text or 'absent'}")
    return value
