"""What a Spot symbol is: its filters and permissions, and the rows of exchangeInfo (`binance-spot.md` 9)."""

from decimal import Decimal
from typing import Any

import msgspec

from backstay.simulator.numbers import money, places
from backstay.simulator.specs import SymbolSpec
from backstay.simulator.specs import spec as perpetual

D = Decimal
ORDER_TYPES = (
    "LIMIT",
    "LIMIT_MAKER",
    "MARKET",
    "STOP_LOSS",
    "STOP_LOSS_LIMIT",
    "TAKE_PROFIT",
    "TAKE_PROFIT_LIMIT",
)
STP_MODES = ("NONE", "EXPIRE_MAKER", "EXPIRE_TAKER", "EXPIRE_BOTH", "DECREMENT")
QUOTES = ("USDT", "USDC", "FDUSD", "BTC", "ETH", "BNB", "EUR", "TRY")


class SpotSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One pair. `price`: where a market without a feed starts. Decimals of tick and step add up to 8 at most,
    so that every quote amount is exact. Raises `ValueError` otherwise.
    """

    symbol: str
    base: str
    quote: str
    tick: Decimal
    step: Decimal
    price: Decimal
    min_price: Decimal
    max_price: Decimal
    min_qty: Decimal
    max_qty: Decimal
    market_max_qty: Decimal
    market_min_qty: Decimal = D(0)
    market_step: Decimal = D(0)
    """0: MARKET_LOT_SIZE does not look at steps."""
    min_notional: Decimal = D(5)
    max_notional: Decimal = D(9_000_000)
    apply_min_to_market: bool = True
    apply_max_to_market: bool = False
    old_min_notional: Decimal | None = None
    """Set: the symbol carries MIN_NOTIONAL besides NOTIONAL."""
    avg_minutes: int = 5
    percent_price: tuple[Decimal, Decimal] | None = None
    """(up, down) of PERCENT_PRICE, which no listed symbol has."""
    bid: tuple[Decimal, Decimal] = (D("1.2"), D("0.5"))
    ask: tuple[Decimal, Decimal] = (D(2), D("0.8"))
    iceberg_parts: int = 100
    max_orders: int = 200
    max_algo_orders: int = 5
    max_iceberg_orders: int = 10
    max_position: Decimal | None = None
    max_lists: int = 20
    max_amends: int = 10
    trailing: tuple[int, int, int, int] = (10, 2000, 10, 2000)
    """minAbove, maxAbove, minBelow, maxBelow in basis points."""
    price_range: tuple[Decimal, Decimal] | None = None
    """(up, down) of the price-range execution rule for takers; None: no rule."""
    reference_price: Decimal | None = None
    status: str = "TRADING"
    order_types: tuple[str, ...] = ORDER_TYPES
    iceberg: bool = True
    oco: bool = True
    oto: bool = True
    opo: bool = True
    quote_order_qty: bool = True
    trailing_stop: bool = True
    cancel_replace: bool = True
    amend: bool = True
    default_stp: str = "EXPIRE_MAKER"
    stp_modes: tuple[str, ...] = STP_MODES

    def __post_init__(self) -> None:
        if places(self.tick) + places(self.step) > 8:
            raise ValueError(
                f"{self.symbol}: tick {self.tick} and step {self.step} have more than 8 decimals together"
            )

    def grid(self) -> SymbolSpec:
        """What the market model needs to know of the pair: its grid, its start price, eight decimals."""
        plain = perpetual(self.symbol, str(self.tick), str(self.step), str(self.price))
        return msgspec.structs.replace(
            plain, base=self.base, quote=self.quote, price_places=8, qty_places=8, status=self.status
        )


def spot_spec(symbol: str, tick: str, step: str, price: str, **more: Any) -> SpotSpec:
    """A pair from few figures. `base` and `quote` follow from the name unless given."""
    quote = more.pop("quote", None) or next((q for q in QUOTES if symbol.endswith(q)), "USDT")
    base = more.pop("base", None) or symbol.removesuffix(quote)
    figures: dict[str, Any] = {
        "min_price": D(tick),
        "max_price": D(tick) * 100_000_000,
        "min_qty": D(step),
        "max_qty": D(step) * 900_000_000,
        "market_max_qty": D(step) * 12_000_000,
    }
    fixed = {"symbol": symbol, "base": base, "quote": quote, "tick": D(tick), "step": D(step)}
    return SpotSpec(**(figures | fixed | {"price": D(price)} | more))


def default_spot_specs() -> tuple[SpotSpec, ...]:
    """Ten well-known pairs; every stable quote has its BNB market, which prices commissions in BNB."""
    return (
        spot_spec("BTCUSDT", "0.01", "0.00001", "76915.00"),
        spot_spec("ETHUSDT", "0.01", "0.0001", "2540.00"),
        spot_spec("BNBUSDT", "0.01", "0.001", "655.00"),
        spot_spec("SOLUSDT", "0.01", "0.001", "148.50"),
        spot_spec("XRPUSDT", "0.0001", "0.1", "2.1800"),
        spot_spec("LINKUSDT", "0.001", "0.01", "14.200"),
        spot_spec("BTCUSDC", "0.01", "0.00001", "76920.00"),
        spot_spec("BNBUSDC", "0.01", "0.001", "655.10"),
        spot_spec("TRUMPUSDC", "0.001", "0.001", "8.500"),
        spot_spec("ETHBTC", "0.00001", "0.001", "0.03302", min_notional=D("0.0001"), max_notional=D(200)),
    )


def exchange_row(s: SpotSpec) -> dict[str, Any]:
    """The symbol's row in exchangeInfo."""
    return {
        "symbol": s.symbol,
        "status": s.status,
        "baseAsset": s.base,
        "baseAssetPrecision": 8,
        "quoteAsset": s.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": list(s.order_types),
        "icebergAllowed": s.iceberg,
        "ocoAllowed": s.oco,
        "otoAllowed": s.oto,
        "opoAllowed": s.opo,
        "quoteOrderQtyMarketAllowed": s.quote_order_qty,
        "allowTrailingStop": s.trailing_stop,
        "cancelReplaceAllowed": s.cancel_replace,
        "amendAllowed": s.amend,
        "pegInstructionsAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": symbol_filters(s),
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": s.default_stp,
        "allowedSelfTradePreventionModes": list(s.stp_modes),
    }


