"""A made-up past of a market: one-minute bars that lead to its first price, in integer arithmetic.

It is a seeded walk backwards in time, with calm and lively hours; what the feed does next it does not know.
"""

from decimal import Decimal
from random import Random

from backstay.simulator.bars import Bar
from backstay.simulator.numbers import MINUTE
from backstay.simulator.specs import SymbolSpec

_MOVE_PPM = 500
"""Largest usual move of a minute."""
_NOTIONAL = 40_000
"""Usual turnover of a minute, in quote currency."""


def past(spec: SymbolSpec, salt: int, at: int, price: Decimal, minutes: int) -> list[Bar]:
    """Bars of the `minutes` before the one that holds `at` (ns), oldest first; the last closes at `price`."""
    dice = Random(f"{salt}/{spec.symbol}/past")
    opened = at - at % MINUTE
    close = first = max(int(price / spec.tick), 2)
    usual = max(int(_NOTIONAL / (price * spec.step)), 1)
    made: list[Bar] = []
    for back in range(1, minutes + 1):
        heat = 1 + dice.getrandbits(2) * (back // 240 % 3)
        reach = max(close * _MOVE_PPM * heat // 1_000_000, 1)
        move = dice.randrange(-reach, reach + 1)
        # Far from where it ends the walk is drawn back: a month of minutes must not lead to nothing.
        move += (first - close) // 2000
        begin = max(close + move, 2)
        high = max(begin, close) + dice.randrange(reach + 1) // 2
        low = max(min(begin, close) - dice.randrange(reach + 1) // 2, 1)
        bar = Bar(opened - back * MINUTE, spec.tick * begin)
        bar.high, bar.low, bar.close = spec.tick * high, spec.tick * low, spec.tick * close
        bar.volume = spec.step * (usual * heat * (32 + dice.getrandbits(6)) // 64 + 1)
        bar.quote_volume = bar.volume * bar.close
        bar.taker_volume = bar.volume / 2
        bar.taker_quote = bar.quote_volume / 2
        bar.trades = 20 * heat
        made.append(bar)
        close = begin
    made.reverse()
    return made
