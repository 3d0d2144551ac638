"""A guard of spot on real sockets: its own ledger, its gateway, and the safe stop when the stream is lost."""

import asyncio
import contextlib

from backstay.app.entropy import SeededEntropy
from backstay.app.guard import GuardConfig, World, open_guard
from backstay.app.ledger_paths import LEDGER, SPOT_LEDGER
from backstay.binance.net.outcomes import StreamLost
from backstay.binance.net.sockets import SocketTransport
from backstay.binance.net.spot_venue import SpotVenue
from backstay.binance.net.timings import SPOT
from backstay.binance.wire.sign import HmacSigner
from backstay.cli.exits import Exit, exit_of
from backstay.core.engine import Engine
from backstay.core.events import AccountReport, OrderReport, StreamChanged
from backstay.core.types import Mode, PositionMode, Product
from backstay.ledger import reader
from backstay.ledger.disk import FileDisk
from backstay.ledger.verify import verify
from backstay.ledger.writers import ThreadedWriter

from tests.binance.net.asyncs import run, until
from tests.binance.net.spot_stage import FAST, SYMBOL, spot_stage
from tests.binance.net.stage import KEY, SECRET, LocalClock
from tests.binance.net.test_spot_stream import away, changed


class Held:
    def held(self):
        return True


@contextlib.asynccontextmanager
async def guarding(exchange, folder, timings=FAST):
    """A started guard of spot that manages nothing and sees everything."""
    transport = SocketTransport()
    guard = open_guard(
        GuardConfig(
            account="main",
            mode=Mode.DEMO,
            environment="test",
            position_mode=PositionMode.ONE_WAY,
            engine=Engine(()),
            armed=True,
            endpoints=exchange.endpoints(),
            fee_symbol=SYMBOL,
            spot_timings=timings,
        ),
        World(
            transport=transport,
            signer=HmacSigner(KEY, SECRET),
            clock=LocalClock(),
            entropy=SeededEntropy(1),
            disk=FileDisk(folder),
            writer=ThreadedWriter(),
            lease=Held(),
            log=lambda _: None,
        ),
    )
    await guard.start()
    try:
        yield guard
    finally:
        await guard.stop("the test ends")
        await transport.close()


def records(folder):
    return [record.body for record in reader.records(FileDisk(folder), SPOT_LEDGER)]


@run
async def test_spot_has_a_ledger_of_its_own_and_its_account_is_read_and_followed(tmp_path):
    async with spot_stage() as exchange:
        async with guarding(exchange, tmp_path, SPOT) as guard:
            assert isinstance(guard.venue, SpotVenue)
            assert guard.config.product is Product.SPOT
            assert guard.owner.account.hydrated
            assert guard.owner.account.instruments[SYMBOL].spot is not None
            exchange.buy("0.01")
            await until(lambda: guard.owner.account.balances["BTC"].wallet > 1, 20)
        assert not (tmp_path / LEDGER).exists()
        checked = verify(FileDisk(tmp_path), SPOT_LEDGER)
        assert checked.ok
        kinds = {type(body) for body in records(tmp_path)}
        assert {OrderReport, AccountReport, StreamChanged} <= kinds
        async with guarding(exchange, tmp_path, SPOT) as guard:
            assert guard.owner.account.run.writer == 2


@run
async def test_a_stream_that_stays_away_ends_the_run_with_exit_code_5_and_everything_kept(tmp_path):
    async with spot_stage() as exchange:
        async with guarding(exchange, tmp_path, changed(FAST, give_up=0.3)) as guard:
            exchange.buy("0.01")
            await until(lambda: guard.owner.account.balances["BTC"].wallet > 1, 20)
            away(exchange)
            failure = await asyncio.wait_for(asyncio.shield(guard.owner.failed), 20)
            assert isinstance(failure, StreamLost)
            assert exit_of(failure) is Exit.EXCHANGE
            seq = guard.journal.seq
        assert verify(FileDisk(tmp_path), SPOT_LEDGER).ok
        kept = records(tmp_path)
        assert len(kept) == seq
        assert any(isinstance(body, StreamChanged) and body.state == "disconnected" for body in kept)
        exchange.clear_faults()
        async with guarding(exchange, tmp_path) as guard:
            assert guard.owner.account.hydrated
            assert guard.owner.account.connected
