"""The embedded exchange: the simulated Binance inside the process, for PAPER and for the demo.

No key, no network, no port: the gateway talks to it by the same bytes as to the real venue. Each product is
an exchange of its own, as the real one's hosts are.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from backstay.app.memory import MemoryNetwork, MemoryTransport
from backstay.binance.wire.endpoints import SpotEndpoints, UsdmEndpoints
from backstay.binance.wire.sign import HmacSigner
from backstay.simulator.engine import Engine as VenueEngine
from backstay.simulator.feeds.base import Feed
from backstay.simulator.server.auth import Credentials
from backstay.simulator.server.handler import SimulatedBinance
from backstay.simulator.server.product import SPOT, USDM, Product
from backstay.simulator.server.settings import ServerSettings
from backstay.simulator.settings import EngineSettings
from backstay.simulator.specs import SymbolSpec, default_specs
from backstay.simulator.spot.engine import SpotEngine
from backstay.simulator.spot.settings import SpotSettings
from backstay.simulator.spot.specs import SpotSpec, default_spot_specs

API_KEY = "paper" + "k" * 59
API_SECRET = "paper" + "s" * 59
ACCOUNT = "paper"
ENDPOINTS = UsdmEndpoints(
    rest="http://paper",
    public_stream="ws://paper/public",
    market_stream="ws://paper/market",
    private_stream="ws://paper/private",
    ws_api="ws://paper/ws-fapi/v1",
)
SPOT_ENDPOINTS = SpotEndpoints(rest="http://paper", stream="ws://paper", ws_api="ws://paper/ws-api/v3")
SPOT_BALANCE = Decimal(100_000)
"""What a new spot account has of every quote currency."""

type Tap = Callable[[dict[str, Any]], None]


def _told(tap: Tap | None, events: list[tuple[str, dict[str, Any]]]) -> list[tuple[str, dict[str, Any]]]:
    if tap is not None:
        for _, frame in events:
            tap(frame)
    return events


class _Tapped(VenueEngine):
    """An engine whose private events can be listened to before any network carries them."""

    tap: Tap | None = None

    def take_user_events(self) -> list[tuple[str, dict[str, Any]]]:
        return _told(self.tap, super().take_user_events())


class _TappedSpot(SpotEngine):
    """The same of spot."""

    tap: Tap | None = None

    def take_user_events(self) -> list[tuple[str, dict[str, Any]]]:
        return _told(self.tap, super().take_user_events())


class Embedded:
    """One simulated venue with one account, in memory. Make it inside the loop that it runs on."""

    engine: _Tapped | _TappedSpot

    def _serve(
        self,
        product: Product,
        *,
        start_ns: int,
        seed: int,
        time_ns: Callable[[], int],
        settings: ServerSettings,
    ) -> None:
        accounts = {API_KEY: Credentials.hmac(API_KEY, API_SECRET, ACCOUNT)}
        self.venue = SimulatedBinance(
            self.engine, accounts, start_ns=start_ns, seed=seed, settings=settings, product=product
        )
        self.network = MemoryNetwork(self.venue, time_ns=time_ns)

    def start(self) -> None:
        self.network.start()

    def close(self) -> None:
        self.network.close()

    def transport(self) -> MemoryTransport:
        return MemoryTransport(self.network)

    @staticmethod
    def signer() -> HmacSigner:
        return HmacSigner(API_KEY, API_SECRET)

    def listen(self, tap: Tap) -> None:
        """Hand every private event to `tap` at the moment when the venue makes it."""
        self.engine.tap = tap

    def control(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """One request to the control side. Raises ValueError with its text when it is refused."""
        status, answer = self.network.pump.control(method, path, json.dumps(body or {}).encode())
        document: dict[str, Any] = json.loads(answer)
        if status != 200:
            raise ValueError(f"{method} {path}: {document.get('error', status)}")
        return document

    def requests(self, after: int = 0) -> Iterator[dict[str, Any]]:
        """The mutations and reads that the venue received, oldest first."""
        document = self.control("GET", f"/sim/v1/requests?after={after}")
        yield from document["requests"]


def with_history(minutes: int) -> EngineSettings:
    """An exchange whose markets have a made-up past of so many minutes: a new one has none to score."""
    kept = EngineSettings().klines_kept
    return EngineSettings(history_minutes=minutes, klines_kept=kept + minutes)


class PaperExchange(Embedded):
    """USD-M futures in memory."""

    engine: _Tapped

    def __init__(
        self,
        feed: Feed,
        *,
        start_ns: int,
        seed: int,
        time_ns: Callable[[], int],
        specs: Sequence[SymbolSpec] | None = None,
        hedge: bool = False,
        settings: ServerSettings | None = None,
        engine_settings: EngineSettings | None = None,
    ) -> None:
        rules = [s for s in specs or default_specs() if s.symbol in feed.symbols]
        self.engine = _Tapped(
            feed, rules, start_ns=start_ns, seed=seed, settings=engine_settings or EngineSettings()
        )
        self.engine.open_account(ACCOUNT, hedge=hedge)
        served = settings or ServerSettings()
        self._serve(USDM, start_ns=start_ns, seed=seed, time_ns=time_ns, settings=served)


class PaperSpotExchange(Embedded):
    """Spot in memory. `held`: base coins that the account has from the start."""

    engine: _TappedSpot

    def __init__(
        self,
        feed: Feed,
        *,
        start_ns: int,
        seed: int,
        time_ns: Callable[[], int],
        specs: Mapping[str, SpotSpec] | None = None,
        held: Mapping[str, Decimal] | None = None,
        burns_bnb: bool = False,
        settings: ServerSettings | None = None,
        engine_settings: SpotSettings | None = None,
    ) -> None:
        known = specs or {s.symbol: s for s in default_spot_specs()}
        rules = [known[name] for name in feed.symbols]
        self.engine = _TappedSpot(feed, rules, start_ns=start_ns, seed=seed, settings=engine_settings)
        balances = {s.quote: SPOT_BALANCE for s in rules} | dict(held or {})
        self.engine.open_account(ACCOUNT, balances=balances, burns_bnb=burns_bnb)
        served = settings or ServerSettings.spot()
        self._serve(SPOT, start_ns=start_ns, seed=seed, time_ns=time_ns, settings=served)
