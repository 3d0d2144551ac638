"""The spot gateway on real sockets against the simulated exchange: what the spot tests here share."""

import contextlib
import itertools
import time
from decimal import Decimal

from backstay.binance.net.sockets import SocketTransport
from backstay.binance.net.spot_venue import SpotVenue
from backstay.binance.net.timings import Timings
from backstay.binance.wire.endpoints import SpotEndpoints
from backstay.binance.wire.sign import Ed25519Signer, HmacSigner
from backstay.core.contexts import OrderContext, Premise
from backstay.core.slots import Slot, SlotKey
from backstay.core.types import Direction, OrderType, PositionSide, Product, Role, Scope, Side, TimeInForce
from backstay.simulator.feeds.base import open_feed
from backstay.simulator.feeds.grid import Grid
from backstay.simulator.server.auth import Credentials
from backstay.simulator.server.handler import SimulatedBinance
from backstay.simulator.server.product import SPOT
from backstay.simulator.server.serve import serve
from backstay.simulator.server.settings import ServerSettings
from backstay.simulator.spot.engine import SpotEngine
from backstay.simulator.spot.specs import default_spot_specs

from tests.binance.net.asyncs import NoJitter
from tests.binance.net.stage import ED_KEY, ED_PEM, ED_PUBLIC, KEY, SECRET, LocalClock
from tests.binance.net.stage import Gateway as UsdmGateway
from tests.binance.net.stage import Stage as UsdmStage

SYMBOL = "BTCUSDT"
SCOPE = Scope(Product.SPOT, SYMBOL, PositionSide.BOTH)
FAST = Timings(
    first_delay=0.01, longest_delay=0.05, stable=0.0, overlap=0.1, quiet=0.0, poll=0.05, give_up=60.0
)
FUNDS = {"USDT": Decimal(100_000), "BTC": Decimal(1)}
_IDS = itertools.count(1)


class SpotStage(UsdmStage):
    def endpoints(self, **other):
        ws = self.served.ws_url
        urls = {"rest": self.served.url, "stream": ws, "ws_api": f"{ws}/ws-api/v3"}
        return SpotEndpoints(**{**urls, **other})

    def gateway(self, *, ed25519=False, timings=FAST, clock=None, endpoints=None, signer=None, **more):
        transport = SocketTransport()
        self._open.append(transport)
        hmac = HmacSigner(KEY, SECRET)
        gateway = SpotGateway(
            transport=transport,
            endpoints=endpoints or self.endpoints(),
            signer=signer or (Ed25519Signer(ED_KEY, ED_PEM) if ed25519 else hmac),
            clock=clock or LocalClock(),
            timings=timings,
            **more,
        )
        self._open.append(gateway.venue)
        return gateway

    def buy(self, quantity="0.01"):
        """The owner buys by hand, at market."""
        return self.human(do="order", symbol=SYMBOL, side="BUY", type="MARKET", quantity=quantity)

    @property
    def last(self):
        return self.engine._world.markets[SYMBOL].last

    def near(self, factor):
        """A price beside the last one, on the tick."""
        return (self.last * Decimal(factor)).quantize(Decimal("0.01"))


class SpotGateway(UsdmGateway):
    """A `SpotVenue` and everything that it told."""

    def __init__(self, **arguments):
        self.events = []
        self.marks = []
        self.market = []
        self.log = []
        self.lost = []
        self.venue = SpotVenue(
            entropy=NoJitter(),
            on_event=self.events.append,
            on_mark=lambda symbol, price, at: self.marks.append((symbol, price, at)),
            on_market=self.market.append,
            on_lost=self.lost.append,
            id_prefix="bks",
            log=self.log.append,
            **arguments,
        )


@contextlib.asynccontextmanager
async def spot_stage(settings=None, market=True, funds=FUNDS):
    start = time.time_ns()
    specs = [s for s in default_spot_specs() if s.symbol in (SYMBOL, "ETHUSDT")]
    grids = {s.symbol: Grid(s.tick, s.step) for s in specs}
    feed = None
    if market:
        feed = open_feed("synthetic", seed=1, symbols=tuple(grids), start_ns=start, grids=grids)
    engine = SpotEngine(feed, specs, start_ns=start, seed=1)
    engine.open_account("main", balances=dict(funds))
    venue = SimulatedBinance(
        engine,
        {KEY: Credentials.hmac(KEY, SECRET), ED_KEY: Credentials.ed25519(ED_KEY, ED_PUBLIC)},
        start_ns=start,
        seed=1,
        settings=settings or ServerSettings.spot_for_sockets(),
        product=SPOT,
    )
    running = SpotStage(await serve(venue), engine)
    try:
        yield running
    finally:
        await running.close()


def spot_context(role=Role.ENTRY, *, legs=(), **slot):
    """A registered order context; the slot's members say what to send."""
    number = next(_IDS)
    given = {"side": Side.BUY, "kind": OrderType.LIMIT, **slot}
    for name in ("price", "trigger", "quantity", "callback_rate"):
        if isinstance(given.get(name), str):
            given[name] = Decimal(given[name])
    return OrderContext(
        ctx_id=f"bks{number:026d}",
        scope=SCOPE,
        direction=Direction.LONG,
        slot=Slot(key=SlotKey(role), **given),
        epoch=1,
        generation=1,
        premise=Premise(epoch=1, position=Decimal(0)),
        created_at=0,
        legs=legs,
    )


def take_profit_and_stop(exchange, quantity="0.01"):
    """An OCO list that rests: a LIMIT_MAKER above the market and a stop below."""
    stop = spot_context(
        Role.SL,
        side=Side.SELL,
        kind=OrderType.STOP_MARKET,
        trigger=exchange.near("0.9"),
        quantity=quantity,
    )
    return spot_context(
        Role.TP,
        side=Side.SELL,
        tif=TimeInForce.GTX,
        price=exchange.near("1.1"),
        quantity=quantity,
        legs=(stop,),
    )
