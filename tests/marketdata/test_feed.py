"""The feed on an event loop: reads in pages and bounded, one symbol a turn, trouble told once."""

import asyncio
import itertools

import pytest

from backstay.core.events import GateChanged
from backstay.core.outcomes import VenueUnavailable
from backstay.core.scored import SignalScored
from backstay.core.types import SECOND
from backstay.marketdata.desk import Desk
from backstay.marketdata.feed import PAGE, PAGES_PER_MINUTE, READERS, MarketFeed
from backstay.runtime.virtual_time import run_virtual
from backstay.signals.policy import MINUTE

from tests.marketdata.test_history import BARS, NEEDED
from tests.signals.test_score import QUICK, USUAL

BEGIN = BARS[NEEDED - 1].open_time + MINUTE + 10 * SECOND


class Venue:
    """Serves the recorded walk; counts what it is asked for."""

    def __init__(self, clock):
        self.clock = clock
        self.followed = []
        self.reads = []
        self.at_once = self.most_at_once = 0
        self.down = False

    def now_ns(self):
        return self.clock.now_ns()

    def follow(self, bars):
        self.followed = list(bars)

    async def read_bars(self, symbol, interval, start, end):
        self.reads.append((symbol, interval, start, end, self.clock.now_ns()))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0.05)
        self.at_once -= 1
        if self.down:
            raise VenueUnavailable("HTTP 503")
        return [b for b in BARS if start <= b.open_time < end]


def play(script, policies):
    def main(clock):
        async def go():
            venue, events, words = Venue(clock), [], []
            desk = Desk(policies, clock.now_ns())
            feed = MarketFeed(desk, venue, emit=events.append, tell=words.append)
            feed.start()
            try:
                await script(feed, venue, events, words)
            finally:
                await feed.stop()

        return go()

    run_virtual(main, start_ns=BEGIN)


def marks(feed, *symbols):
    for symbol in symbols:
        feed.on_mark(symbol, None)


def test_closed_bars_become_one_event_each():
    async def script(feed, venue, events, words):
        assert venue.followed == [("BTCUSDT", "1m")]
        await asyncio.sleep(5)
        assert [e.signal.at for e in events] == [BARS[NEEDED - 1].open_time + MINUTE]
        feed.on_bar("BTCUSDT", "5m", BARS[NEEDED])
        feed.on_bar("ETHUSDT", "1m", BARS[NEEDED])
        feed.on_bar("BTCUSDT", "1m", BARS[NEEDED])
        feed.on_bar("BTCUSDT", "1m", BARS[NEEDED])
        await asyncio.sleep(0.01)
        assert [e.signal.at for e in events[1:]] == [BARS[NEEDED].open_time + MINUTE]
        assert all(isinstance(e, SignalScored) for e in events)
        assert words == []

    play(script, {"BTCUSDT": QUICK})


def test_a_long_history_is_read_in_pages_by_few_readers():
    async def script(feed, venue, _events, _words):
        await asyncio.sleep(20)
        by_symbol = [r for r in venue.reads if r[0] == "AUSDT"]
        assert all((end - start) // (5 * MINUTE) <= PAGE for _, _, start, end, _ in by_symbol)
        assert all(a[3] == b[2] for a, b in itertools.pairwise(by_symbol)), "without a hole"
        assert venue.most_at_once == READERS

    play(script, dict.fromkeys(("AUSDT", "BUSDT", "CUSDT"), USUAL))


def test_many_symbols_warm_up_within_the_reads_that_a_minute_may_have():
    async def script(feed, venue, _events, _words):
        names = list(feed.desk.histories)
        for _ in range(150):
            marks(feed, *names)
            await asyncio.sleep(1)
        times = [at for *_, at in venue.reads]
        worst = max(
            sum(1 for t in times[i : i + 2 * PAGES_PER_MINUTE] if t < at + 60 * SECOND)
            for i, at in enumerate(times)
        )
        assert worst <= PAGES_PER_MINUTE + READERS
        assert {r[0] for r in venue.reads} == set(names)

    play(script, {f"S{i}USDT": USUAL for i in range(80)})


def test_a_venue_that_is_away_is_told_once_and_asked_later_and_later():
    async def script(feed, venue, events, words):
        venue.down = True
        for _ in range(100):
            marks(feed, "BTCUSDT")
            await asyncio.sleep(1)
        assert 3 <= len(venue.reads) <= 5
        assert len(words) == 1
        assert "HTTP 503" in words[0]
        assert events == []
        venue.down = False
        await asyncio.sleep(200)
        assert words[1:] == ["BTCUSDT bars: complete again"]
        assert {type(e) for e in events if not isinstance(e, GateChanged)} == {SignalScored}

    play(script, {"BTCUSDT": QUICK})


def test_symbols_take_turns_with_whatever_else_the_loop_has_to_do():
    async def script(feed, venue, events, _words):
        await asyncio.sleep(30)
        del events[:]
        turns = []

        def other():
            turns.append(len(events))
            if len(turns) < 200:
                asyncio.get_running_loop().call_soon(other)

        for symbol in feed.desk.histories:
            feed.on_bar(symbol, "1m", BARS[NEEDED])
        asyncio.get_running_loop().call_soon(other)
        await asyncio.sleep(1)
        assert len(events) == 20
        steps = {b - a for a, b in itertools.pairwise(turns)}
        assert steps <= {0, 1}, "never two symbols in a row"

    play(script, {f"S{i}USDT": QUICK for i in range(20)})


def test_nothing_runs_on_after_the_end():
    async def script(feed, venue, events, _words):
        await asyncio.sleep(5)
        feed.abandon()
        count = len(events)
        feed.on_bar("BTCUSDT", "1m", BARS[NEEDED])
        feed.abandon()
        await asyncio.sleep(60)
        assert len(events) == count

    play(script, {"BTCUSDT": QUICK})
    with pytest.raises(ValueError, match="multiple of 1m"):
        Desk({"BTCUSDT": QUICK_SECONDS}, 0)


QUICK_SECONDS = type(QUICK)(
    interval=30 * SECOND, higher=60 * SECOND, periods=QUICK.periods, gate=QUICK.gate, valid_for=SECOND
)
