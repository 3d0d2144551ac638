"""What the venue says about a symbol: its grid, its limits, its status.

Everything here is a value read from exchangeInfo; what the filters *mean* stands in
`backstay.core.filters`.
"""

from decimal import Decimal

import msgspec

from backstay.core.types import Product


class Instrument(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """Trading rules of one symbol (USD-M filters, `binance-usdm.md` section 7).

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

    @property
    def trading(self) -> bool:
        return self.status == "TRADING"
