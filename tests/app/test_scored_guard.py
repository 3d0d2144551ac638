"""A scored trader on real sockets: HTTP and WebSockets of the exchange, whose minutes pass at once."""

import asyncio
import contextlib
import json
from decimal import Decimal

from msgspec.structs import replace

from backstay.app.entropy import SeededEntropy
from backstay.app.guard import GuardConfig, World, open_guard
from backstay.app.ledger_paths import LEDGER
from backstay.app.market import history_minutes
from backstay.app.paper import with_history
from backstay.app.replaying import replay
from backstay.binance.net.sockets import SocketTransport
from backstay.binance.wire.endpoints import UsdmEndpoints
from backstay.binance.wire.sign import HmacSigner
from backstay.core.account_settings import AccountSettingUpdated
from backstay.core.engine import Engine, Manager
from backstay.core.escalation import Escalation
from backstay.core.events import RequestsRegistered
from backstay.core.scored import BookSeen, SignalScored
from backstay.core.types import SECOND, Mode, PositionMode, PositionSide, Product, Scope
from backstay.ledger import reader
from backstay.ledger.disk import FileDisk
from backstay.ledger.verify import verify
from backstay.ledger.writers import InlineWriter
from backstay.runtime.virtual_time import run_virtual
from backstay.simulator.engine import Engine as VenueEngine
from backstay.simulator.feeds.trending import TrendingFeed
from backstay.simulator.server.auth import Credentials
from backstay.simulator.server.handler import SimulatedBinance
from backstay.simulator.server.serve import serve
from backstay.simulator.server.settings import ServerSettings
from backstay.simulator.specs import default_specs
from backstay.strategies.scored.policy import EntryPolicy, SettingsPolicy
from backstay.strategies.scored.wanted import ScoredTrader

from tests.binance.net.stage import KEY, SECRET
from tests.system.stand_ins import BTC, START, HeldLease
from tests.system.test_market import POLICY

D = Decimal
TRADER = replace(POLICY, settings=SettingsPolicy(leverage=5))


class Exchange:
    """The simulated exchange on a port, and the guards of its account."""

    def __init__(self, served, clock, folder):
        self.served = served
        self.clock = clock
        self.folder = folder
        self.starts = 0

    def control(self, method, path, body=b""):
        status, answer = self.served.pump.control(method, path, body)
        assert status == 200, answer
        return json.loads(answer)

    def truth(self):
        return self.control("GET", "/sim/v1/truth")

    def position(self):
        rows = [D(row["positionAmt"]) for row in self.truth()["positions"] if row["symbol"] == BTC]
        return sum(rows, D(0))

    def resting(self):
        truth = self.truth()
        algos = [a["orderType"] for a in truth["algo_orders"] if a["algoStatus"] == "NEW"]
        return sorted([o["type"] for o in truth["orders"] if o["status"] == "NEW"] + algos)

    @contextlib.asynccontextmanager
    async def guarded(self, policy):
        self.starts += 1
        ws = self.served.ws_url
        transport = SocketTransport()
        guard = open_guard(
            GuardConfig(
                account="main",
                mode=Mode.DEMO,
                environment="test",
                position_mode=PositionMode.ONE_WAY,
                engine=Engine((Manager(ScoredTrader(), policy, frozenset((BTC,))),)),
                armed=True,
                endpoints=UsdmEndpoints(
                    rest=self.served.url,
                    public_stream=f"{ws}/public",
                    market_stream=f"{ws}/market",
                    private_stream=f"{ws}/private",
                    ws_api=f"{ws}/ws-fapi/v1",
                ),
                fee_symbol=BTC,
            ),
            World(
                transport=transport,
                signer=HmacSigner(KEY, SECRET),
                clock=self.clock,
                entropy=SeededEntropy(self.starts),
                disk=FileDisk(self.folder),
                writer=InlineWriter(delay_s=0.0005),
                lease=HeldLease(),
                log=lambda _: None,
            ),
        )
        await guard.start()
        try:
            yield guard
        finally:
            await guard.stop("the test ends")
            await transport.close()

    async def until(self, holds, what, within_s=1200):
        end = self.clock.now_ns() + within_s * SECOND
        while not holds():
            assert self.clock.now_ns() < end, f"not within {within_s} s: {what}"
            await asyncio.sleep(1)


