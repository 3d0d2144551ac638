"""What the operator configures for the swing strategy.

Every percentage is a fraction as an exact decimal (0.3 % is 0.003), every duration integer nanoseconds.
"""

from decimal import Decimal
from enum import StrEnum

import msgspec

from backstay.core.types import SECOND, TimeNs

HOUR = 3600 * SECOND


class SellWhen(StrEnum):
    """When a lot's SELL is placed."""

    TARGET = "target"
    """When the price reaches its target."""
    FILL = "fill"
    """At once, as soon as the BUY's fill is known."""


class SwingPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, cache_hash=True):
    symbols: tuple[str, ...] = ()
    """Spot symbols whose lots are sold; at least one."""
    profit: Decimal = Decimal("0.003")
    """Net of the commissions of both sides, as a fraction of the buy price."""
    sell_when: SellWhen = SellWhen.TARGET
    max_sell_value: Decimal | None = None
    """A lot whose SELL would be worth more (quote currency) is not sold, and never split."""
    age_alert: TimeNs | None = 10 * HOUR
    """A lot that is not sold for so long is told of."""
    merge_unsellable: bool = False
    """Lots below the venue's minimum are sold together, at the highest of their targets."""
    max_resting: int = 0
    """SELLs that may rest at once in a symbol; 0: as many orders as the venue allows."""
    fee_sell: Decimal | None = None
    """Commission rate to expect of the sale; left out: the higher one of the account's own rates."""
    fee_assets: tuple[str, ...] = ("BNB",)
    """Third assets in which the venue may take a commission; it then counts by the account's own rate."""

    @property
    def at_once(self) -> bool:
        """A lot is offered in the moment of its fill."""
        return self.sell_when is SellWhen.FILL

    @property
    def by_rate(self) -> tuple[str, ...]:
        """Commissions in these assets move no target by their amount."""
        return self.fee_assets

    def __post_init__(self) -> None:
        if not 0 < self.profit < 10:
            raise ValueError(f"profit is {self.profit}; write a fraction above 0, such as 0.3%")
        if self.max_sell_value is not None and self.max_sell_value <= 0:
            raise ValueError(
                f"max_sell_value is {self.max_sell_value}; write an amount above 0, or leave it out"
            )
        if self.age_alert is not None and self.age_alert <= 0:
            raise ValueError("age_alert must be a duration above 0, such as 10h; leave it empty for no alert")
        if self.max_resting < 0:
            raise ValueError(
                f"max_resting is {self.max_resting}; write a number above 0, or 0 for the venue's limit"
            )
        if self.fee_sell is not None and not 0 <= self.fee_sell < Decimal("0.5"):
            raise ValueError(f"fee_sell is {self.fee_sell}; write a rate between 0 and 0.5, such as 0.1%")

    def check(self) -> tuple[str, ...]:
        """Warnings about settings that are legal but do not fit together."""
        if self.merge_unsellable and self.max_sell_value is not None and self.max_sell_value < 20:
            return ("max_sell_value is so low that merged lots may never reach the venue's minimum",)
        return ()
