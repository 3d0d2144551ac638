"""The demo's own story on many seeds: every promise that it prints holds, and its ledger replays."""

import time
from decimal import Decimal

import pytest

from backstay.app.demo import Demo, demo_feed
from backstay.app.demo_options import DemoOptions
from backstay.app.ledger_paths import LEDGER
from backstay.runtime.virtual_time import run_virtual
from backstay.strategies.position_manager.policy import (
    BreakEvenPolicy,
    DcaPolicy,
    PositionPolicy,
    SizeUnit,
    StopKind,
    StopPolicy,
    TakeProfitKind,
    TakeProfitLevel,
    TakeProfitPolicy,
)

from tests.system.judging import same_again

D = Decimal
LADDER = DcaPolicy(
    steps=3,
    first_deviation=D("0.0015"),
    deviation_multiplier=D("1.5"),
    first_size=D("0.5"),
    size_unit=SizeUnit.BASE_FRACTION,
    size_multiplier=D("1.5"),
)
ONE = TakeProfitPolicy(levels=(TakeProfitLevel(distance=D("0.004")),))
TWO = TakeProfitPolicy(
    levels=(
        TakeProfitLevel(distance=D("0.002"), share=D("0.5")),
        TakeProfitLevel(distance=D("0.005"), share=D("0.5")),
    )
)
MARKET = TakeProfitPolicy(kind=TakeProfitKind.MARKET, levels=(TakeProfitLevel(distance=D("0.003")),))
BREAK_EVEN = BreakEvenPolicy(trigger=D("0.002"), offset=D("0.0002"))
STOPS = {
    "close_position": StopPolicy(distance=D("0.01")),
    "without bridge": StopPolicy(distance=D("0.01"), bridge=False),
    "fixed_qty": StopPolicy(kind=StopKind.FIXED_QTY, distance=D("0.006")),
    "trailing": StopPolicy(kind=StopKind.TRAILING, distance=D("0.005")),
    "trailing_local": StopPolicy(kind=StopKind.TRAILING_LOCAL, distance=D("0.006"), callback_rate=D("0.004")),
    "stop_limit": StopPolicy(kind=StopKind.STOP_LIMIT, distance=D("0.008")),
}
POLICIES = [
    PositionPolicy(stop_loss=stop, take_profit=take, dca=dca, break_even=even)
    for stop, take, dca, even in [
        (STOPS["close_position"], ONE, LADDER, BREAK_EVEN),
        (STOPS["fixed_qty"], TWO, LADDER, None),
        (STOPS["trailing"], ONE, LADDER, None),
        (STOPS["trailing_local"], TWO, None, BREAK_EVEN),
        (STOPS["stop_limit"], MARKET, None, None),
        (STOPS["without bridge"], MARKET, LADDER, BREAK_EVEN),
    ]
]


@pytest.mark.parametrize("seed", range(12))
def test_the_promises_of_the_demo_hold_and_its_ledger_replays(tmp_path, seed):
    hedge = seed >= len(POLICIES)
    options = DemoOptions(
        speed=0.0, data_dir=str(tmp_path), feed="synthetic", duration_s=600, seed=seed, hedge=hedge
    )
    feed = demo_feed(options)
    policy = POLICIES[seed % len(POLICIES)]
    began = time.perf_counter()
    demos = []

    def main(clock):
        async def go():
            demo = Demo(options, clock, feed, policy=policy)
            demos.append(demo)
            await demo.run()
            return demo.summary(time.perf_counter() - began)

        return go()

    summary = run_virtual(main, start_ns=feed.start_ns)
    assert summary.broken == []
    assert summary.positions_guarded >= 3
    demo = demos[0]
    owner = demo.guard.owner
    same_again(demo.disk, LEDGER, owner.engine, owner.account)
