"""The venue's limits, with its own counters: kept to, whoever else uses them; protection goes first."""

from tests.system.crowd import OPTIONS, ORDERS_EACH, SPECS, SYMBOLS, WORTH, resting
from tests.system.world import play, policy

ALL = ORDERS_EACH * len(SYMBOLS)
REFUSED = {429, 418}
DEPTH = "http://paper/fapi/v1/depth?symbol=BTCUSDT&limit=1000"
DEPTH_WEIGHT = 20
PLACES = ("POST /fapi/v1/order", "POST /fapi/v1/algoOrder")


def refused(world):
    return [r for r in world.requests() if r["status"] in REFUSED or r["code"] in {-1003, -1015}]


def open_all(world, specs=SPECS):
    for spec in specs:
        quantity = (WORTH / spec.price // spec.step) * spec.step
        world.hand("order", symbol=spec.symbol, side="BUY", type="MARKET", quantity=quantity)


def first_stops(world, symbols):
    """When the first conditional order of each symbol reached the venue (ns)."""
    times = {}
    for r in world.requests():
        if r["endpoint"] == PLACES[1]:
            times.setdefault(r["params"]["symbol"], r["at"])
    return [times[s] for s in symbols]


def test_8_1_500_orders_at_once_are_spread_over_the_limits_without_one_refusal():
    """300 orders in 10 seconds are allowed: what adds exposure waits its turn, and nothing is refused."""

    async def script(world):
        before = world.clock.now_ns()
        open_all(world)
        await world.until(lambda: resting(world) == ALL, "all orders", within_s=120, every_s=2)
        assert refused(world) == []
        assert world.clock.now_ns() - before > 10**10, "more than one window of 10 s is needed"
        await world.trusted()

    play(script, **OPTIONS)


def test_i17_stops_are_never_starved_by_the_ladders_of_others():
    """40 symbols want 280 ladder orders while 10 more positions appear: each stop leaves at once."""

    async def script(world):
        open_all(world, SPECS[:40])
        await world.settle(0.5)
        assert resting(world) < 10 * 40, "the limit holds ladder orders back"
        late = SPECS[40:]
        for spec in late:
            at = world.clock.now_ns()
            open_all(world, [spec])
            await world.settle(0.1)
            (sent,) = first_stops(world, [spec.symbol])
            assert sent - at < 50_000_000, (spec.symbol, sent - at)
        await world.until(lambda: resting(world) == ALL, "all orders", within_s=120, every_s=2)
        assert refused(world) == []
        assert max(world.naked_ms()) < 100

    play(script, **OPTIONS)


def test_8_1_what_others_use_of_the_addresss_weight_is_not_asked_for_again():
    """80 % of the minute's weight is gone: a whole hydration waits for the next minute, a stop does not."""

    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle(3)
        now = world.clock.now_ns() // 1_000_000_000
        await world.settle(60 - now % 60 + 1)
        other = world.exchange.transport()
        for _ in range(int(2400 * 0.8 / DEPTH_WEIGHT)):
            await other.http("GET", DEPTH, {}, b"", 5.0)
        await world.settle(0.1)
        world.faults({"match": {"at_ms": 0}, "effect": {"cut": {"surface": "private"}}})
        await world.settle(5)
        world.faults({"match": {"at_ms": 0}, "effect": {"cut": {"surface": "private"}}})
        await world.trusted(within_s=120)
        assert refused(world) == []
        await world.quiet()

    play(script, policy=policy())


def test_8_1_after_418_at_most_one_request_leaves():
    """With many orders on their way; nothing is asked until an operator says so, for 90 minutes."""

    async def script(world):
        open_all(world, SPECS[:10])
        await world.until(lambda: resting(world) == 100, "all orders", within_s=60, every_s=2)
        world.faults({"match": {"surface": "ws_api", "times": 1}, "effect": {"ban_418": {"seconds": 7200}}})
        open_all(world, SPECS[10:20])
        await world.until(lambda: "venue_halt" in world.owner.account.gates, "the halt", every_s=0.001)
        before = world.received()
        world.faults({"match": {"at_ms": 0}, "effect": "cut"})
        await world.settle(5400)
        assert len(world.requests(before)) <= 1, world.requests(before)
        assert world.owner.stats.unprotected_alarms

    play(script, **OPTIONS)


def test_8_1_orders_that_are_refused_as_too_many_are_not_hammered():
    """The account's order count is used up by others: -1015 now and then until the window is over."""

    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle(3)
        before = world.received()
        world.faults(
            {
                "match": {"endpoint": PLACES[0], "until_ms": 9_000},
                "effect": {"error": {"code": -1015, "msg": "Too many new orders."}},
            }
        )
        world.price("59399")
        await world.settle(20)
        assert len([r for r in world.requests(before) if r["code"] == -1015]) <= 4
        await world.trusted(within_s=60)

    play(script, policy=policy(ladder=True))
