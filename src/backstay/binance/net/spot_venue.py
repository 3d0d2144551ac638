"""`SpotVenue`: the spot gateway as the runtime sees it (structurally its `Venue` port).

It joins the parts: clock, gate, REST, order connection, user data stream, market streams, and what is done
while the user data stream is away. Everything that happens by itself goes to `on_event`, in order.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal

import msgspec

from backstay.binance.net import market_stream
from backstay.binance.net.clock_sync import ClockSync, VenueTime
from backstay.binance.net.dialect import spot_dialect
from backstay.binance.net.gate import Gate
from backstay.binance.net.gateway import Gateway, VenueStatus
from backstay.binance.net.market_stream import MarketStream
from backstay.binance.net.orders import Flight
from backstay.binance.net.outage import Outage
from backstay.binance.net.outcomes import Sent, StreamLost, VenueUnavailable
from backstay.binance.net.rest import Rest
from backstay.binance.net.spot_balances import SpotBalances
from backstay.binance.net.spot_orders import SpotDesk
from backstay.binance.net.spot_reads import SpotReads
from backstay.binance.net.spot_stream import SpotUserStream
from backstay.binance.net.timings import SPOT as SPOT_TIMINGS
from backstay.binance.net.timings import Timings
from backstay.binance.net.transport import Clock, Entropy, Transport
from backstay.binance.net.ws_api import WsApi
from backstay.binance.wire import endpoints_spot
from backstay.binance.wire.decode_market import BookTicker, Depth, MarketEvent, MarkPrice
from backstay.binance.wire.decode_market_spot import decode_market_spot
from backstay.binance.wire.decode_spot_rest import Commission
from backstay.binance.wire.endpoints import SpotEndpoints
from backstay.binance.wire.limits import Budget
from backstay.binance.wire.sign import Signer
from backstay.core.contexts import OrderContext
from backstay.core.events import (
    AccountModeSnapshot,
    AlgosSnapshot,
    AnyEvent,
    BalancesSnapshot,
    FillsSnapshot,
    InstrumentsSnapshot,
    OrderQueried,
    OrdersSnapshot,
    PositionsSnapshot,
    StreamChanged,
    StreamState,
)
from backstay.core.types import PositionMode, Product, Surface, TimeNs

_LOG = logging.getLogger(__name__)


def spot_budget() -> Budget:
    """Spot's documented limits, until exchangeInfo states the account's own."""
    return Budget(
        weight_per_minute=endpoints_spot.WEIGHT_PER_MINUTE,
        orders_per_10s=endpoints_spot.ORDERS_PER_10S,
        orders_per_day=endpoints_spot.ORDERS_PER_DAY,
    )


class _World(msgspec.Struct, frozen=True):
    """What every connection is made with."""

    transport: Transport
    endpoints: SpotEndpoints
    signer: Signer
    entropy: Entropy
    timings: Timings
    log: Callable[[str], None]
    microseconds: bool
    id_prefix: str

    @property
    def query(self) -> str:
        return "?timeUnit=MICROSECOND" if self.microseconds else ""


class SpotVenue(Gateway[SpotDesk]):
    """Spot. Make it inside the running loop; `open` before anything else.

    `place` takes order lists too: a context with `legs`, of which every leg is answered for itself. `amend`
    makes a quantity smaller at the same price and nothing else. `cancel` ends the whole list of an order.
    """

    def __init__(
        self,
        *,
        transport: Transport,
        endpoints: SpotEndpoints,
        signer: Signer,
        clock: Clock,
        entropy: Entropy,
        on_event: Callable[[AnyEvent], None],
        on_mark: Callable[[str, Decimal, TimeNs], None],
        on_lost: Callable[[StreamLost], None],
        fee_symbol: str = "",
        id_prefix: str = "",
        budget: Budget | None = None,
        order_connection: bool = True,
        on_market: Callable[[MarketEvent], None] | None = None,
        timings: Timings = SPOT_TIMINGS,
        microseconds: bool = False,
        log: Callable[[str], None] = _LOG.info,
    ) -> None:
        """`on_lost` is told once that the user data stream stays away: the run is to be stopped safely.

        `on_mark` gets last trade prices, once a second. `fee_symbol`: whose commissions stand for all.
        `microseconds`: ask the venue for its times in microseconds. The rest is as for `BinanceVenue`.
        """
        self._on_event = on_event
        self._on_mark = on_mark
        self._on_market = on_market
        self._log = log
        self._timings = timings
        world = _World(transport, endpoints, signer, entropy, timings, log, microseconds, id_prefix)
        self._dialect = spot_dialect(microseconds=microseconds)
        self._time = VenueTime(clock)
        self._gate = Gate(budget=budget or spot_budget(), now=self._time.now_ns, on_change=on_event)
        self._rest = Rest(
            transport,
            base=endpoints.rest,
            signer=signer,
            gate=self._gate,
            time=self._time,
            timeout_s=timings.read,
            dialect=self._dialect,
        )
        self._sync = ClockSync(
            self._time, self._rest.time, on_offset=self._on_offset, log=log, timings=timings
        )
        self._rest.resync = self._sync.measure
        self._reads = SpotReads(self._rest, now=self._time.now_ns, fee_symbol=fee_symbol)
        self._balances = SpotBalances(self._reads.balances, timings.read_lag, on_event, log)
        self._outage = Outage(
            self._reads,
            now=self._time.now_ns,
            on_event=on_event,
            on_mark=on_mark,
            on_lost=on_lost,
            log=log,
            timings=timings,
        )
        self._desk = self._order_desk(world)
        self._orders = self._order_connection(world) if order_connection else None
        self._desk.connection = self._orders
        self._private = self._user_stream(world)
        self._market = self._market_streams(world)
        self._marks: frozenset[str] = frozenset()
        self._streams: frozenset[str] = frozenset()

    def _order_desk(self, world: _World) -> SpotDesk:
        return SpotDesk(
            rest=self._rest,
            gate=self._gate,
            time=self._time,
            signer=world.signer,
            position_mode=PositionMode.ONE_WAY,
            on_answer=self._on_event,
            on_clock_refused=self._resync,
            answer_margin_s=world.timings.answer_margin,
        )

    def _order_connection(self, world: _World) -> WsApi[Flight]:
        return WsApi(
            world.transport,
            url=world.endpoints.ws_api + world.query,
            signer=world.signer,
            gate=self._gate,
            time=self._time,
            entropy=world.entropy,
            on_answer=self._desk.answered,
            log=world.log,
            timings=world.timings,
            dialect=self._dialect,
        )

    def _user_stream(self, world: _World) -> SpotUserStream:
        return SpotUserStream(
            world.transport,
            url=world.endpoints.ws_api + world.query,
            signer=world.signer,
            gate=self._gate,
            time=self._time,
            entropy=world.entropy,
            on_event=self._private_event,
            on_failed_attempt=self._outage.attempt_failed,
            log=world.log,
            timings=world.timings,
            dialect=self._dialect,
            id_prefix=world.id_prefix,
        )

    def _market_streams(self, world: _World) -> MarketStream:
        return MarketStream(
            world.transport,
            market_url=world.endpoints.stream,
            public_url=world.endpoints.stream,
            gate=self._gate,
            entropy=world.entropy,
            on_event=self._market_event,
            log=world.log,
            timings=world.timings,
            decode=decode_market_spot,
            routed=False,
            combined=True,
            query=world.query,
        )

    async def close(self) -> None:
        """Close every connection; resting orders stay. Mutations without an answer are told as unknown."""
        self._balances.close()
        await self._outage.close()
        await super().close()

    def status(self) -> VenueStatus:
        return msgspec.structs.replace(super().status(), away_since=self._outage.since)

    def replace(self, old: OrderContext, new: OrderContext, *, protective: bool) -> Sent:
        """Cancel one order and place another in one request (cancel-replace, stop on failure).

        Both contexts are answered: the cancel of `old`, the place of `new`. Raises as `place`.
        """
        self._must_be_open()
        return self._desk.replace(old, new, protective=protective)

    # --- reads ----------------------------------------------------------------------------------------

    async def read_account_mode(self) -> AccountModeSnapshot:
        return await self._reads.account_mode()

    async def read_commission(self, symbol: str) -> Commission:
        """What a trade in this symbol costs."""
        return await self._reads.commission(symbol)

    async def read_instruments(self) -> InstrumentsSnapshot:
        info, received_at = await self._reads.instruments()
        for dropped in info.dropped:
            self._log(f"exchangeInfo: {dropped.symbol} is left out: {dropped.reason}")
        self._gate.adopt_limits(info.rate_limits)
        return InstrumentsSnapshot(
            instruments=info.instruments, received_at=received_at, product=Product.SPOT
        )

    async def read_positions(self, symbol: str | None) -> PositionsSnapshot:
        """Empty: spot has none."""
        return self._reads.positions(symbol)

    async def read_balances(self) -> BalancesSnapshot:
        return await self._balances.read()

    async def read_orders(self, symbol: str | None) -> OrdersSnapshot:
        return await self._reads.orders(symbol)

    async def read_algos(self, symbol: str | None) -> AlgosSnapshot:
        """Empty: conditional orders are among the others."""
        return self._reads.algos(symbol)

    async def read_fills(self, symbol: str, since: TimeNs, from_id: int = 0) -> FillsSnapshot:
        """Our trades from the trade id `from_id` on; when that is 0, from the time `since` on."""
        return await self._reads.fills(symbol, since, from_id)

    async def query_order(self, symbol: str, ctx_id: str, surface: Surface) -> OrderQueried:
        if surface is not Surface.REGULAR:
            raise VenueUnavailable(f"{ctx_id}: spot has no surface {surface}", fatal=True)
        return await self._reads.order(symbol, ctx_id)

    async def query_orders(self, symbol: str, ctx_ids: Sequence[str], surface: Surface) -> list[OrderQueried]:
        """Each by itself: a read of them all weighs as much as five of one, and reaches back a day."""
        return [await self.query_order(symbol, ctx_id, surface) for ctx_id in ctx_ids]

    # --- events ---------------------------------------------------------------------------------------

    def _private_event(self, event: AnyEvent) -> None:
        self._on_event(event)
        if type(event) is StreamChanged:
            if event.state in (StreamState.CONNECTED, StreamState.OVERLAP):
                self._outage.ended()
            else:
                self._outage.began()
        else:
            self._balances.heard(event)

    def watch_marks(self, symbols: Sequence[str]) -> None:
        """Follow the last trade prices of exactly these symbols; they arrive at `on_mark`."""
        self._outage.symbols = frozenset(symbols)
        self._marks = frozenset(market_stream.mini_ticker(symbol) for symbol in symbols)
        self._market.follow(self._marks | self._streams)

    def hear(self, on_market: Callable[[MarketEvent], None]) -> None:
        """Give every market event to `on_market` from now on, instead of to whom it was given."""
        self._on_market = on_market

    def watch_streams(self, streams: Iterable[str]) -> None:
        """Follow exactly these further market streams (see `market_stream`); they arrive at `on_market`."""
        self._streams = frozenset(streams)
        self._market.follow(self._marks | self._streams)

    def _market_event(self, event: MarketEvent) -> None:
        if type(event) is MarkPrice:
            self._marked(event)
        if self._on_market is not None:
            if isinstance(event, (BookTicker, Depth)):
                event = msgspec.structs.replace(event, at=self._time.now_ns())
            self._on_market(event)
