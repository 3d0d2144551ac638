"""A freqtrade strategy: enters once, stop-loss on the exchange. Runs in freqtrade's environment."""

import os

from freqtrade.persistence import Trade
from freqtrade.strategy import IStrategy


class Guarded(IStrategy):
    INTERFACE_VERSION = 3
    timeframe = "1m"
    stoploss = -0.02
    minimal_roi = {}  # noqa: RUF012 - the form that freqtrade documents
    use_exit_signal = False
    process_only_new_candles = False
    startup_candle_count = 0
    order_types = {  # noqa: RUF012 - the form that freqtrade documents
        "entry": "market",
        "exit": "market",
        "emergency_exit": "market",
        "force_exit": "market",
        "stoploss": "market",
        "stoploss_on_exchange": True,
        "stoploss_on_exchange_interval": 60,
    }

    def populate_indicators(self, dataframe, metadata):
        return dataframe

    def populate_entry_trend(self, dataframe, metadata):
        dataframe["enter_long"] = int(os.environ.get("PEERS_ENTER") == "1")
        return dataframe

    def populate_exit_trend(self, dataframe, metadata):
        return dataframe

    def confirm_trade_entry(
        self, pair, order_type, amount, rate, time_in_force, current_time, entry_tag, side, **kwargs
    ):
        return not Trade.get_trades_proxy()
