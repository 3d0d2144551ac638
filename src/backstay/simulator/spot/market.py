"""The market of one pair: the model that USD-M uses, with Spot's averages."""

from decimal import Decimal

from backstay.simulator.market import Market
from backstay.simulator.numbers import MINUTE, ZERO
from backstay.simulator.settings import EngineSettings
from backstay.simulator.spot.settings import SpotSettings
from backstay.simulator.spot.specs import SpotSpec


class SpotMarket(Market):
    """`rules` is the pair; `spec` what the shared model knows of it."""

    def __init__(self, rules: SpotSpec, settings: SpotSettings, start_ns: int, salt: int) -> None:
        model = EngineSettings(
            fill_model=settings.fill_model,
            queue_share=settings.queue_share,
            level_notional=settings.level_notional,
            level_spacing=settings.level_spacing,
            depth_levels=settings.depth_levels,
            klines_kept=settings.klines_kept,
            trades_kept=settings.trades_kept,
        )
        super().__init__(rules.grid(), model, start_ns, salt)
        self.rules = rules

    def average(self, minutes: int, now: int) -> Decimal:
        """The volume-weighted price of the last minutes; the last price for 0 minutes or without trades."""
        since = now - minutes * MINUTE
        volume = quote = ZERO
        for trade in reversed(self.trades):
            if trade.at < since:
                break
            volume += trade.qty
            quote += trade.price * trade.qty
        return quote / volume if minutes and volume else self.last

    def reference(self, now: int) -> Decimal:
        """What price filters measure against: the reference price, else the average of their minutes."""
        fixed = self.rules.reference_price
        return fixed if fixed is not None else self.average(self.rules.avg_minutes, now)
