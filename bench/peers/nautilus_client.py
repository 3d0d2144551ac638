"""NautilusTrader 1.x with a strategy as its users write it: one entry, stop-loss and take-profit resting.

Runs in NautilusTrader's own environment; see drivers.py for the arguments. What the strategy does:
- enters by a market order (in hedge mode: both legs, equal sizes), once, when told to;
- on a position: a STOP_MARKET and a LIMIT take-profit, both reduce-only, of the position's size;
- on another size of the position: new ones, then cancels the old ones;
- on a stop or take-profit that was rejected, cancelled or has expired: a new one, a second later, at most 8
  times;
- on a stop that is refused because the price is beyond it (-2021): cancels the take-profit, then closes at
  market;
- on a closed position: cancels what it has resting;
- after a restart: takes the orders and positions that reconciliation brought back as its own.
"""

import argparse
from datetime import timedelta

from nautilus_trader.adapters.binance import (
    BINANCE,
    BinanceAccountType,
    BinanceDataClientConfig,
    BinanceExecClientConfig,
    BinanceLiveDataClientFactory,
    BinanceLiveExecClientFactory,
)
from nautilus_trader.config import (
    InstrumentProviderConfig,
    LiveExecEngineConfig,
    LoggingConfig,
    StrategyConfig,
    TradingNodeConfig,
)
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.enums import OrderSide, OrderType, PositionSide
from nautilus_trader.model.identifiers import InstrumentId, PositionId, TraderId
from nautilus_trader.trading.strategy import Strategy

TRIES = 8


class GuardedConfig(StrategyConfig, frozen=True):
    instrument: InstrumentId
    quantity: str = "0.020"
    stop: float = 0.02
    profit: float = 0.015
    enter: bool = False
    hedge: bool = False


class Guarded(Strategy):
    def on_start(self):
        self.mine, self.tries, self.entered = {}, 0, not self.config.enter
        self.leaving = set()
        self.subscribe_quote_ticks(self.config.instrument)
        for order in self.cache.orders_open(instrument_id=self.config.instrument, strategy_id=self.id):
            if order.client_order_id.value.startswith("O-"):
                self.mine[self.leg_of(order), order.order_type] = order
        for position in self.cache.positions_open(instrument_id=self.config.instrument):
            self.entered = True
            self.protect(position)
        if not self.cache.positions_open(instrument_id=self.config.instrument):
            self.clear(None)

    def on_quote_tick(self, tick):
        if not self.entered:
            self.entered = True
            sides = (OrderSide.BUY, OrderSide.SELL) if self.config.hedge else (OrderSide.BUY,)
            for side in sides:
                size = self.cache.instrument(self.config.instrument).make_qty(float(self.config.quantity))
                order = self.order_factory.market(self.config.instrument, side, size)
                leg = ("LONG" if side == OrderSide.BUY else "SHORT") if self.config.hedge else None
                self.submit_order(order, position_id=leg and PositionId(f"{self.config.instrument}-{leg}"))

    def leg_of(self, order):
        return PositionSide.LONG if order.side == OrderSide.SELL else PositionSide.SHORT

    def protect(self, position):
        if position.side in self.leaving:
            return
        instrument = self.cache.instrument(self.config.instrument)
        away = 1 if position.side == PositionSide.LONG else -1
        exit_side = OrderSide.SELL if away == 1 else OrderSide.BUY
        reduce = not self.config.hedge
        id_in = position.id if self.config.hedge else None
        for kind in (OrderType.STOP_MARKET, OrderType.LIMIT):
            old = self.mine.get((position.side, kind))
            if old is not None and not old.is_closed and old.quantity == position.quantity:
                continue
            entry = position.avg_px_open
            if kind == OrderType.STOP_MARKET:
                trigger = instrument.make_price(entry * (1 - away * self.config.stop))
                new = self.order_factory.stop_market(
                    self.config.instrument, exit_side, position.quantity, trigger, reduce_only=reduce
                )
            else:
                price = instrument.make_price(entry * (1 + away * self.config.profit))
                new = self.order_factory.limit(
                    self.config.instrument, exit_side, position.quantity, price, reduce_only=reduce
                )
            self.mine[position.side, kind] = new
            self.submit_order(new, position_id=id_in)
            if old is not None and not old.is_closed:
                self.cancel_order(old)

    def clear(self, side):
        for (leg, kind), order in list(self.mine.items()):
            if side is None or leg == side:
                del self.mine[leg, kind]
                if not order.is_closed:
                    self.cancel_order(order)

    def on_position_opened(self, event):
        self.protect(self.cache.position(event.position_id))

    def on_position_changed(self, event):
        self.protect(self.cache.position(event.position_id))

    def on_position_closed(self, event):
        side = PositionSide.LONG if event.entry == OrderSide.BUY else PositionSide.SHORT
        self.leaving.discard(side)
        self.clear(side)

    def again(self, event):
        kept = any(o.client_order_id == event.client_order_id for o in self.mine.values())
        if kept and self.tries < TRIES:
            self.tries += 1
            self.clock.set_time_alert(
                f"again-{self.tries}", self.clock.utc_now() + timedelta(seconds=1), self.look_again
            )

    def look_again(self, _event):
        for position in self.cache.positions_open(instrument_id=self.config.instrument):
            self.protect(position)

    on_order_canceled = on_order_expired = on_order_denied = again

    def on_order_rejected(self, event):
        if "-2021" not in event.reason:
            self.again(event)
            return
        # The resting take-profit holds the reduce-only quantity: it goes first, then the position.
        leg = self.leg_of(self.cache.order(event.client_order_id))
        self.leaving.add(leg)
        self.clear(leg)
        self.leave_soon()

    def leave_soon(self):
        if self.tries < TRIES:
            self.tries += 1
            after = self.clock.utc_now() + timedelta(seconds=0.5)
            self.clock.set_time_alert(f"leave-{self.tries}", after, self.leave)

    def leave(self, _event):
        for position in self.cache.positions_open(instrument_id=self.config.instrument):
            if position.side in self.leaving:
                self.close_position(position, reduce_only=not self.config.hedge)
                self.leave_soon()


