"""The strategies that a configuration may name, and what each needs to be built, run and replayed."""

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from backstay.core.engine import Manager
from backstay.core.types import Direction, Product
from backstay.core.wanted import AnyStrategy
from backstay.strategies.position_manager.policy import PositionPolicy
from backstay.strategies.position_manager.wanted import PositionManager
from backstay.strategies.scored.policy import ScoredPolicy
from backstay.strategies.scored.wanted import ScoredTrader
from backstay.strategies.swing.policy import SwingPolicy
from backstay.strategies.swing.wanted import Swing


class Kind(NamedTuple):
    """One strategy as the program knows it."""

    policy: type[msgspec.Struct]
    make: Callable[[], AnyStrategy]
    products: tuple[Product, ...]
    """Where it can run; the first one is meant where the configuration names none."""
    by_lot: bool = False
    named_only: bool = False
    """It needs its symbols by name: nothing but the configuration tells which are meant."""

    def manager(self, policy: Any, product: Product) -> Manager:
        """As the engine takes it."""
        sides = getattr(policy, "sides", (Direction.LONG,))
        return Manager(
            strategy=self.make(),
            policy=policy,
            symbols=frozenset(policy.symbols),
            directions=frozenset(sides),
            product=product,
            by_lot=self.by_lot,
        )


BUILT_IN: dict[str, Kind] = {
    PositionManager.name: Kind(PositionPolicy, PositionManager, (Product.USDM,)),
    ScoredTrader.name: Kind(ScoredPolicy, ScoredTrader, (Product.USDM,), named_only=True),
    Swing.name: Kind(SwingPolicy, Swing, (Product.SPOT,), by_lot=True, named_only=True),
}
