"""What `backstay demo` is asked for; the command fills it, `backstay.app.demo` plays it."""

import msgspec

FULL_SPEED = 0.0
"""`speed` as fast as the machine allows."""


class DemoOptions(msgspec.Struct, frozen=True, kw_only=True):
    """One demonstration. Durations are venue time."""

    feed: str = "synthetic"
    """`synthetic`, `live`, or a path to recorded bars, trades or frames."""
    seed: int = 1
    speed: float = 10.0
    """Venue seconds per real second; `FULL_SPEED`: no waiting at all."""
    duration_s: float | None = None
    """None: until interrupted."""
    headless: bool = False
    port: int = 8720
    data_dir: str = ""
    """Empty: a temporary folder, removed at the end."""
    symbols: tuple[str, ...] = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
    """Symbols of the synthetic feed; a recorded file brings its own."""
    hedge: bool = False
    """Hedge mode: LONG and SHORT of a symbol side by side."""
