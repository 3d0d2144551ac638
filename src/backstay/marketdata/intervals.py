"""The kline intervals that Binance serves (binance-usdm.md 6), and which of them to ask for."""

from backstay.core.types import SECOND, TimeNs

MINUTE = 60 * SECOND
INTERVALS: dict[str, TimeNs] = {
    "1m": MINUTE,
    "3m": 3 * MINUTE,
    "5m": 5 * MINUTE,
    "15m": 15 * MINUTE,
    "30m": 30 * MINUTE,
    "1h": 60 * MINUTE,
    "2h": 120 * MINUTE,
    "4h": 240 * MINUTE,
    "6h": 360 * MINUTE,
    "8h": 480 * MINUTE,
    "12h": 720 * MINUTE,
    "1d": 1440 * MINUTE,
}
"""Those whose bars all open at multiples of their length since the epoch; weeks and months do not."""


def served(length: TimeNs) -> str:
    """The longest interval of the venue that bars of `length` can be made of.

    Raises ValueError where there is none.
    """
    fits = [name for name, width in INTERVALS.items() if length % width == 0]
    if not fits or length <= 0:
        raise ValueError(
            f"bars of {length / SECOND:g} s cannot be made: the venue's shortest are of one minute. Write a "
            "multiple of 1m"
        )
    return fits[-1]
