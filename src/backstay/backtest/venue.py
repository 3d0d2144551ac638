"""The simulated exchange as a venue in the same process: the live requests and frames, no connections.

Requests are spelt and answers are read by the same codec as in live trading. A request, its answer and the
private events each take their own time (`Latency`), so whatever depends on their order is exercised.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

import msgspec

from backstay.binance.net.reads import Reads
from backstay.binance.net.rest import Read
from backstay.binance.wire import encode
from backstay.binance.wire.answers import read_ack
from backstay.binance.wire.decode_usdm import decode_private
from backstay.binance.wire.endpoints import Endpoint
from backstay.binance.wire.rejections import ACCEPTED, classify
from backstay.binance.wire.sign import WsValue
from backstay.core.contexts import OrderContext, Phase, Request
from backstay.core.events import (
    AccountModeSnapshot,
    AlgosSnapshot,
    AnswerReceived,
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
from backstay.core.outcomes import NotSent, Sent, VenueUnavailable
from backstay.core.types import EXPOSING, MS, SECOND, Action, PositionMode, Surface, TimeNs
from backstay.simulator.engine import Engine
from backstay.simulator.errors import Refusal

RECV_WINDOW_MS = 5000


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """How long things take, in ns."""

    request: TimeNs = 20 * MS
    """From us to the venue."""
    answer: TimeNs = 20 * MS
    """From the venue to us."""
    event: TimeNs = 10 * MS
    """A private event, which often comes before the answer."""
    score: TimeNs = 50 * MS
    """From the close of a bar to its score: the news of the close, and the arithmetic."""


class BarVenue:
    """The venue port over an `Engine`, for one account. Made and driven on one event loop.

    `on_event` is given every event and answer; `on_mark` the prices of watched symbols (see `told`).
    """

    def __init__(
        self,
        engine: Engine,
        account: str,
        *,
        now_ns: Callable[[], TimeNs],
        on_event: Callable[[AnyEvent], None],
        on_mark: Callable[[str, Decimal, TimeNs], None],
        position_mode: PositionMode,
        latency: Latency,
        fee_symbol: str,
    ) -> None:
        self._engine = engine
        self._account = account
        self._now_ns = now_ns
        self._on_event = on_event
        self._on_mark = on_mark
        self._position_mode = position_mode
        self._latency = latency
        self._loop = asyncio.get_running_loop()
        self._reads = Reads(_Desk(engine, account, now_ns), fee_symbol=fee_symbol)
        self._frames: deque[list[bytes]] = deque()
        self._watched: frozenset[str] = frozenset()

    # --- the market's side --------------------------------------------------------------------------

    def pump(self) -> None:
        """Send what the venue has to say to the account on its way."""
        told = self._engine.take_user_events()
        if told:
            self._frames.append([msgspec.json.encode(frame) for name, frame in told if name == self._account])
            self._later(self._latency.event, self._deliver)

    def told(self, symbol: str, price: Decimal, at: TimeNs) -> None:
        """A mark price went out."""
        if symbol in self._watched:
            self._later(self._latency.event, self._on_mark, symbol, price, at)

    def _deliver(self) -> None:
        for frame in self._frames.popleft():
            self._on_event(decode_private(frame))

    def _later[*Ts](self, delay: TimeNs, what: Callable[[*Ts], object], *args: *Ts) -> None:
        self._loop.call_later(delay / SECOND, what, *args)

    # --- mutations ----------------------------------------------------------------------------------

    def venue_now_ns(self) -> TimeNs:
        return self._now_ns()

    def prepare(self, ctx: OrderContext) -> None:
        """Nothing is in a hurry here."""

    def place(self, ctx: OrderContext, *, protective: bool) -> Sent:
        return self._send(ctx, encode.place(ctx, self._position_mode), Action.PLACE, ctx.surface)

    def amend(self, ctx: OrderContext, price: Decimal, quantity: Decimal, *, protective: bool) -> Sent:
        return self._send(ctx, encode.amend(ctx, price, quantity), Action.AMEND, ctx.surface)

    def cancel(self, ctx: OrderContext, *, protective: bool) -> Sent:
        triggered = ctx.child_order_id or ctx.phase is Phase.TRIGGERED
        surface = Surface.REGULAR if ctx.surface is Surface.ALGO and triggered else ctx.surface
        return self._send(ctx, encode.cancel(ctx, surface), Action.CANCEL, surface)

    def candidate(self, request: Request, ctx: OrderContext) -> dict[str, str]:
        raise NotSent("a backtest trades; there is nothing to show instead")

    def _send(self, ctx: OrderContext, mutation: encode.Mutation, action: Action, surface: Surface) -> Sent:
        self._later(self._latency.request, self._arrive, ctx, mutation, action, surface)
        return Sent(self._now_ns() // MS * MS, RECV_WINDOW_MS)

    def _arrive(self, ctx: OrderContext, mutation: encode.Mutation, action: Action, surface: Surface) -> None:
        endpoint = mutation.endpoint
        where = f"{endpoint.method} {endpoint.path}"
        try:
            told = self._engine.call(self._account, where, dict(mutation.params), self._now_ns())
        except Refusal as refusal:
            answer = _refused(ctx, action, surface, refusal)
        else:
            ack = read_ack(msgspec.json.encode(told))
            answer = AnswerReceived(
                scope=ctx.scope,
                ctx_id=ctx.ctx_id,
                action=action,
                certainty=ACCEPTED.certainty,
                answer=ACCEPTED.answer,
                effect=ACCEPTED.effect,
                order_id=ack.order_id,
                at=ack.at,
            )
        self.pump()
        self._later(self._latency.answer, self._on_event, answer)

    # --- reads --------------------------------------------------------------------------------------

    async def read_account_mode(self) -> AccountModeSnapshot:
        return await self._reads.account_mode()

    async def read_instruments(self) -> InstrumentsSnapshot:
        info, received_at = await self._reads.instruments()
        return InstrumentsSnapshot(instruments=info.instruments, received_at=received_at)

    async def read_positions(self, symbol: str | None) -> PositionsSnapshot:
        return await self._reads.positions(symbol)

    async def read_balances(self) -> BalancesSnapshot:
        return await self._reads.balances()

    async def read_orders(self, symbol: str | None) -> OrdersSnapshot:
        return await self._reads.orders(symbol)

    async def read_algos(self, symbol: str | None) -> AlgosSnapshot:
        return await self._reads.algos(symbol)

    async def read_fills(self, symbol: str, since: TimeNs, from_id: int = 0) -> FillsSnapshot:
        return await self._reads.fills(symbol, since, self._now_ns())

    async def query_order(self, symbol: str, ctx_id: str, surface: Surface) -> OrderQueried:
        return await self._reads.order(symbol, ctx_id, surface)

    async def query_orders(self, symbol: str, ctx_ids: Sequence[str], surface: Surface) -> list[OrderQueried]:
        return await self._reads.several(symbol, ctx_ids, surface)

    # --- life ---------------------------------------------------------------------------------------

    def watch_marks(self, symbols: Sequence[str]) -> None:
        self._watched = frozenset(symbols)

    async def open(self) -> None:
        self._on_event(StreamChanged(state=StreamState.CONNECTED))

    def halt(self) -> str:
        """It refuses no keys and bans nobody."""
        return ""

    async def reconnect_private(self) -> None:
        """The stream of this venue is never lost."""

    async def close(self) -> None:
        """There are no connections."""


class _Desk:
    """Reads in the same process; they take no time."""

    def __init__(self, engine: Engine, account: str, now_ns: Callable[[], TimeNs]) -> None:
        self._engine = engine
        self._account = account
        self._now_ns = now_ns

    async def read(self, endpoint: Endpoint, params: Mapping[str, WsValue] | None = None) -> Read:
        now = self._now_ns()
        asked = {name: str(value) for name, value in (params or {}).items()}
        try:
            told = self._engine.call(self._account, f"{endpoint.method} {endpoint.path}", asked, now)
        except Refusal as refusal:
            raise VenueUnavailable(
                refusal.msg, code=refusal.code, status=refusal.status, requested_at=now, received_at=now
            ) from None
        return Read(msgspec.json.encode(told), now, now)


def _refused(ctx: OrderContext, action: Action, surface: Surface, refusal: Refusal) -> AnswerReceived:
    verdict = classify(
        surface=surface,
        action=action,
        role_exposing=ctx.slot.key.role in EXPOSING,
        http_status=refusal.status,
        code=refusal.code,
        message=refusal.msg,
    )
    return AnswerReceived(
        scope=ctx.scope,
        ctx_id=ctx.ctx_id,
        action=action,
        certainty=verdict.certainty,
        answer=verdict.answer,
        effect=verdict.effect,
        code=refusal.code,
        message=refusal.msg,
        retry_after_ms=verdict.retry_after_ms,
    )
