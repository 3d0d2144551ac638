"""Whether the keys may trade, asked without trading: a test order is checked and never placed.

A key that may only read passes every other check and would fail at the first stop, when it is too late.
"""

from backstay.app.config import Settings
from backstay.app.errors import ExchangeError
from backstay.app.preflight import NAMES
from backstay.binance.net.clock_sync import VenueTime
from backstay.binance.net.dialect import SPOT, USDM
from backstay.binance.net.gate import Gate
from backstay.binance.net.rest import Rest
from backstay.binance.net.spot_venue import spot_budget
from backstay.binance.net.transport import Transport
from backstay.binance.wire.endpoints import Endpoint
from backstay.binance.wire.endpoints_spot import ORDER_TEST as SPOT_ORDER_TEST
from backstay.binance.wire.limits import Budget
from backstay.core.events import InstrumentsSnapshot
from backstay.core.outcomes import VenueUnavailable
from backstay.core.types import PositionMode, Product, TimeNs
from backstay.runtime.virtual_time import WallClock

ORDER_TEST = {
    Product.USDM: Endpoint(method="POST", path="/fapi/v1/order/test", weight=1),
    Product.SPOT: SPOT_ORDER_TEST,
}
REFUSED = frozenset({-2014, -2015})


async def may_trade(
    settings: Settings,
    transport: Transport,
    instruments: InstrumentsSnapshot,
    product: Product = Product.USDM,
    offset: TimeNs = 0,
) -> None:
    """Raises ExchangeError when the keys may not trade, VenueUnavailable when that could not be asked.

    Any other refusal of the order proves that they may.

    `offset`: venue time minus local time, ns.
    """
    tradable = [i for i in instruments.instruments if i.trading]
    wanted = [i for i in tradable if i.symbol in settings.symbols_of(product)] or tradable
    if not wanted:
        return
    spot = product is Product.SPOT
    time = VenueTime(WallClock())
    time.offset = offset
    rest = Rest(
        transport,
        base=settings.spot_environment.spot.rest if spot else settings.environment.usdm.rest,
        signer=settings.secrets.signer(settings.mode),
        gate=Gate(budget=spot_budget() if spot else Budget(), now=time.now_ns, on_change=lambda _: None),
        time=time,
        timeout_s=10.0,
        dialect=SPOT if spot else USDM,
    )
    order: dict[str, str | int] = {
        "symbol": wanted[0].symbol,
        "side": "BUY",
        "type": "MARKET",
        "quantity": f"{wanted[0].market_min_qty or wanted[0].min_qty:f}",
    }
    if not spot and settings.account.position_mode is PositionMode.HEDGE:
        order["positionSide"] = "LONG"
    try:
        await rest.read(ORDER_TEST[product], order)
    except VenueUnavailable as refusal:
        if refusal.code in REFUSED:
            name = NAMES[product]
            raise ExchangeError(
                f"the keys may read and not trade {name} ({refusal.code}). Enable {name} trading for the "
                "API key at the exchange (withdrawals stay off); run.mode: DRY_RUN_PRIVATE only reads"
            ) from None
        if refusal.code == 0:
            raise
