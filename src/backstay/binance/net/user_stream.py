"""The private stream: listen key, connection, and every event handed over in the order of the wire.

There is no queue and no task between the socket and the callback, so nothing can overflow and nothing is
dropped. Whatever could have lost an event is told as `StreamChanged`; only a planned replacement, during
which two connections deliver (and duplicates are harmless), is told as OVERLAP.
"""

import asyncio
from collections.abc import Callable

from backstay.binance.net.line import CannotConnect, Line, Up
from backstay.binance.net.outcomes import VenueUnavailable
from backstay.binance.net.redact import redacted_key
from backstay.binance.net.rest import Rest
from backstay.binance.net.timings import Timings
from backstay.binance.net.transport import Entropy, OnClosed, Socket, Transport
from backstay.binance.wire.decode_rest import listen_key
from backstay.binance.wire.decode_usdm import decode_private
from backstay.binance.wire.endpoints import LISTEN_KEY_PING, LISTEN_KEY_START
from backstay.binance.wire.errors import WireError
from backstay.core.events import AnyEvent, StreamChanged, StreamState

KEY_DEAD = -1125


class UserStream:
    def __init__(
        self,
        transport: Transport,
        *,
        url: str,
        rest: Rest,
        entropy: Entropy,
        on_event: Callable[[AnyEvent], None],
        log: Callable[[str], None],
        timings: Timings,
        id_prefix: str = "",
    ) -> None:
        """`url` is the private root (`wss://.../private`). `on_event` is called inside the socket's read."""
        self._transport = transport
        self._timings = timings
        self._url = url
        self._rest = rest
        self._on_event = on_event
        self._log = log
        self._id_prefix = id_prefix
        self._key = ""
        """Key of the current connection."""
        self._next_key = ""
        self._extended_at = 0.0
        self._keeper: asyncio.Task[None] | None = None
        self.line = Line(
            self._connect,
            entropy=entropy,
            on_up=self._on_up,
            on_down=self._on_down,
            log=log,
            name="private stream",
            timings=timings,
        )

    @property
    def is_up(self) -> bool:
        return self.line.is_up

    async def open(self) -> None:
        """Raises VenueUnavailable, CannotConnect or NotWritten; nothing is kept open then."""
        await self.line.open()
        if self._keeper is None:
            self._keeper = asyncio.get_running_loop().create_task(self._keep_key(), name="listen key")

    async def reconnect(self, reason: str) -> None:
        """Drop the connection and open it again on the key that the venue gives now; told as a gap."""
        self.line.drop(reason)
        await self.line.wait_up()

    async def close(self) -> None:
        """Close the connection. The key stays: every process of the account shares it."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.cancel()
            await asyncio.wait([keeper])
        await self.line.close()

    # --- connection -----------------------------------------------------------------------------------

    async def _connect(self, on_closed: OnClosed) -> Socket:
        try:
            key = listen_key((await self._rest.read(LISTEN_KEY_START)).body)
        except VenueUnavailable as failure:
            raise CannotConnect(str(failure), retry_after_s=_pause_after(failure)) from None
        except WireError as unreadable:
            raise CannotConnect(f"listen key: {unreadable}") from None
        self._extended_at = asyncio.get_running_loop().time()
        self._next_key = key
        receiver = _Receiver(key, self._id_prefix, self._on_event, self._key_expired)
        return await self._transport.websocket(
            f"{self._url}/ws/{key}", receiver.on_message, on_closed, quiet_s=self._timings.quiet
        )

    def _on_up(self, how: Up) -> None:
        self._key = self._next_key
        state = StreamState.OVERLAP if how is Up.OVERLAP else StreamState.CONNECTED
        self._on_event(StreamChanged(state=state))

    def _on_down(self, reason: str) -> None:
        self._on_event(StreamChanged(state=StreamState.DISCONNECTED, detail=reason))

    def _key_expired(self, key: str, event: StreamChanged) -> None:
        if key != self._key:
            return  # about a predecessor that was replaced, or a successor that is not in use yet
        self._on_event(event)
        self.line.drop("the listen key expired")

    # --- key ------------------------------------------------------------------------------------------

    async def _keep_key(self) -> None:
        loop = asyncio.get_running_loop()
        pause_s = self._timings.keepalive
        while True:
            await asyncio.sleep(pause_s)
            due_in_s = self._extended_at + self._timings.keepalive - loop.time()
            if due_in_s > 0:  # a reconnect has extended the key meanwhile
                pause_s = due_in_s
                continue
            pause_s = self._timings.keepalive if await self._extend() else self._timings.keepalive_retry

    async def _extend(self) -> bool:
        loop = asyncio.get_running_loop()
        key = self._key
        try:
            await self._rest.read(LISTEN_KEY_PING)
        except VenueUnavailable as failure:
            self._log(f"private stream: key {redacted_key(key)} was not extended ({failure})")
            dead = failure.code == KEY_DEAD
            if key == self._key and (dead or loop.time() - self._extended_at >= self._timings.key_life):
                detail = (
                    "the venue does not know the listen key"
                    if dead
                    else "the listen key could not be extended"
                )
                self._key_expired(key, StreamChanged(state=StreamState.EXPIRED, detail=detail))
            return False
        self._extended_at = loop.time()
        return True


class _Receiver:
    """The message callback of one connection: it knows on which key it listens."""

    __slots__ = ("_deliver", "_expired", "_key", "_prefix")

    def __init__(
        self,
        key: str,
        prefix: str,
        deliver: Callable[[AnyEvent], None],
        expired: Callable[[str, StreamChanged], None],
    ) -> None:
        self._key = key
        self._prefix = prefix
        self._deliver = deliver
        self._expired = expired

    def on_message(self, frame: bytes) -> None:
        event = decode_private(frame, self._prefix)
        if type(event) is StreamChanged:
            self._expired(self._key, event)
        else:
            self._deliver(event)


def _pause_after(failure: VenueUnavailable) -> float:
    return max(5.0 if failure.fatal else 0.0, failure.retry_after_ms / 1000)