def play(script, folder, policy=TRADER):
    def main(clock):
        async def go():
            minutes = history_minutes(Engine((Manager(ScoredTrader(), policy, frozenset((BTC,))),)))
            feed = TrendingFeed((BTC,), seed=3, start_ns=START)
            specs = [s for s in default_specs() if s.symbol == BTC]
            engine = VenueEngine(feed, specs, start_ns=START, seed=1, settings=with_history(minutes))
            engine.open_account("main", balance=D(100_000))
            venue = SimulatedBinance(
                engine,
                {KEY: Credentials.hmac(KEY, SECRET, "main")},
                start_ns=START,
                seed=1,
                settings=ServerSettings.for_sockets(),
            )
            served = await serve(venue, time_ns=clock.now_ns)
            try:
                await script(Exchange(served, clock, folder))
            finally:
                await served.close()

        return go()

    run_virtual(main, start_ns=START, socket_grace_s=0.001)


def bodies(folder, kind):
    return [r.body for r in reader.records(FileDisk(folder), LEDGER) if isinstance(r.body, kind)]


def audit(folder, guard):
    """The ledger verifies, and gives the same state and decisions without any market data."""
    checked = verify(FileDisk(folder), LEDGER)
    assert checked.ok, checked.detail
    whole = replay(FileDisk(folder), LEDGER)
    assert whole.replayed.mismatch is None, whole.replayed.mismatch
    assert not whole.bad_snapshot
    assert whole.state.scopes == guard.owner.account.scopes


def test_a_score_of_the_venues_bars_is_entered_bracketed_on_the_algo_surface_and_left(tmp_path):
    async def script(exchange):
        async with exchange.guarded(TRADER) as guard:
            await exchange.until(lambda: exchange.position() != 0, "an entry filled")
            await asyncio.sleep(2)
            assert exchange.resting() == ["STOP_MARKET", "TAKE_PROFIT_MARKET"]
            scope = guard.owner.account.scopes[Scope(Product.USDM, BTC, PositionSide.BOTH)]
            armed = {c.role.value for c in scope.contexts.values() if c.is_resting}
            assert armed == {"SL", "TP"}
            await exchange.until(lambda: exchange.position() == 0, "stop or target filled", within_s=2400)
            await asyncio.sleep(2)
            assert guard.owner.account.leverages[BTC] == 5
        audit(tmp_path, guard)

    play(script, tmp_path)
    (setting,) = bodies(tmp_path, AccountSettingUpdated)
    assert (setting.setting, setting.outcome) == ("leverage", "applied")
    assert bodies(tmp_path, BookSeen)
    armed = [r for r in bodies(tmp_path, RequestsRegistered) if r.pre_armed]
    roles = {request.key.role.value for r in armed for request in r.requests}
    assert {"SL", "TP"} <= roles, "the bracket was written down with the entry"
    assert [s for s in bodies(tmp_path, SignalScored) if s.signal.kind.direction is not None]


def test_an_entry_that_fills_while_no_process_runs_is_protected_by_the_next_one(tmp_path):
    patient = Escalation(timeout=150 * SECOND, give_up=170 * SECOND)
    waits = replace(TRADER, entry=EntryPolicy(offset=D("0.0015"), escalation=patient))

    async def script(exchange):
        async with exchange.guarded(waits):
            await exchange.until(lambda: exchange.resting() == ["LIMIT"], "an entry rests")
        (order,) = [o for o in exchange.truth()["orders"] if o["status"] == "NEW"]
        beyond = D(order["price"]) + (-50 if order["side"] == "BUY" else 50)
        body = b'{"symbol": "BTCUSDT", "price": "%s"}' % str(beyond).encode()
        exchange.control("POST", "/sim/v1/price", body)
        await asyncio.sleep(1)
        assert exchange.position() != 0
        assert exchange.resting() == []
        async with exchange.guarded(waits) as guard:
            await asyncio.sleep(2)
            assert exchange.resting() == ["STOP_MARKET", "TAKE_PROFIT_MARKET"]
        audit(tmp_path, guard)

    play(script, tmp_path, waits)
