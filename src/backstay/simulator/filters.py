"""The symbol's filters and the codes that they answer with (`binance-usdm.md` section 7)."""

from decimal import Decimal

from backstay.simulator.errors import refusal
from backstay.simulator.market import Market
from backstay.simulator.numbers import ZERO, fixed, on_grid, places
from backstay.simulator.specs import SymbolSpec


def price_ok(spec: SymbolSpec, price: Decimal) -> None:
    """PRICE_FILTER. -4001 negative, -1111 too many decimals, -4013, -4002 range, -4014 off the tick grid."""
    if price < 0:
        raise refusal(-4001)
    if places(price) > spec.price_places:
        raise refusal(-1111)
    if price < spec.min_price:
        raise refusal(-4013)
    if price > spec.max_price:
        raise refusal(-4002)
    if not on_grid(price, spec.tick):
        raise refusal(-4014)


def qty_ok(spec: SymbolSpec, qty: Decimal, *, market: bool) -> None:
    """LOT_SIZE or MARKET_LOT_SIZE. -4003 zero, -1111 decimals, -4004, -4005 range, -4023 off the grid."""
    if qty <= 0:
        raise refusal(-4003)
    if places(qty) > spec.qty_places:
        raise refusal(-1111)
    low = (spec.market_min_qty if market else None) or spec.min_qty
    high = spec.market_max_qty if market else spec.max_qty
    step = (spec.market_step if market else None) or spec.step
    if qty < low:
        raise refusal(-4004)
    if qty > high:
        raise refusal(-4005)
    if not on_grid(qty, step):
        raise refusal(-4023)


def trigger_ok(spec: SymbolSpec, trigger: Decimal, mark: Decimal) -> None:
    """A trigger price: -4006, -4007 range, -4210, -4211 too far. Off the tick grid is accepted (measured)."""
    if trigger <= 0:
        raise refusal(-4006)
    if trigger > spec.max_price:
        raise refusal(-4007)
    if trigger > mark * spec.stop_up:
        raise refusal(-4210, fixed(mark * spec.stop_up, spec.price_places))
    if trigger < mark * spec.stop_down:
        raise refusal(-4211, fixed(mark * spec.stop_down, spec.price_places))


def percent_price_ok(spec: SymbolSpec, *, buys: bool, price: Decimal, mark: Decimal) -> None:
    """PERCENT_PRICE, one-sided: a BUY above mark * up (-4016), a SELL below mark * down (-4024)."""
    if buys and price > mark * spec.up:
        raise refusal(-4016, fixed(mark * spec.up, spec.price_places))
    if not buys and price < mark * spec.down:
        raise refusal(-4024, fixed(mark * spec.down, spec.price_places))


def limit_against_trigger_ok(spec: SymbolSpec, *, buys: bool, price: Decimal, trigger: Decimal) -> None:
    """The limit price of STOP and TAKE_PROFIT against its trigger: -4183 too high, -4184 too low."""
    if buys and price > trigger * spec.up:
        raise refusal(-4183, fixed(trigger * spec.up, spec.price_places))
    if not buys and price < trigger * spec.down:
        raise refusal(-4184, fixed(trigger * spec.down, spec.price_places))


def best_price_ok(spec: SymbolSpec, market: Market, *, buys: bool) -> None:
    """A MARKET order whose best opposite price already violates PERCENT_PRICE: -4131."""
    if buys and market.ask > market.mark * spec.up:
        raise refusal(-4131)
    if not buys and market.bid < market.mark * spec.down:
        raise refusal(-4131)


def notional_ok(spec: SymbolSpec, notional: Decimal, code: int = -4164) -> None:
    """MIN_NOTIONAL: -4164 at placement, -5029 at a modification."""
    if notional < spec.min_notional:
        raise refusal(code, format(spec.min_notional.normalize(), "f"))


def status_ok(spec: SymbolSpec, status: str, *, opens: bool) -> None:
    """Symbol status: -4141 closed, -4140 no opening, -1122 no trading at all."""
    if status == "TRADING":
        return
    if status in {"CLOSE", "DELIVERED", "SETTLING"}:
        raise refusal(-4141)
    if opens:
        raise refusal(-4140)
    if status not in {"PRE_DELIVERING", "PRE_SETTLE"}:
        raise refusal(-1122)


def position_control_ok(spec: SymbolSpec, *, buys: bool) -> None:
    """POSITION_RISK_CONTROL for an order that would open."""
    side = spec.position_control
    if side == "BOTH":
        raise refusal(-4517)
    if side == "BUY" and buys:
        raise refusal(-4518)
    if side == "SELL" and not buys:
        raise refusal(-4519)


def take_limit(spec: SymbolSpec, mark: Decimal, *, buys: bool) -> Decimal:
    """How far a MARKET order may take: mark * (1 +- marketTakeBound)."""
    bound = spec.market_take_bound
    return mark * (1 + bound) if buys else max(ZERO, mark * (1 - bound))
