"""What the runtime asks of the world, as protocols; `app.bootstrap` supplies the implementations.

Nothing here names a library, a socket or a file. Below the `Venue` port lie the bytes (`Transport`),
below the `Journal` port lies the disk: those two seams belong to `binance.net` and `ledger`.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Protocol

from backstay.core.contexts import OrderContext, Request
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
from backstay.core.outcomes import Sent
from backstay.core.records import Body
from backstay.core.types import Surface, TimeNs


class Clock(Protocol):
    def now_ns(self) -> TimeNs:
        """Local wall time in ns since the epoch."""
        ...


class Entropy(Protocol):
    def order_id(self, prefix: str) -> str:
        """A fresh custom order id: the prefix and 26 random characters of a-z2-7 (I-20)."""
        ...

    def jitter(self) -> float:
        """A number in [0, 1), for backoff."""
        ...


class Journal(Protocol):
    """The ledger, as the owner sees it: an ordered append and a wait for the disk."""

    def append(self, body: Body, *, at: TimeNs, cause: int) -> int:
        """Number a record and queue it; returns its seq. Never blocks, never encodes."""
        ...

    async def durable(self) -> None:
        """Return once everything appended so far is on disk. Raises JournalError when it cannot be."""
        ...

    def durable_now(self) -> object:
        """Write and sync in this thread: the shortest way to the disk. Raises JournalError."""
        ...

    def kick(self) -> None:
        """The hot path is over: what was appended may be written now."""
        ...


class Venue(Protocol):
    """The gateway. Mutations are synchronous up to the last byte handed to the socket.

    Every mutation is answered by exactly one `AnswerReceived`, given to the `on_event` callback that
    the venue was made with; private events arrive there too, in the order of the wire.
    """

    def venue_now_ns(self) -> TimeNs:
        """Local time corrected by the measured clock offset."""
        ...

    def prepare(self, ctx: OrderContext) -> None:
        """This order may have to be placed in a hurry: do now what can be done now. Sends nothing."""
        ...

    def place(self, ctx: OrderContext, *, protective: bool) -> Sent: ...

    def amend(self, ctx: OrderContext, price: Decimal, quantity: Decimal, *, protective: bool) -> Sent: ...

    def cancel(self, ctx: OrderContext, *, protective: bool) -> Sent: ...

    def candidate(self, request: Request, ctx: OrderContext) -> dict[str, str]:
        """The request as it would be sent, without key and signature (I-35)."""
        ...

    async def read_account_mode(self) -> AccountModeSnapshot: ...

    async def read_instruments(self) -> InstrumentsSnapshot: ...

    async def read_positions(self, symbol: str | None) -> PositionsSnapshot: ...

    async def read_balances(self) -> BalancesSnapshot: ...

    async def read_orders(self, symbol: str | None) -> OrdersSnapshot: ...

    async def read_algos(self, symbol: str | None) -> AlgosSnapshot: ...

    async def read_fills(self, symbol: str, since: TimeNs, from_id: int = 0) -> FillsSnapshot:
        """Own trades since a venue time; spot: from a trade id on, where one is given."""
        ...

    async def query_order(self, symbol: str, ctx_id: str, surface: Surface) -> OrderQueried: ...

    async def query_orders(
        self, symbol: str, ctx_ids: Sequence[str], surface: Surface
    ) -> Sequence[OrderQueried]:
        """Several orders of one symbol, none older than a few days."""
        ...

    def watch_marks(self, symbols: Sequence[str]) -> None:
        """Subscribe to the mark prices of exactly these symbols; they arrive at `on_mark`."""
        ...

    async def open(self) -> None:
        """Connect the private stream (events are delivered from here on), the order connection,
        and measure the clock. Raises VenueUnavailable.
        """
        ...

    def halt(self) -> str:
        """Why the venue may not be asked for anything until a person says so; empty: it may."""
        ...

    async def reconnect_private(self) -> None:
        """Drop the private stream and open it on a new key (deaf stream, expired key)."""
        ...

    async def close(self) -> None:
        """Close every connection; resting orders stay as they are."""
        ...


type OnEvent = Callable[[AnyEvent], None]
type OnMark = Callable[[str, Decimal, TimeNs], None]


class Lease(Protocol):
    """The right to be the one owner of this account (R-24)."""

    def held(self) -> bool: ...
