"""What a symbol is: filters, brackets, rates. Also the default symbols and synthetic ones for load tests.

Values are those of the venue in autumn 2026, rounded where they drift (`binance-usdm.md` sections 7 and 11).
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec

from backstay.simulator.numbers import ZERO, fixed, places, plain

D = Decimal
_ONBOARD = 1_567_965_300_000
_PERPETUAL = 4_133_404_800_000
ORDER_TYPES = (
    "LIMIT",
    "MARKET",
    "STOP",
    "STOP_MARKET",
    "TAKE_PROFIT",
    "TAKE_PROFIT_MARKET",
    "TRAILING_STOP_MARKET",
)


class Bracket(msgspec.Struct, frozen=True):
    """One notional tier: valid for floor <= notional < cap; maintenance = notional * rate - cum."""

    number: int
    leverage: int
    floor: Decimal
    cap: Decimal
    rate: Decimal
    cum: Decimal


def brackets(rows: Sequence[tuple[str, str, int]]) -> tuple[Bracket, ...]:
    """Tiers from (cap, maintenance rate, leverage); cum_n = floor_n * (rate_n - rate_(n-1)) + cum_(n-1)."""
    out: list[Bracket] = []
    floor, rate, cum = ZERO, ZERO, ZERO
    for n, (cap_text, rate_text, leverage) in enumerate(rows, start=1):
        new = D(rate_text)
        if out:
            cum += floor * (new - rate)
        out.append(Bracket(n, leverage, floor, D(cap_text), new, cum))
        floor, rate = D(cap_text), new
    return tuple(out)


_MAJOR = (
    ("300000", "0.004", 125),
    ("800000", "0.005", 100),
    ("3000000", "0.0065", 75),
    ("12000000", "0.01", 50),
    ("70000000", "0.02", 25),
    ("100000000", "0.025", 20),
    ("230000000", "0.05", 10),
    ("480000000", "0.1", 5),
    ("600000000", "0.125", 4),
    ("800000000", "0.15", 3),
    ("1200000000", "0.25", 2),
    ("1800000000", "0.5", 1),
)
_ALT = (
    ("10000", "0.005", 75),
    ("50000", "0.0065", 50),
    ("200000", "0.01", 40),
    ("1000000", "0.02", 25),
    ("2000000", "0.025", 20),
    ("5000000", "0.05", 10),
    ("10000000", "0.1", 5),
    ("12500000", "0.125", 4),
    ("25000000", "0.25", 2),
    ("50000000", "0.5", 1),
)


class SymbolSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One perpetual. Prices in quote, quantities in base; `price`: where a market without a feed starts."""

    symbol: str
    base: str
    tick: Decimal
    step: Decimal
    price: Decimal
    price_places: int
    qty_places: int
    min_price: Decimal
    max_price: Decimal
    min_qty: Decimal
    max_qty: Decimal
    market_max_qty: Decimal
    min_notional: Decimal
    brackets: tuple[Bracket, ...]
    market_min_qty: Decimal | None = None
    market_step: Decimal | None = None
    quote: str = "USDT"
    margin_asset: str = "USDT"
    status: str = "TRADING"
    contract_type: str = "PERPETUAL"
    up: Decimal = D("1.15")
    down: Decimal = D("0.85")
    max_orders: int = 200
    trigger_protect: Decimal = D("0.05")
    liquidation_fee: Decimal = D("0.0125")
    market_take_bound: Decimal = D("0.05")
    stop_up: Decimal = D(5)
    """A trigger price above mark * stop_up is refused with -4210 (model: the factor is not published)."""
    stop_down: Decimal = D("0.1")
    position_control: str = "NONE"
    """NONE, BOTH, BUY or SELL: the named side may only reduce (-4517, -4518, -4519)."""
    funding_hours: int = 8
    funding_rate: Decimal = D("0.0001")
    funding_adjusted: bool = False
    """Listed in fundingInfo: cap, floor or interval differ from the standard."""
    max_modifies: int = 10_000

    def bracket_of(self, notional: Decimal) -> Bracket:
        """The tier of a position of this size (sign ignored); beyond the last cap, the last tier."""
        size = abs(notional)
        for row in self.brackets:
            if size < row.cap:
                return row
        return self.brackets[-1]

    def cap_at(self, leverage: int) -> Decimal:
        """Largest notional at this leverage: the cap of the largest tier that still allows it."""
        allowed = [row.cap for row in self.brackets if row.leverage >= leverage]
        return allowed[-1] if allowed else ZERO

    @property
    def max_leverage(self) -> int:
        return self.brackets[0].leverage

    def price_text(self, value: Decimal) -> str:
        return fixed(value, self.price_places)

    def qty_text(self, value: Decimal) -> str:
        return fixed(value, self.qty_places)


