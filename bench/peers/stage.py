"""The venue of the comparison: a calm simulated USD-M market on real sockets, with a tap on what it tells.

The market stands still (one tick to and fro), so that a stop triggers when a case moves the price and never
otherwise. The tap hears every private event at the moment the venue makes it, before any fault of the wire.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

from tls_front import tls_front

from backstay.simulator.engine import Engine
from backstay.simulator.feeds.base import Mark, Quote, Tick, Trade
from backstay.simulator.server.auth import Credentials
from backstay.simulator.server.handler import SimulatedBinance
from backstay.simulator.server.serve import Served, serve
from backstay.simulator.server.settings import ServerSettings
from backstay.simulator.settings import EngineSettings
from backstay.simulator.specs import default_specs

KEY = "A1b2" * 16
SECRET = "Z9y8" * 16
SYMBOL = "BTCUSDT"
PRICE = Decimal("80000.0")
TICK = Decimal("0.1")
ACCOUNT = "main"
SECOND = 1_000_000_000
MS = 1_000_000
PAST_S = 2 * 3600
"""How long the market has been there when a client comes: clients ask for candles."""


class VenueFailedError(RuntimeError):
    """The venue itself broke down, so nothing that was seen on it counts."""


class CalmFeed:
    """BTCUSDT at one price: a tick to and fro, four quotes and trades a second, a mark each second."""

    def __init__(self, start_ns: int, live_ns: int) -> None:
        self.symbols = (SYMBOL,)
        self.start_ns = start_ns
        self._live_ns = live_ns

    def ticks(self) -> Iterator[Tick]:
        at, number = self.start_ns, 0
        while True:
            last = PRICE + TICK * (number % 2)
            yield Quote(at, SYMBOL, last - TICK, Decimal(40), last, Decimal(40))
            yield Trade(at, SYMBOL, last, Decimal("0.050"), number % 3 == 0, number + 1)
            if at % SECOND < SECOND // 4 or at < self._live_ns:
                yield Mark(at, SYMBOL, last, last)
            number += 1
            # The past is told in coarser steps: nobody was there.
            at += SECOND // 4 if at >= self._live_ns else 15 * SECOND


class Stage:
    """One running venue: its addresses, its control side, and all it has told so far."""

    def __init__(self, served: Served, engine: Engine, tls_port: int) -> None:
        self.served = served
        self.tls_port = tls_port
        """The same venue by https, with a certificate of its own making."""
        self.engine = engine
        self.frames: list[dict[str, Any]] = []
        self._tap(engine)

    def _tap(self, engine: Engine) -> None:
        take = engine.take_user_events

        def tapped() -> list[tuple[str, dict[str, Any]]]:
            events = take()
            self.frames.extend(frame for _, frame in events)
            return events

        engine.take_user_events = tapped  # type: ignore[method-assign]  # the seam that the host reads

    @property
    def rest(self) -> str:
        return self.served.url

    @property
    def ws(self) -> str:
        return self.served.ws_url

    def now_ms(self) -> int:
        return self.served.pump.now() // MS

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """What a request of the control side answers. Raises RuntimeError with the venue's words."""
        data = b"" if body is None else json.dumps(body).encode()
        status, answer = self.served.pump.control(method, f"/sim/v1/{path}", data)
        if status != 200:
            raise RuntimeError(f"{method} {path} {body}: {answer.decode()}")
        return json.loads(answer)

    def human(self, **action: str) -> Any:
        return self.control("POST", "human", action)["result"]

    def faults(self, rules: list[dict[str, Any]]) -> None:
        self.control("POST", "faults", {"rules": rules})

    def clear(self) -> None:
        self.control("DELETE", "faults")

    def move(self, share: str) -> None:
        """The price jumps to so much of where the market began: "0.97" is three per cent below."""
        self.control(
            "POST", "price", {"symbol": SYMBOL, "price": str((PRICE * Decimal(share)).quantize(TICK))}
        )

    def truth(self) -> dict[str, Any]:
        found: dict[str, Any] = self.control("GET", "truth")
        return found

    def requests(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.control("GET", "requests")["requests"]
        return found

    async def until(self, seen: Callable[[], bool], seconds: float) -> bool:
        """Whether `seen` came true in time."""
        end = time.monotonic() + seconds
        while not seen():
            if time.monotonic() >= end:
                return False
            await asyncio.sleep(0.02)
        return True


@asynccontextmanager
async def stage(*, hedge: bool = False, fill_before_triggered: bool = False) -> AsyncIterator[Stage]:
    """A fresh venue with one funded account. Whoever leaves finds out whether the venue itself failed."""
    now = time.time_ns()
    start = now - PAST_S * SECOND
    specs = [s for s in default_specs() if s.symbol == SYMBOL]
    engine = Engine(
        CalmFeed(start, now),
        specs,
        start_ns=start,
        seed=1,
        settings=EngineSettings(child_fill_before_triggered=fill_before_triggered),
    )
    engine.open_account(ACCOUNT, balance=Decimal(100_000), hedge=hedge)
    engine.advance(now)
    settings = ServerSettings.for_sockets()
    # One peer has a single base path for all its market streams.
    unrouted = {**{f: getattr(settings, f) for f in settings.__struct_fields__}, "accept_unrouted": True}
    venue = SimulatedBinance(
        engine,
        {KEY: Credentials.hmac(KEY, SECRET)},
        start_ns=now,
        seed=1,
        settings=ServerSettings(**unrouted),
    )
    broken: list[str] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: broken.append(repr(context.get("exception", context))))
    served = await serve(venue)
    try:
        async with tls_front(served.ports[0]) as tls_port:
            yield Stage(served, engine, tls_port)
        if served.pump.failure is not None or broken:
            raise VenueFailedError(repr(served.pump.failure) if not broken else broken[0])
    finally:
        await served.close()
        loop.set_exception_handler(None)
