"""What a trade costs: base on a buy, quote on a sell, BNB at a discount while there is enough of it."""

from decimal import Decimal

from backstay.simulator.numbers import cents
from backstay.simulator.spot.accounts import SpotAccount
from backstay.simulator.spot.orders import SpotOrder
from backstay.simulator.spot.world import SpotWorld

BNB = "BNB"
_STABLE = ("USDT", "USDC", "FDUSD")


def of_trade(
    world: SpotWorld, account: SpotAccount, order: SpotOrder, price: Decimal, qty: Decimal, *, maker: bool
) -> tuple[Decimal, str]:
    """(amount, asset), eight places. The trade's own amounts must be booked already: what a buy of BNB
    brings in can pay its commission.
    """
    rate = account.rates(order.symbol)[0 if maker else 1]
    spec = world.specs[order.symbol]
    if account.burns_bnb:
        rate_of_bnb = _bnb_price(world, spec.base, spec.quote, price)
        if rate_of_bnb is not None:
            due = cents(price * qty * rate * (1 - world.settings.discount) / rate_of_bnb)
            if due <= account.free(BNB):
                return due, BNB
    return (cents(qty * rate), spec.base) if order.buys else (cents(price * qty * rate), spec.quote)


def _bnb_price(world: SpotWorld, base: str, quote: str, price: Decimal) -> Decimal | None:
    """What one BNB costs in `quote`; None where no market says so (the received asset pays then)."""
    if quote == BNB:
        return Decimal(1)
    if base == BNB:
        return price
    market = world.markets.get(BNB + quote)
    if market is None and quote in _STABLE:
        market = next((m for s in _STABLE if (m := world.markets.get(BNB + s)) is not None), None)
    return None if market is None else market.last
