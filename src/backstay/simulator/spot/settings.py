"""What a simulated Spot venue is set to do."""

from decimal import Decimal

import msgspec


class SpotSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Fixed for the life of an engine. Where the venue publishes no rule, the choice is marked (model)."""

    maker_rate: Decimal = Decimal("0.001")
    taker_rate: Decimal = Decimal("0.001")
    discount: Decimal = Decimal("0.25")
    """What is taken off the standard commission when BNB pays. The official samples disagree (0.25, 0.75)."""
    fill_model: str = "queue"
    """(model) As on USD-M: queue, touch or through."""
    queue_share: Decimal = Decimal(1)
    """(model) Share of the displayed quantity at the price that stands before a new order."""
    level_notional: Decimal = Decimal(150_000)
    """(model) Average quote value of one book level behind the best."""
    level_spacing: Decimal = Decimal("0.00002")
    """(model) Distance between book levels as a share of the price; at least one tick."""
    depth_levels: int = 1000
    klines_kept: int = 3000
    trades_kept: int = 1000
    archive_days: int = 90
    """An order that ended without a fill longer ago answers -2026."""
