"""The whole product as a client of `venue.py` or `spot_venue.py`: sockets, ledger on the disk, gates.

Started by `naked_window.py` and `spot_window.py`; runs until it gets SIGTERM, then prints one JSON line.
`--entries` adds the one thing that the position manager does not do by itself: it wants an ENTRY where it is
flat, so that the venue has something to fill whose protection was registered beforehand. `--spot`: the swing
strategy on spot, each lot sold at once.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import time
from decimal import Decimal
from pathlib import Path

import uvloop
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from backstay.app.entropy import SystemEntropy
from backstay.app.garbage import CollectorAtRest
from backstay.app.guard import Guard, GuardConfig, World, open_guard
from backstay.binance.net.sockets import SocketTransport
from backstay.binance.wire.endpoints import SpotEndpoints, UsdmEndpoints
from backstay.binance.wire.sign import Ed25519Signer, HmacSigner, Signer
from backstay.core.engine import Engine, Manager
from backstay.core.slots import Slot, SlotKey
from backstay.core.types import Direction, Mode, OrderType, PositionMode, Product, Role, Side, TimeNs
from backstay.core.view import PositionView
from backstay.core.wanted import Wanted
from backstay.ledger.disk import FileDisk
from backstay.ledger.writers import ThreadedWriter
from backstay.strategies.position_manager.policy import PositionPolicy, StopKind, StopPolicy
from backstay.strategies.position_manager.wanted import PositionManager
from backstay.strategies.swing.policy import SellWhen, SwingPolicy
from backstay.strategies.swing.wanted import Swing

ENTRY = Wanted(
    slots=(
        Slot(
            key=SlotKey(Role.ENTRY),
            side=Side.BUY,
            kind=OrderType.LIMIT,
            price=Decimal("64250.1"),
            quantity=Decimal("0.015"),
        ),
    )
)


class Entering:
    """The position manager, and an entry where it has nothing to manage."""

    name = "entering"

    def __init__(self) -> None:
        self._manager = PositionManager()

    def wanted(self, view: PositionView, policy: PositionPolicy, now: TimeNs) -> Wanted:
        return self._manager.wanted(view, policy, now) if view.quantity else ENTRY


class SystemClock:
    @staticmethod
    def now_ns() -> int:
        return time.time_ns()


class Held:
    @staticmethod
    def held() -> bool:
        return True


def silent(_text: str) -> None:
    """Nobody reads a benchmark's log."""


def signer(kind: str) -> Signer:
    if kind == "hmac":
        return HmacSigner("k" * 64, "s" * 64)
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Ed25519Signer("k" * 64, pem)


def names(options: argparse.Namespace) -> frozenset[str]:
    return frozenset(f"B{i:02d}USDT" for i in range(options.symbols))


def guards_positions(options: argparse.Namespace) -> tuple[Engine, UsdmEndpoints]:
    base, symbols = f"127.0.0.1:{options.port}", names(options)
    policy = PositionPolicy(
        symbols=tuple(sorted(symbols)),
        stop_loss=StopPolicy(kind=StopKind(options.stop), distance=Decimal("0.01")),
    )
    strategy = Entering() if options.entries else PositionManager()
    endpoints = UsdmEndpoints(
        rest=f"http://{base}",
        public_stream=f"ws://{base}/public",
        market_stream=f"ws://{base}/market",
        private_stream=f"ws://{base}/private",
        ws_api=f"ws://{base}/ws-fapi/v1",
    )
    return Engine(managers=(Manager(strategy=strategy, policy=policy, symbols=symbols),)), endpoints


def sells_lots(options: argparse.Namespace) -> tuple[Engine, SpotEndpoints]:
    base, symbols = f"127.0.0.1:{options.port}", names(options)
    manager = Manager(
        Swing(),
        SwingPolicy(symbols=tuple(sorted(symbols)), sell_when=SellWhen.FILL),
        symbols,
        frozenset({Direction.LONG}),
        Product.SPOT,
        by_lot=True,
    )
    endpoints = SpotEndpoints(
        rest=f"http://{base}", stream=f"ws://{base}/market", ws_api=f"ws://{base}/ws-api/v3"
    )
    return Engine((manager,)), endpoints


def make(options: argparse.Namespace) -> Guard:
    engine, endpoints = sells_lots(options) if options.spot else guards_positions(options)
    config = GuardConfig(
        account="bench",
        mode=Mode.TESTNET,
        environment="bench",
        position_mode=PositionMode.ONE_WAY,
        engine=engine,
        armed=True,
        endpoints=endpoints,
        fee_symbol="B00USDT",
    )
    world = World(
        transport=SocketTransport(),
        signer=signer(options.key),
        clock=SystemClock(),
        entropy=SystemEntropy(),
        disk=FileDisk(options.dir),
        writer=ThreadedWriter(),
        lease=Held(),
        log=silent,
    )
    return open_guard(config, world)


async def enter_everywhere(guard: Guard, symbols: int) -> None:
    """A scope comes into being by evidence; an account without any has none, so plan each symbol once."""
    from backstay.core.account_scopes import scope_of, scope_state, with_scope
    from backstay.core.types import PositionSide

    owner = guard.owner
    for i in range(symbols):
        key = scope_of(Product.USDM, f"B{i:02d}USDT", PositionSide.BOTH)
        owner.account = with_scope(owner.account, scope_state(owner.account, key))
        owner.touch(key)


async def main(options: argparse.Namespace) -> None:
    guard = make(options)
    await guard.start()
    if options.entries:
        await enter_everywhere(guard, options.symbols)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    garbage = CollectorAtRest(guard.is_calm, guard.at_rest)
    garbage.start()
    waiting = asyncio.ensure_future(stop.wait())
    await asyncio.wait({waiting, guard.owner.failed}, return_when=asyncio.FIRST_COMPLETED)
    if guard.owner.failed.done():
        sys.exit(f"the guard failed: {guard.owner.failed.result()!r}")
    account, stats = guard.owner.account, guard.owner.stats
    orders = sum(len(s.orders) for s in account.scopes.values())
    garbage.close()
    await guard.stop("the benchmark is over")
    ledger = Path(options.dir) / guard.config.ledger
    print(
        json.dumps(
            {
                "events": stats.events,
                "dropped": stats.dropped,
                "passes": stats.passes,
                "recoveries": stats.recoveries,
                "orders_known": orders,
                "records": guard.journal.seq,
                "ledger_bytes": ledger.stat().st_size,
                "by_rest": guard.venue.status().orders_by_rest,
            }
        ),
        flush=True,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--dir", required=True, help="an empty folder for the ledger")
    parser.add_argument("--symbols", type=int, default=50)
    parser.add_argument("--key", choices=["hmac", "ed25519"], default="hmac")
    parser.add_argument("--stop", choices=["close_position", "fixed_qty"], default="close_position")
    parser.add_argument("--entries", action="store_true")
    parser.add_argument("--spot", action="store_true")
    parser.add_argument("--core", type=int, default=-1)
    chosen = parser.parse_args()
    if chosen.core >= 0:
        os.sched_setaffinity(0, {chosen.core})
    uvloop.run(main(chosen))