def node_config(given, instrument):
    common = {
        "api_key": given.key,
        "api_secret": given.secret,
        "account_type": BinanceAccountType.USDT_FUTURES,
        "base_url_http": given.http,
        "instrument_provider": InstrumentProviderConfig(load_ids=frozenset({str(instrument)})),
    }
    execution = BinanceExecClientConfig(
        **common,
        base_url_ws=given.ws + "/ws-fapi/v1",
        base_url_ws_stream=given.ws + "/private",
        use_reduce_only=not given.hedge,
        max_retries=3,
    )
    return TradingNodeConfig(
        trader_id=TraderId("PEER-001"),
        logging=LoggingConfig(log_level="INFO", use_pyo3=False),
        # The continuous checks are off by default; a careful user turns them on.
        exec_engine=LiveExecEngineConfig(
            reconciliation=True,
            reconciliation_lookback_mins=1440,
            reconciliation_startup_delay_secs=1.0,
            open_check_interval_secs=5.0,
            position_check_interval_secs=5.0,
        ),
        data_clients={BINANCE: BinanceDataClientConfig(**common, base_url_ws=given.ws)},
        exec_clients={BINANCE: execution},
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--http", required=True)
    parser.add_argument("--ws", required=True)
    parser.add_argument("--key", required=True)
    parser.add_argument("--secret", required=True)
    parser.add_argument("--enter", action="store_true")
    parser.add_argument("--hedge", action="store_true")
    given = parser.parse_args()
    instrument = InstrumentId.from_str("BTCUSDT-PERP.BINANCE")
    node = TradingNode(config=node_config(given, instrument))
    strategy = GuardedConfig(
        strategy_id="GUARDED-1",
        order_id_tag="001",
        oms_type="HEDGING" if given.hedge else "NETTING",
        external_order_claims=[instrument],
        instrument=instrument,
        enter=given.enter,
        hedge=given.hedge,
    )
    node.trader.add_strategy(Guarded(strategy))
    node.add_data_client_factory(BINANCE, BinanceLiveDataClientFactory)
    node.add_exec_client_factory(BINANCE, BinanceLiveExecClientFactory)
    node.build()
    try:
        node.run()
    finally:
        node.dispose()


if __name__ == "__main__":
    main()
