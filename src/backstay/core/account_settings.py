"""How the account trades, and what became of setting it: a record before the first entry."""

from enum import StrEnum

import msgspec

from backstay.core.types import Product


class SettingOutcome(StrEnum):
    APPLIED = "applied"
    UNCHANGED = "unchanged"
    """It was so already."""
    WAITS = "waits"
    """A position or an order exists: it is changed when there is none."""
    REFUSED = "refused"
    FAILED = "failed"
    """The venue could not be asked."""
    NOT_SENT = "not_sent"
    """The mode sends nothing; this is what would have been."""


class AccountSettingUpdated(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    tag_field="type",
    tag="AccountSettingUpdated",
):
    """How the account trades was set, or was not: exposure in its symbol waits for APPLIED or UNCHANGED."""

    setting: str
    """`leverage`, `margin_type`, `position_mode` or `multi_assets`."""
    value: str
    outcome: SettingOutcome
    symbol: str = ""
    """Empty: of the whole account."""
    was: str = ""
    """What it was before; empty: not known."""
    code: int = 0
    reason: str = ""
    """Why not, and what to do."""
    product: Product = Product.USDM
