"""A market for whoever trades by score: legs of a minute or more that climb or fall, among noise."""

from collections.abc import Iterator
from decimal import ROUND_DOWN, Decimal
from random import Random

from backstay.simulation.market import MS, ShortFeed
from backstay.simulator.feeds.ticks import Trade

_MILLIONTH = Decimal("0.000001")


class LegsFeed(ShortFeed):
    """As `ShortFeed`, in legs; `heat`: what a leg moves in a minute, in basis points.

    Integer arithmetic but for the price itself.
    """

    def _one(self, symbol: str, index: int) -> Iterator[Trade]:
        dice = Random(f"{self._seed}/legs/{symbol}")
        price, tick = self._prices[symbol], self._ticks[symbol]
        yield Trade(self.start_ns + index, symbol, price, Decimal(1), False, 1)
        at, number, until, drift = 0, 1, 0, 0
        while True:
            step = dice.randrange(self._gap // 3, self._gap * 2)
            at += step
            if at >= self._duration:
                return
            if at >= until:
                until = at + dice.randrange(60, 200) * 1000
                drift = dice.choice((-1, 1)) * dice.randrange(self._heat // 2, self._heat * 2)
            move = drift * 100 * step // 60_000 + dice.randrange(-60, 61)
            before, price = price, max((price * (1 + move * _MILLIONTH) // tick) * tick, 100 * tick)
            number += 1
            size = Decimal(dice.randrange(1, 40)) / 10
            with_leg = (price > before) is (drift > 0)
            size = (size * (3 if with_leg else 1)).quantize(Decimal("0.1"), ROUND_DOWN)
            yield Trade(self.start_ns + at * MS, symbol, price, size, price < before, number)
