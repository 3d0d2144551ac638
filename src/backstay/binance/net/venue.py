"""`BinanceVenue`: the gateway as the runtime sees it (structurally its `Venue` port).

It only joins the parts: clock, gate, REST, order connection, private stream, market streams. Everything
that happens by itself (private events, answers, stream changes, gates) goes to `on_event`, in order,
synchronously.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal

import msgspec

from backstay.binance.net import market_stream
from backstay.binance.net.account_settings import AccountSettings
from backstay.binance.net.clock_sync import ClockSync, VenueTime
from backstay.binance.net.gate import Gate
from backstay.binance.net.gateway import Gateway
from backstay.binance.net.market_stream import MarketStream
from backstay.binance.net.orders import Flight, OrderDesk
from backstay.binance.net.reads import Reads
from backstay.binance.net.rest import Rest
from backstay.binance.net.timings import Timings
from backstay.binance.net.transport import Clock, Entropy, Transport
from backstay.binance.net.user_stream import UserStream
from backstay.binance.net.ws_api import WsApi
from backstay.binance.wire import endpoints
from backstay.binance.wire.decode_klines import KlineRow
from backstay.binance.wire.decode_market import MarketEvent, MarkPrice
from backstay.binance.wire.decode_rest import listen_key
from backstay.binance.wire.endpoints import UsdmEndpoints
from backstay.binance.wire.limits import Budget
from backstay.binance.wire.sign import Signer
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
)
from backstay.core.types import PositionMode, Surface, TimeNs

DEFAULT_TIMINGS = Timings()
_LOG = logging.getLogger(__name__)


class _World(msgspec.Struct, frozen=True):
    """What every connection is made with."""

    transport: Transport
    endpoints: UsdmEndpoints
    signer: Signer
    entropy: Entropy
    timings: Timings
    log: Callable[[str], None]


class BinanceVenue(Gateway[OrderDesk]):
    """USD-M futures. Make it inside the running loop; `open` before anything else."""

    def __init__(
        self,
        *,
        transport: Transport,
        endpoints: UsdmEndpoints,
        signer: Signer,
        clock: Clock,
        entropy: Entropy,
        on_event: Callable[[AnyEvent], None],
        on_mark: Callable[[str, Decimal, TimeNs], None],
        position_mode: PositionMode = PositionMode.ONE_WAY,
        fee_symbol: str = "",
        id_prefix: str = "",
        budget: Budget | None = None,
        order_connection: bool = True,
        on_market: Callable[[MarketEvent], None] | None = None,
        timings: Timings = DEFAULT_TIMINGS,
        log: Callable[[str], None] = _LOG.info,
    ) -> None:
        """`position_mode` is what orders are written for until `read_account_mode` tells.

        `fee_symbol`: whose fee rates stand for the account's. `id_prefix`: of our custom order ids.
        `order_connection` False: no WebSocket API connection (a run that never sends). `on_market`: every
        market event of `watch_streams`; mark prices go to `on_mark` besides.
        """
        self._on_event = on_event
        self._on_mark = on_mark
        self._on_market = on_market
        self._log = log
        self._timings = timings
        world = _World(transport, endpoints, signer, entropy, timings, log)
        self._time = VenueTime(clock)
        self._gate = Gate(budget=budget or Budget(), now=self._time.now_ns, on_change=on_event)
        self._rest = Rest(
            transport,
            base=endpoints.rest,
            signer=signer,
            gate=self._gate,
            time=self._time,
            timeout_s=timings.read,
        )
        self._sync = ClockSync(
            self._time, self._rest.time, on_offset=self._on_offset, log=log, timings=timings
        )
        self._rest.resync = self._sync.measure
        self._reads = Reads(self._rest, fee_symbol=fee_symbol)
        self.settings = AccountSettings(self._rest)
        """How the account trades; see there."""
        self._desk = self._order_desk(world, position_mode)
        self._orders = self._order_connection(world) if order_connection else None
        self._desk.connection = self._orders
        self._private = self._private_stream(world, id_prefix)
        self._market = self._market_streams(world)
        self._marks: frozenset[str] = frozenset()
        self._streams: frozenset[str] = frozenset()

    def _order_desk(self, world: _World, position_mode: PositionMode) -> OrderDesk:
        return OrderDesk(
            rest=self._rest,
            gate=self._gate,
            time=self._time,
            signer=world.signer,
            position_mode=position_mode,
            on_answer=self._on_event,
            on_clock_refused=self._resync,
            answer_margin_s=world.timings.answer_margin,
        )

    def _order_connection(self, world: _World) -> WsApi[Flight]:
        return WsApi(
            world.transport,
            url=world.endpoints.ws_api,
            signer=world.signer,
            gate=self._gate,
            time=self._time,
            entropy=world.entropy,
            on_answer=self._desk.answered,
            log=world.log,
            timings=world.timings,
        )

    def _private_stream(self, world: _World, id_prefix: str) -> UserStream:
        return UserStream(
            world.transport,
            url=world.endpoints.private_stream,
            rest=self._rest,
            entropy=world.entropy,
            on_event=self._on_event,
            log=world.log,
            timings=world.timings,
            id_prefix=id_prefix,
        )

    def _market_streams(self, world: _World) -> MarketStream:
        return MarketStream(
            world.transport,
            market_url=world.endpoints.market_stream,
            public_url=world.endpoints.public_stream,
            gate=self._gate,
            entropy=world.entropy,
            on_event=self._market_event,
            log=world.log,
            timings=world.timings,
        )

    # --- reads ----------------------------------------------------------------------------------------

    async def read_account_mode(self) -> AccountModeSnapshot:
        snapshot = await self._reads.account_mode()
        self._desk.position_mode = snapshot.position_mode
        return snapshot

    async def read_instruments(self) -> InstrumentsSnapshot:
        info, received_at = await self._reads.instruments()
        for dropped in info.dropped:
            self._log(f"exchangeInfo: {dropped.symbol} is left out: {dropped.reason}")
        self._gate.adopt_limits(info.rate_limits)
        return InstrumentsSnapshot(instruments=info.instruments, received_at=received_at)

    async def read_positions(self, symbol: str | None) -> PositionsSnapshot:
        return await self._reads.positions(symbol)

    async def read_balances(self) -> BalancesSnapshot:
        return await self._reads.balances()

    async def read_orders(self, symbol: str | None) -> OrdersSnapshot:
        return await self._reads.orders(symbol)

    async def read_algos(self, symbol: str | None) -> AlgosSnapshot:
        return await self._reads.algos(symbol)

    async def read_listen_key(self) -> str:
        """The account's key of the private stream, extended or made anew; secret. Raises VenueUnavailable."""
        return listen_key((await self._rest.read(endpoints.LISTEN_KEY_START)).body)

    async def cancel_by_number(self, symbol: str, number: int, surface: Surface) -> None:
        """Cancel an order by the venue's own number: for what is not ours, because the operator asked for it.

        Safe to repeat. Raises VenueUnavailable, with the venue's code when the order is not there any more.
        """
        if surface is Surface.ALGO:
            await self._rest.read(endpoints.ALGO_CANCEL, {"symbol": symbol, "algoId": number})
        else:
            await self._rest.read(endpoints.ORDER_CANCEL, {"symbol": symbol, "orderId": number})

    async def read_fills(self, symbol: str, since: TimeNs, from_id: int = 0) -> FillsSnapshot:
        return await self._reads.fills(symbol, since, self._time.now_ns())

    async def query_order(self, symbol: str, ctx_id: str, surface: Surface) -> OrderQueried:
        return await self._reads.order(symbol, ctx_id, surface)

    async def query_orders(self, symbol: str, ctx_ids: Sequence[str], surface: Surface) -> list[OrderQueried]:
        """Several orders of the last 7 days by one read."""
        return await self._reads.several(symbol, ctx_ids, surface)

    async def read_klines(
        self, symbol: str, interval: str, start: TimeNs, end: TimeNs
    ) -> tuple[KlineRow, ...]:
        """Bars that open from `start` to before `end`, at most 499. Raises VenueUnavailable."""
        return await self._reads.klines(symbol, interval, start, end)

    # --- market ---------------------------------------------------------------------------------------

    def watch_marks(self, symbols: Sequence[str]) -> None:
        """Follow the mark prices of exactly these symbols; they arrive at `on_mark`."""
        self._marks = frozenset(market_stream.mark_price(symbol) for symbol in symbols)
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
            self._on_market(event)
