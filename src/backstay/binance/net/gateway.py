"""What both gateways are, below their products: life, mutations, clock.

A gateway only joins the parts: clock, gate, REST, order connection, private stream, market streams. What
happens by itself (private events, answers, stream changes, gates) goes to `on_event`, in order,
synchronously.
"""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Protocol

import msgspec

from backstay.binance.net.clock_sync import LIMIT, ClockSync, VenueTime
from backstay.binance.net.gate import Gate
from backstay.binance.net.line import CannotConnect, Line
from backstay.binance.net.market_stream import MarketStream
from backstay.binance.net.orders import Flight, OrderDesk
from backstay.binance.net.outcomes import NotSent, Sent, VenueUnavailable
from backstay.binance.net.rest import Call, Rest
from backstay.binance.net.timings import Timings
from backstay.binance.net.transport import TransportError
from backstay.binance.net.ws_api import WsApi
from backstay.binance.wire.decode_market import MarkPrice
from backstay.core.contexts import OrderContext, Request
from backstay.core.events import AnyEvent, TrustLost
from backstay.core.types import MS, TimeNs


class VenueStatus(msgspec.Struct, frozen=True):
    """How the gateway is, for screens and checks."""

    private_up: bool
    orders_up: bool
    """The order connection; while it is down, orders go by REST."""
    market_up: bool
    clock_offset_ms: int
    clock_round_trip_ms: int
    limited_until: TimeNs
    halted: bool
    orders_outstanding: int
    orders_by_ws: int
    orders_by_rest: int
    headroom: dict[str, int]
    """Requests left in each bucket of the venue (`wire.limits`)."""
    refused_by_limit: int = 0
    """Answers 429, and their codes, so far."""
    banned: int = 0
    """Answers 418 so far."""
    away_since: TimeNs = 0
    """Spot: since when the user data stream is away; 0: it is up."""
    used: dict[str, float] = {}
    """Share of each bucket of the venue that is used up, 0 to 1."""
    losses: dict[str, int] = {}
    """Connections lost so far, by stream (`private`, `orders`, `market`)."""


class PrivateStream(Protocol):
    """How the account's events come in."""

    line: Line

    @property
    def is_up(self) -> bool: ...

    async def open(self) -> None: ...

    async def reconnect(self, reason: str) -> None: ...

    async def close(self) -> None: ...


