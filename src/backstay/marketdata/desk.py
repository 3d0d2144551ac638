"""All scored symbols together: bars and surroundings in, scores and stale-data gates out. No I/O, no clock.

Whoever drives it (`feed.MarketFeed`, a test, a benchmark) calls with venue time and acts on the answers.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from math import nan

import msgspec

from backstay.core.events import GateChanged
from backstay.core.scored import SignalScored
from backstay.core.types import SECOND, TimeNs
from backstay.marketdata.history import History, Need
from backstay.marketdata.news import NO_NEWS, NewsDesk
from backstay.signals.bars import Bar
from backstay.signals.policy import ScorePolicy
from backstay.signals.score import Surroundings

STALE = "stale_data"
SILENCE = 15 * SECOND
"""A symbol whose mark price, which comes every second, has been silent for so long is stale."""
LATE_BAR = 30 * SECOND
"""And so is one whose bar has not come by so long after its end, by stream or by read."""
QUOTE_FRESH = 60 * SECOND
"""A spread seen longer ago is not known any more."""
ALL_AT_ONCE = 3
"""With more stale symbols than this the whole market is: one gate for the account."""


class SymbolStatus(msgspec.Struct, frozen=True):
    """How one symbol's data are, for screens."""

    symbol: str
    live: bool
    warm: bool
    stale: str
    trouble: str
    last_close: TimeNs


class _Seen:
    """What is known of a symbol besides its bars."""

    __slots__ = ("ask", "bid", "funding", "heard_at", "quoted_at")

    def __init__(self, at: TimeNs) -> None:
        self.heard_at = at
        self.quoted_at: TimeNs = 0
        self.bid = self.ask = Decimal(0)
        self.funding = nan


class Desk:
    """`policies` names the scored symbols; `now` is when listening begins."""

    def __init__(self, policies: Mapping[str, ScorePolicy], now: TimeNs, news: NewsDesk = NO_NEWS) -> None:
        self.histories = {symbol: History(symbol, policy) for symbol, policy in policies.items()}
        self._seen = {symbol: _Seen(now) for symbol in policies}
        self._news = news
        self._shut: frozenset[str] = frozenset()

    # --- what comes in ------------------------------------------------------------------------------

    def mark(self, symbol: str, funding_rate: Decimal | None, now: TimeNs) -> None:
        """A mark price came, and with it the funding rate of the running period."""
        seen = self._seen.get(symbol)
        if seen is not None:
            seen.heard_at = now
            if funding_rate is not None:
                seen.funding = float(funding_rate)

    def quote(self, symbol: str, bid: Decimal, ask: Decimal, now: TimeNs) -> None:
        """The best bid and ask."""
        seen = self._seen.get(symbol)
        if seen is not None:
            seen.bid, seen.ask, seen.quoted_at = bid, ask, now

    def closed(self, symbol: str, bar: Bar) -> None:
        """A bar of the symbol closed; `step` takes it in."""
        self.histories[symbol].closed(bar)

    def read(self, need: Need, bars: Iterable[Bar]) -> None:
        """The answer to a need; `step` takes it in."""
        self.histories[need.symbol].read(need, bars)

    def failed(self, need: Need, reason: str, now: TimeNs) -> None:
        self.histories[need.symbol].failed(need, reason, now)

    # --- what comes out -----------------------------------------------------------------------------

    def step(self, symbol: str, now: TimeNs) -> list[SignalScored]:
        """Take in a few of the bars that wait; the scores that follow. Again while `has_work`."""
        return self.histories[symbol].step(now, lambda at: self.around(symbol, at, now))

    def has_work(self, symbol: str) -> bool:
        return self.histories[symbol].has_work

    def needs(self, now: TimeNs) -> list[Need]:
        """What has to be read, each told once; symbols whose scores wait behind a hole come first."""
        found = [n for h in self.histories.values() if (n := h.need(now)) is not None]
        return sorted(found, key=lambda need: need.count)

    def gates(self, now: TimeNs) -> list[GateChanged]:
        """Gates that go shut or open because data are stale or fresh again."""
        stale = {symbol: why for symbol in self.histories if (why := self.stale(symbol, now))}
        reasons = {f"{STALE} {symbol}": why for symbol, why in stale.items()}
        if len(stale) > ALL_AT_ONCE:
            some = ", ".join(sorted(stale)[:ALL_AT_ONCE])
            reasons = {STALE: f"{len(stale)} of {len(self.histories)} symbols: {some} and others"}
        changes = [GateChanged(gate=g, active=False) for g in sorted(self._shut - reasons.keys())]
        shut = sorted(reasons.keys() - self._shut)
        self._shut = frozenset(reasons)
        return [GateChanged(gate=g, active=True, reason=reasons[g]) for g in shut] + changes

    def stale(self, symbol: str, now: TimeNs) -> str:
        """Why no entry may rest on this symbol's data; empty: they are fresh."""
        history, silence = self.histories[symbol], now - self._seen[symbol].heard_at
        if silence > SILENCE:
            return f"nothing was heard of {symbol} for {silence // SECOND} s"
        late = history.overdue(now)
        if late > LATE_BAR:
            why = f": {history.trouble}" if history.trouble else ""
            return f"a bar of {symbol} is {late // SECOND} s late{why}"
        return ""

    def around(self, symbol: str, at: TimeNs, now: TimeNs) -> Surroundings:
        """What is known besides bars for the score of the bar that closes `at`."""
        seen = self._seen[symbol]
        spread = nan
        if seen.quoted_at and now - seen.quoted_at < QUOTE_FRESH and seen.bid > 0:
            spread = float((seen.ask - seen.bid) * 2 / (seen.ask + seen.bid))
        return Surroundings(funding_rate=seen.funding, spread=spread, news=self._news.outlook(symbol, at))

    def status(self, now: TimeNs) -> list[SymbolStatus]:
        return [
            SymbolStatus(s, h.is_live, h.is_warm, self.stale(s, now), h.trouble, h.expected)
            for s, h in self.histories.items()
        ]
