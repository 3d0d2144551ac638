"""What the venue says about a symbol: its grid, its limits, its status.

Everything here is a value read from exchangeInfo; what the filters *mean* stands in
`backstay.core.filters`.
"""

from decimal import Decimal

import msgspec

from backstay.core.types import Product


class SpotRules(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, cache_hash=True):
    """What only spot symbols state (`binance-spot.md` section 9). Zero: the venue states no such limit.

    The price bands are multiples of the symbol's reference price, else of the average of `average_minutes`.
    """

    bid_up: Decimal = Decimal(0)
    bid_down: Decimal = Decimal(0)
    ask_up: Decimal = Decimal(0)
    ask_down: Decimal = Decimal(0)
    average_minutes: int = 0
    max_notional: Decimal = Decimal(0)
    min_notional_at_market: bool = True
    """The least notional holds for MARKET orders too; likewise the greatest."""
    max_notional_at_market: bool = False
    max_position: Decimal = Decimal(0)
    """Base asset: free, locked and open BUY quantity together."""
    iceberg_parts: int = 0
    max_algo_orders: int = 0
    """Open stop-loss and take-profit orders."""
    max_iceberg_orders: int = 0
    max_order_lists: int = 0
    max_amends: int = 0
    """Of one order."""
    trailing_above: tuple[int, int] = (0, 0)
    """Least and greatest trailing distance in basis points of STOP_LOSS BUY and TAKE_PROFIT SELL..."""
    trailing_below: tuple[int, int] = (0, 0)
    """... and of the other two."""
    order_types: tuple[str, ...] = ()
    """In the venue's words."""
    oco: bool = False
    oto: bool = False
    cancel_replace: bool = False
    amend: bool = False
    trailing: bool = False
    quote_quantity: bool = False
    """MARKET orders may be sized in the quote asset."""
    base_commission_decimals: int = 8
    quote_commission_decimals: int = 8


class Instrument(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """Trading rules of one symbol (filters of `binance-usdm.md` section 7 and `binance-spot.md` section 9).

    Prices in quote currency per unit of base, quantities in base. A limit of zero means that the
    venue states none.
    """

    product: Product
    symbol: str
    base: str
    quote: str
    margin_asset: str
    status: str
    tick: Decimal
    min_price: Decimal
    max_price: Decimal
    step: Decimal
    min_qty: Decimal
    max_qty: Decimal
    market_step: Decimal
    market_min_qty: Decimal
    market_max_qty: Decimal
    min_notional: Decimal
    percent_up: Decimal
    """BUY price must not exceed mark * percent_up (PERCENT_PRICE); zero: no such filter."""
    percent_down: Decimal
    """SELL price must not be below mark * percent_down; zero: no such filter."""
    max_orders: int = 0
    trigger_protect: Decimal = Decimal(0)
    market_take_bound: Decimal = Decimal(0)
    liquidation_fee: Decimal = Decimal(0)
    position_control: str = "NONE"
    spot: SpotRules | None = None
    """What only spot has; its bands are there, and `percent_up` and `percent_down` are zero."""

    @property
    def trading(self) -> bool:
        return self.status == "TRADING"