def spec(
    symbol: str,
    tick: str,
    step: str,
    price: str,
    *,
    min_notional: str = "5",
    price_places: int | None = None,
    max_qty: str = "1000000",
    market_max_qty: str = "100000",
    up: str = "1.15",
    down: str = "0.85",
    tiers: Sequence[tuple[str, str, int]] = _ALT,
    **more: Any,
) -> SymbolSpec:
    """A spec from few figures: precisions follow from tick and step unless given."""
    quote = "USDC" if symbol.endswith("USDC") else "USDT"
    start = D(price)
    return SymbolSpec(
        symbol=symbol,
        base=symbol.removesuffix(quote),
        quote=quote,
        margin_asset=quote,
        tick=D(tick),
        step=D(step),
        price=start,
        price_places=places(D(tick)) if price_places is None else price_places,
        qty_places=places(D(step)),
        min_price=D(tick),
        max_price=D(tick) * 10_000_000,
        min_qty=D(step),
        max_qty=D(max_qty),
        market_max_qty=D(market_max_qty),
        min_notional=D(min_notional),
        up=D(up),
        down=D(down),
        brackets=brackets(tiers),
        **more,
    )


def default_specs() -> tuple[SymbolSpec, ...]:
    """Eight well-known USDT perpetuals."""
    btc = spec(
        "BTCUSDT",
        "0.10",
        "0.001",
        "76915.00",
        price_places=2,
        min_notional="50",
        max_qty="1000",
        market_max_qty="120",
        up="1.05",
        down="0.95",
        tiers=_MAJOR,
    )
    eth = spec(
        "ETHUSDT",
        "0.01",
        "0.001",
        "2540.00",
        min_notional="20",
        max_qty="10000",
        market_max_qty="2000",
        up="1.05",
        down="0.95",
        tiers=_MAJOR,
    )
    return (
        msgspec.structs.replace(btc, min_price=D("556.80"), max_price=D(4529764)),
        eth,
        spec("SOLUSDT", "0.01", "0.01", "148.50", price_places=4, market_max_qty="20000"),
        spec("BNBUSDT", "0.010", "0.01", "655.00", price_places=3, market_max_qty="2000"),
        spec("XRPUSDT", "0.0001", "0.1", "2.1800", max_qty="10000000", market_max_qty="2000000"),
        spec("LINKUSDT", "0.001", "0.01", "14.200", min_notional="20", market_max_qty="20000"),
        spec("NEARUSDT", "0.001", "1", "2.500", price_places=4, max_qty="10000000", market_max_qty="200000"),
        spec("DOTUSDT", "0.001", "0.1", "4.100", max_qty="10000000", market_max_qty="200000"),
    )


def synthetic_specs(count: int) -> tuple[SymbolSpec, ...]:
    """`count` invented symbols SYN001USDT ... for load tests, with varied ticks and steps."""
    shapes = (("0.01", "0.001", "250.00"), ("0.001", "0.1", "12.500"), ("0.0001", "1", "0.8300"))
    return tuple(spec(f"SYN{n:03d}USDT", *shapes[n % len(shapes)]) for n in range(1, count + 1))


def exchange_row(s: SymbolSpec) -> dict[str, Any]:
    """The symbol's row in exchangeInfo."""
    lot = {"stepSize": plain(s.step), "minQty": plain(s.min_qty), "maxQty": plain(s.max_qty)}
    market_lot = {
        "stepSize": plain(s.market_step or s.step),
        "minQty": plain(s.market_min_qty or s.min_qty),
        "maxQty": plain(s.market_max_qty),
    }
    return {
        "symbol": s.symbol,
        "pair": s.symbol,
        "contractType": s.contract_type,
        "deliveryDate": _PERPETUAL,
        "onboardDate": _ONBOARD,
        "status": s.status,
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": s.base,
        "quoteAsset": s.quote,
        "marginAsset": s.margin_asset,
        "pricePrecision": s.price_places,
        "quantityPrecision": s.qty_places,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": ["PoW"] if s.base == "BTC" else ["Layer-1"],
        "settlePlan": 0,
        "triggerProtect": fixed(s.trigger_protect, 4),
        "liquidationFee": fixed(s.liquidation_fee, 6),
        "marketTakeBound": plain(s.market_take_bound),
        "maxMoveOrderLimit": s.max_modifies,
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": fixed(s.min_price, s.price_places),
                "maxPrice": plain(s.max_price),
                "tickSize": fixed(s.tick, s.price_places),
            },
            {"filterType": "LOT_SIZE", **lot},
            {"filterType": "MARKET_LOT_SIZE", **market_lot},
            {"filterType": "MAX_NUM_ORDERS", "limit": s.max_orders},
            {"filterType": "MIN_NOTIONAL", "notional": plain(s.min_notional)},
            {
                "filterType": "PERCENT_PRICE",
                "multiplierUp": fixed(s.up, 4),
                "multiplierDown": fixed(s.down, 4),
                "multiplierDecimal": "4",
            },
            {"filterType": "POSITION_RISK_CONTROL", "positionControlSide": s.position_control},
        ],
        "orderTypes": list(ORDER_TYPES),
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
        "permissionSets": ["GRID", "COPY", "DCA", "PSB"],
    }
