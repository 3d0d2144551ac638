"""The gateway on real sockets against the simulated exchange: what the tests of this folder share."""

import contextlib
import itertools
import json
import time
from decimal import Decimal

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from backstay.binance.net.sockets import SocketTransport
from backstay.binance.net.timings import Timings
from backstay.binance.net.venue import BinanceVenue
from backstay.binance.wire.endpoints import UsdmEndpoints
from backstay.binance.wire.sign import Ed25519Signer, HmacSigner
from backstay.core.contexts import OrderContext, Premise
from backstay.core.events import AnswerReceived, GateChanged, StreamChanged
from backstay.core.slots import Slot, SlotKey
from backstay.core.types import Direction, OrderType, PositionSide, Product, Role, Scope, Side
from backstay.simulator.engine import Engine
from backstay.simulator.feeds.base import open_feed
from backstay.simulator.server.auth import Credentials
from backstay.simulator.server.handler import SimulatedBinance
from backstay.simulator.server.serve import serve
from backstay.simulator.server.settings import ServerSettings
from backstay.simulator.settings import EngineSettings
from backstay.simulator.specs import default_specs

from tests.binance.net.asyncs import NoJitter

KEY, SECRET = "h" * 64, "s" * 64
ED_KEY = "e" * 64
_ED = Ed25519PrivateKey.generate()
ED_PEM = _ED.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)
ED_PUBLIC = (
    _ED.public_key()
    .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    .decode()
)
BTC = Scope(Product.USDM, "BTCUSDT", PositionSide.BOTH)
FAST = Timings(first_delay=0.01, longest_delay=0.05, stable=0.0, overlap=0.1, quiet=0.0)
_IDS = itertools.count(1)


class LocalClock:
    """Wall time, wrong by `ahead_ns`."""

    def __init__(self, ahead_ns=0):
        self.ahead_ns = ahead_ns

    def now_ns(self):
        return time.time_ns() + self.ahead_ns


class Stage:
    """A running simulated exchange and the gateways that a test makes."""

    def __init__(self, served, engine):
        self.served = served
        self.engine = engine
        self._open = []

    def control(self, method, path, body=None):
        data = b"" if body is None else json.dumps(body).encode()
        status, answer = self.served.pump.control(method, path, data)
        decoded = json.loads(answer)
        assert status == 200, decoded
        return decoded

    def faults(self, *rules):
        self.control("POST", "/sim/v1/faults", {"rules": list(rules)})

    def clear_faults(self):
        self.control("DELETE", "/sim/v1/faults")

    def requests(self, **match):
        rows = self.control("GET", "/sim/v1/requests")["requests"]
        return [row for row in rows if all(row.get(name) == value for name, value in match.items())]

    def human(self, **action):
        return self.control("POST", "/sim/v1/human", action)

    def truth(self):
        return self.control("GET", "/sim/v1/truth")

    def endpoints(self, **other):
        ws = self.served.ws_url
        urls = {
            "rest": self.served.url,
            "public_stream": f"{ws}/public",
            "market_stream": f"{ws}/market",
            "private_stream": f"{ws}/private",
            "ws_api": f"{ws}/ws-fapi/v1",
        }
        return UsdmEndpoints(**{**urls, **other})

    def gateway(self, *, ed25519=False, timings=FAST, clock=None, endpoints=None, signer=None, **more):
        transport = SocketTransport()
        self._open.append(transport)
        hmac = HmacSigner(KEY, SECRET)
        gateway = Gateway(
            transport=transport,
            endpoints=endpoints or self.endpoints(),
            signer=signer or (Ed25519Signer(ED_KEY, ED_PEM) if ed25519 else hmac),
            clock=clock or LocalClock(),
            timings=timings,
            **more,
        )
        self._open.append(gateway.venue)
        return gateway

    async def opened(self, **more):
        gateway = self.gateway(**more)
        await gateway.venue.open()
        return gateway

    async def close(self):
        for one in reversed(self._open):
            await one.close()
        await self.served.close()


class Gateway:
    """A `BinanceVenue` and everything that it told."""

    def __init__(self, **arguments):
        self.events = []
        self.marks = []
        self.market = []
        self.log = []
        self.venue = BinanceVenue(
            entropy=NoJitter(),
            on_event=self.events.append,
            on_mark=lambda symbol, price, at: self.marks.append((symbol, price, at)),
            on_market=self.market.append,
            id_prefix="bks",
            log=self.log.append,
            **arguments,
        )

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def answers(self):
        return self.of(AnswerReceived)

    @property
    def stream_states(self):
        return [str(event.state) for event in self.of(StreamChanged)]

    @property
    def gates(self):
        return [(event.gate, event.active) for event in self.of(GateChanged)]

    def answer_to(self, ctx):
        return [answer for answer in self.answers if answer.ctx_id == ctx.ctx_id]


@contextlib.asynccontextmanager
async def stage(settings=None, balance="100000", market=True):
    start = time.time_ns()
    symbols = ("BTCUSDT", "ETHUSDT")
    feed = open_feed("synthetic", seed=1, symbols=symbols, start_ns=start) if market else None
    engine = Engine(feed, default_specs(), start_ns=start, seed=1, settings=EngineSettings())
    engine.open_account("main", balance=Decimal(balance))
    venue = SimulatedBinance(
        engine,
        {KEY: Credentials.hmac(KEY, SECRET), ED_KEY: Credentials.ed25519(ED_KEY, ED_PUBLIC)},
        start_ns=start,
        seed=1,
        settings=settings or ServerSettings.for_sockets(),
    )
    running = Stage(await serve(venue), engine)
    try:
        yield running
    finally:
        await running.close()


def context(role=Role.ENTRY, **slot):
    """A registered order context; the slot's members say what to send."""
    number = next(_IDS)
    given = {"side": Side.BUY, "kind": OrderType.LIMIT, **slot}
    for name in ("price", "trigger", "quantity"):
        if isinstance(given.get(name), str):
            given[name] = Decimal(given[name])
    return OrderContext(
        ctx_id=f"bks{number:026d}",
        scope=BTC,
        direction=Direction.LONG,
        slot=Slot(key=SlotKey(role), **given),
        epoch=1,
        generation=1,
        premise=Premise(epoch=1, position=Decimal(0)),
        created_at=0,
    )