def symbol_filters(s: SpotSpec) -> list[dict[str, Any]]:
    """The `filters` array, decimals with eight places."""
    rows: list[dict[str, Any]] = [
        _row(
            "PRICE_FILTER", minPrice=money(s.min_price), maxPrice=money(s.max_price), tickSize=money(s.tick)
        ),
        _row("LOT_SIZE", minQty=money(s.min_qty), maxQty=money(s.max_qty), stepSize=money(s.step)),
        _row("ICEBERG_PARTS", limit=s.iceberg_parts),
        _row(
            "MARKET_LOT_SIZE",
            minQty=money(s.market_min_qty),
            maxQty=money(s.market_max_qty),
            stepSize=money(s.market_step),
        ),
        _row(
            "TRAILING_DELTA",
            minTrailingAboveDelta=s.trailing[0],
            maxTrailingAboveDelta=s.trailing[1],
            minTrailingBelowDelta=s.trailing[2],
            maxTrailingBelowDelta=s.trailing[3],
        ),
        _row(
            "PERCENT_PRICE_BY_SIDE",
            bidMultiplierUp=str(s.bid[0]),
            bidMultiplierDown=str(s.bid[1]),
            askMultiplierUp=str(s.ask[0]),
            askMultiplierDown=str(s.ask[1]),
            avgPriceMins=s.avg_minutes,
        ),
        _row(
            "NOTIONAL",
            minNotional=money(s.min_notional),
            applyMinToMarket=s.apply_min_to_market,
            maxNotional=money(s.max_notional),
            applyMaxToMarket=s.apply_max_to_market,
            avgPriceMins=s.avg_minutes,
        ),
    ]
    return [
        *rows,
        *_rare_filters(s),
        _row("MAX_NUM_ORDERS", maxNumOrders=s.max_orders),
        _row("MAX_NUM_ORDER_LISTS", maxNumOrderLists=s.max_lists),
        _row("MAX_NUM_ALGO_ORDERS", maxNumAlgoOrders=s.max_algo_orders),
        _row("MAX_NUM_ICEBERG_ORDERS", maxNumIcebergOrders=s.max_iceberg_orders),
        _row("MAX_NUM_ORDER_AMENDS", maxNumOrderAmends=s.max_amends),
    ]


def _rare_filters(s: SpotSpec) -> list[dict[str, Any]]:
    """Those that few symbols carry, or none."""
    rows: list[dict[str, Any]] = []
    if s.percent_price is not None:
        up, down = s.percent_price
        rows.append(
            _row(
                "PERCENT_PRICE",
                multiplierUp=str(up),
                multiplierDown=str(down),
                avgPriceMins=s.avg_minutes,
            )
        )
    if s.old_min_notional is not None:
        rows.append(
            _row(
                "MIN_NOTIONAL",
                minNotional=money(s.old_min_notional),
                applyToMarket=s.apply_min_to_market,
                avgPriceMins=s.avg_minutes,
            )
        )
    if s.max_position is not None:
        rows.append(_row("MAX_POSITION", maxPosition=money(s.max_position)))
    return rows


def _row(kind: str, **fields: Any) -> dict[str, Any]:
    return {"filterType": kind, **fields}
