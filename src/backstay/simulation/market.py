"""A short market from a seed: a walk with trends and jumps, one print every second or so, then stillness."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import ROUND_DOWN, Decimal
from random import Random

from backstay.simulator.feeds.ticks import Tick, Trade

MS = 1_000_000
PRICES = {"BTCUSDT": Decimal(60000), "ETHUSDT": Decimal(3000), "SOLUSDT": Decimal(150)}
TICKS = {"BTCUSDT": Decimal("0.1"), "ETHUSDT": Decimal("0.01"), "SOLUSDT": Decimal("0.01")}
_BP = Decimal("0.0001")


class ShortFeed:
    """Prints of all symbols from `start_ns` for `duration_ms`, `gap_ms` apart on average."""

    def __init__(
        self,
        symbols: Sequence[str],
        *,
        seed: int,
        start_ns: int,
        duration_ms: int,
        gap_ms: int,
        heat: int,
        prices: Mapping[str, Decimal] = PRICES,
        ticks: Mapping[str, Decimal] = TICKS,
    ) -> None:
        self._prices, self._ticks = prices, ticks
        self.symbols = tuple(symbols)
        self.start_ns = start_ns
        self._seed, self._duration, self._gap, self._heat = seed, duration_ms, gap_ms, heat

    def ticks(self) -> Iterator[Tick]:
        made = [t for i, symbol in enumerate(self.symbols) for t in self._one(symbol, i)]
        return iter(sorted(made, key=lambda t: (t.at, t.symbol)))

    def _one(self, symbol: str, index: int) -> Iterator[Trade]:
        dice = Random(f"{self._seed}/market/{symbol}")
        price, tick = self._prices[symbol], self._ticks[symbol]
        yield Trade(self.start_ns + index, symbol, price, Decimal(1), False, 1)
        at, number, drift = 0, 1, 0
        while True:
            at += dice.randrange(self._gap // 3, self._gap * 2)
            if at >= self._duration:
                return
            if dice.randrange(25) == 0:
                drift = dice.randrange(-6, 7) * self._heat // 10
            move = drift + dice.randrange(-5, 6) * self._heat // 10
            if dice.randrange(60) == 0:
                move += dice.choice((-1, 1)) * dice.randrange(20, 80)
            before, price = price, max((price * (1 + move * _BP / 2) // tick) * tick, 100 * tick)
            number += 1
            size = (Decimal(dice.randrange(1, 60)) / 10).quantize(Decimal("0.1"), ROUND_DOWN)
            seller = price < before if price != before else bool(dice.getrandbits(1))
            yield Trade(self.start_ns + at * MS, symbol, price, size, seller, number)