class Gateway[D: OrderDesk]:
    """Base of `BinanceVenue` and `SpotVenue`, which make the parts."""

    _on_event: Callable[[AnyEvent], None]
    _on_mark: Callable[[str, Decimal, TimeNs], None]
    _log: Callable[[str], None]
    _timings: Timings
    _time: VenueTime
    _gate: Gate
    _rest: Rest
    _sync: ClockSync
    _desk: D
    _orders: WsApi[Flight] | None
    _private: PrivateStream
    _market: MarketStream
    _resyncing: asyncio.Task[None] | None = None
    _open: bool = False

    def hear_calls(self, listener: Callable[[Call], None]) -> None:
        """Tell `listener` of every REST call when it is over."""
        self._rest.on_call = listener

    # --- life -----------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Measure the clock, connect the private stream (events flow from here on) and the order
        connection. The order connection alone may come later: REST carries orders until then.

        Raises VenueUnavailable; then `open` may be tried again.
        """
        await self._sync.measure()
        if self._orders is not None:
            try:
                await self._orders.line.open()
            except (CannotConnect, TransportError) as failure:
                if self._gate.halted:
                    raise VenueUnavailable(str(failure), fatal=True) from None
                self._log(f"order connection: not yet ({failure}); orders go by REST")
                self._orders.line.start()
        try:
            await self._private.open()
        except (CannotConnect, TransportError) as failure:
            raise VenueUnavailable(f"{self._private.line.name}: {failure}", fatal=self._gate.halted) from None
        self._sync.start()
        self._open = True

    def halt(self) -> str:
        """Why nothing is asked for any more (keys refused, banned); empty: no halt."""
        return self._gate.halt_reason

    async def reconnect_private(self) -> None:
        """Drop the private stream (told as DISCONNECTED) and open it anew.

        On USD-M the key is the account's: the venue returns the active one, or a new one when that is dead.
        Raises VenueUnavailable when it is not up after 30 s; attempts go on by themselves.
        """
        try:
            async with asyncio.timeout(self._timings.reopen):
                await self._private.reconnect("asked for by the owner")
        except TimeoutError:
            raise VenueUnavailable(
                f"the private stream could not be reopened within {self._timings.reopen:.0f} s",
                fatal=self._gate.halted,
            ) from None

    async def close(self) -> None:
        """Close every connection; resting orders stay. Mutations without an answer are told as unknown."""
        self._open = False
        if self._resyncing is not None:
            self._resyncing.cancel()
        await self._market.close()
        if self._orders is not None:
            await self._orders.close()
        await self._desk.close()
        await self._private.close()
        await self._sync.close()
        self._gate.close()

    def release_halt(self, reason: str) -> None:
        """An operator ends a venue halt (418, refused keys); lost connections come back at once."""
        self._gate.release(reason)
        self._private.line.wake()
        if self._orders is not None:
            self._orders.line.wake()

    def status(self) -> VenueStatus:
        orders = self._orders
        return VenueStatus(
            private_up=self._private.is_up,
            orders_up=orders is not None and orders.is_up,
            market_up=self._market.is_up,
            clock_offset_ms=self._time.offset // MS,
            clock_round_trip_ms=self._sync.round_trip // MS,
            limited_until=self._gate.limited_until,
            halted=self._gate.halted,
            orders_outstanding=orders.outstanding if orders is not None else 0,
            orders_by_ws=self._desk.sent_by_ws,
            orders_by_rest=self._desk.sent_by_rest,
            headroom=self._gate.headroom(),
            refused_by_limit=self._gate.refused_by_limit,
            banned=self._gate.banned,
            used=self._gate.used(),
            losses={
                "private": self._private.line.losses,
                "orders": orders.line.losses if orders is not None else 0,
                "market": self._market.losses,
            },
        )

    def venue_now_ns(self) -> TimeNs:
        """Local time corrected by the measured clock offset."""
        return self._time.now_ns()

    # --- mutations ------------------------------------------------------------------------------------

    def prepare(self, ctx: OrderContext) -> None:
        """A pre-armed order: its request is spelt now, so that its fill need not wait for that."""
        self._desk.prepare(ctx)

    def place(self, ctx: OrderContext, *, protective: bool) -> Sent:
        """Write an order. Raises NotSent when nothing left, EncodeError for an impossible context."""
        self._must_be_open()
        return self._desk.place(ctx, protective=protective)

    def amend(self, ctx: OrderContext, price: Decimal, quantity: Decimal, *, protective: bool) -> Sent:
        """Ask for a new total price and quantity of a LIMIT order; raises as `place`."""
        self._must_be_open()
        return self._desk.amend(ctx, price, quantity, protective=protective)

    def cancel(self, ctx: OrderContext, *, protective: bool) -> Sent:
        """Ask for the end of an order, on the surface where it lives now; raises as `place`."""
        self._must_be_open()
        return self._desk.cancel(ctx, protective=protective)

    def candidate(self, request: Request, ctx: OrderContext) -> dict[str, str]:
        """The request as it would be sent, without key, timestamp and signature (I-35)."""
        return self._desk.candidate(request, ctx)

    def _must_be_open(self) -> None:
        if not self._open:
            raise NotSent("the gateway is not open")

    # --- clock ----------------------------------------------------------------------------------------

    def _marked(self, mark: MarkPrice) -> None:
        """A price; they come every second, and each says what time it is at the venue."""
        if self._open and self._sync.is_doubtful(mark.at):
            self._resync()
        self._on_mark(mark.symbol, mark.price, mark.at)

    def _on_offset(self, offset: TimeNs, step: TimeNs) -> None:
        if abs(offset) > LIMIT:
            self._log(
                f"clock: this machine is {-offset / 1e9:+.3f} s against the venue; check its time service"
            )
        if self._open and abs(step) > LIMIT:
            # deadlines and windows were reckoned with a wrong clock (exchange-state 4.1.1)
            self._on_event(
                TrustLost(reason=f"clock_offset: the clock moved by {step // MS} ms against the venue")
            )

    def _resync(self) -> None:
        if self._resyncing is None or self._resyncing.done():
            self._resyncing = asyncio.get_running_loop().create_task(self._resync_quietly())

    async def _resync_quietly(self) -> None:
        try:
            await self._sync.measure()
        except VenueUnavailable as failure:
            self._log(f"clock: could not be measured ({failure})")
