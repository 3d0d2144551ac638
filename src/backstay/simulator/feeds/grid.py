"""Price ticks and quantity steps of well-known USD-M symbols, and grids inferred from data.

Grids as the venue's exchangeInfo has them, prices of about September 2026. They only shape simulated
markets; a caller who knows the symbol's real filters passes its own `Grid`.
"""

import re
from decimal import Decimal

import msgspec

_SYMBOL = re.compile(r"[A-Z0-9]{1,20}(?:USDT|USDC|FDUSD|BUSD|USD1|TRY|EUR|BTC|ETH|BNB)")


class Grid(msgspec.Struct, frozen=True):
    """The smallest price and quantity increments; every generated price is a multiple of `tick`."""

    tick: Decimal
    step: Decimal

    def __post_init__(self) -> None:
        if not (self.tick.is_finite() and self.tick > 0 and self.step.is_finite() and self.step > 0):
            raise ValueError(f"a grid needs a positive tick and step, not {self.tick} and {self.step}")


class Profile(msgspec.Struct, frozen=True):
    """A symbol's grid and a realistic start price for a synthetic market."""

    grid: Grid
    price: Decimal


def _profile(tick: str, step: str, price: str) -> Profile:
    return Profile(Grid(Decimal(tick), Decimal(step)), Decimal(price))


_PROFILES = {
    "BTCUSDT": _profile("0.10", "0.001", "76915.00"),
    "BTCUSDC": _profile("0.10", "0.001", "76920.00"),
    "ETHUSDT": _profile("0.01", "0.001", "2540.00"),
    "ETHUSDC": _profile("0.01", "0.001", "2540.20"),
    "SOLUSDT": _profile("0.0100", "0.01", "148.5000"),
    "BNBUSDT": _profile("0.010", "0.01", "655.000"),
    "XRPUSDT": _profile("0.0001", "0.1", "2.1800"),
    "DOGEUSDT": _profile("0.000010", "1", "0.192000"),
    "ADAUSDT": _profile("0.00010", "1", "0.68000"),
    "LINKUSDT": _profile("0.001", "0.01", "14.200"),
    "NEARUSDT": _profile("0.0010", "1", "2.5000"),
    "DOTUSDT": _profile("0.001", "0.1", "4.100"),
    "AVAXUSDT": _profile("0.0010", "1", "21.0000"),
    "LTCUSDT": _profile("0.01", "0.001", "88.00"),
    "TRUMPUSDC": _profile("0.001", "0.1", "8.500"),
}
_UNKNOWN = _profile("0.0010", "0.1", "10.0000")


def profile_of(symbol: str) -> Profile:
    """The symbol's grid and start price; one that is not in the table gets tick 0.001, step 0.1, price 10."""
    return _PROFILES.get(symbol, _UNKNOWN)


def known_grid(symbol: str) -> Grid | None:
    """The grid in the table, or None where the symbol is not there."""
    profile = _PROFILES.get(symbol)
    return profile.grid if profile else None


def symbol_in(name: str) -> str | None:
    """The symbol that a file's name contains (`usdm_BTCUSDT_1m.parquet`, `LINKUSDT-1m-2023-02.csv.gz`)."""
    for token in re.split(r"[^A-Za-z0-9]+", name):
        if _SYMBOL.fullmatch(token.upper()):
            return token.upper()
    return None
