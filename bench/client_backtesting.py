"""The same entries in backtesting.py, run by its own interpreter: `client_backtesting.py FILE`.

FILE has a row for each bar: time, open, high, low, close, volume, signal (1, -1, 0), and the distances of
stop and target as fractions. Prints one JSON document: bars, seconds, trades.
"""

import json
import sys
import time

import pandas as pd
from backtesting import Backtest, Strategy


class Signals(Strategy):
    """Enters at the next open on a signal, with a stop and a target, one position at a time."""

    def init(self) -> None:
        """Nothing has to be worked out: the signals are columns."""

    def next(self) -> None:
        signal = self.data.Signal[-1]
        if not signal or self.position:
            return
        price, stop, target = self.data.Close[-1], self.data.Stop[-1], self.data.Target[-1]
        if signal > 0:
            self.buy(size=0.5, sl=price * (1 - stop), tp=price * (1 + target))
        else:
            self.sell(size=0.5, sl=price * (1 + stop), tp=price * (1 - target))


def main() -> None:
    frame = pd.read_csv(sys.argv[1], index_col=0)
    frame.index = pd.to_datetime(frame.index)
    began = time.perf_counter()
    found = Backtest(frame, Signals, cash=10_000_000, commission=0.0005).run()
    elapsed = time.perf_counter() - began
    print(json.dumps({"bars": len(frame), "seconds": elapsed, "trades": int(found["# Trades"])}))


main()
