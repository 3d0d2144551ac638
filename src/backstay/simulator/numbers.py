"""Exact decimals and how the venue prints them. No binary floats."""

from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_UP, Decimal, InvalidOperation

ZERO = Decimal(0)
ONE = Decimal(1)
CENT8 = Decimal("0.00000001")
CENT10 = Decimal("0.0000000001")
MS = 1_000_000
SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
_QUANTA = [Decimal(1).scaleb(-n) for n in range(20)]
_ZEROS = ["0" if n == 0 else "0." + "0" * n for n in range(20)]


class Stamp(int):
    """A moment on the wire of Spot: equals its milliseconds, and knows `ns` for those who asked for more."""

    ns: int

    def __new__(cls, ns: int) -> "Stamp":
        made = super().__new__(cls, ns // MS)
        made.ns = ns
        return made


def number(text: str) -> Decimal | None:
    """A plain decimal number, or None: exponents, NaN, signs of infinity and blanks are not numbers here."""
    if not text or len(text) > 40 or not set(text) <= set("0123456789.-"):
        return None
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def fixed(value: Decimal, decimals: int) -> str:
    """Exactly `decimals` places, as prices and quantities are printed ("90000.00", "0.000")."""
    if not value:
        return _ZEROS[decimals]
    return format(value.quantize(_QUANTA[decimals], ROUND_HALF_UP), "f")


def money(value: Decimal) -> str:
    """Eight places, as wallet and margin figures are printed."""
    return fixed(value, 8)


def plain(value: Decimal) -> str:
    """Shortest exact text without exponent: "0", "539.94", "88000"."""
    return format(value.normalize(), "f") if value else "0"


def entry_text(value: Decimal) -> str:
    """An entry price: shortest text, but with at least one decimal place ("89990.0", "0.0")."""
    text = plain(value)
    return text if "." in text else text + ".0"


def places(value: Decimal) -> int:
    """Decimal places that matter: 1.500 has one."""
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def cents(value: Decimal) -> Decimal:
    """To eight places, half up: the grid on which money is booked."""
    return value.quantize(CENT8, ROUND_HALF_UP)


def floor_to(value: Decimal, grid: Decimal) -> Decimal:
    return (value / grid).to_integral_value(ROUND_FLOOR) * grid


def ceil_to(value: Decimal, grid: Decimal) -> Decimal:
    return (value / grid).to_integral_value(ROUND_CEILING) * grid


def nearest(value: Decimal, grid: Decimal) -> Decimal:
    return (value / grid).to_integral_value(ROUND_HALF_UP) * grid


def cut(value: Decimal, decimals: int) -> Decimal:
    return value.quantize(_QUANTA[decimals], ROUND_DOWN)


def on_grid(value: Decimal, grid: Decimal, origin: Decimal = ZERO) -> bool:
    return not (value - origin) % grid
