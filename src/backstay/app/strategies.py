"""The strategies that a configuration may name, and what each needs to be built, run and replayed."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from backstay.app import user_strategies
from backstay.app.errors import ConfigError
from backstay.app.nearest import suggestion
from backstay.app.spot_manager import on_spot
from backstay.app.user_strategies import Loaded
from backstay.core.engine import Manager
from backstay.core.types import Direction, Product
from backstay.core.wanted import AnyStrategy
from backstay.strategies.hosted import Code
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
    lives: bool = True
    """It asks for the lives of its entry and exit slots (`Manager.lives`)."""
    named_only: bool = False
    """It needs its symbols by name: nothing but the configuration tells which are meant."""
    loaded: Loaded | None = None
    """The user's code that it is; None: it is one of ours."""
    on_spot: Callable[[Mapping[str, Any], str], dict[str, Any]] | None = None
    """What its keys mean on spot, where that differs: configured keys and their place to keys."""

    def needs_names(self, product: Product) -> bool:
        """Its symbols have to be named: nothing but the configuration tells which are meant."""
        return self.named_only or product is Product.SPOT

    def manager(self, policy: Any, product: Product) -> Manager:
        """As the engine takes it."""
        every = (Direction.LONG,) if product is Product.SPOT else tuple(Direction)
        sides = getattr(policy, "sides", every)
        return Manager(
            strategy=self.make(),
            policy=policy,
            symbols=frozenset(policy.symbols),
            directions=frozenset(sides),
            product=product,
            by_lot=self.by_lot,
            lives=self.lives,
        )


BUILT_IN: dict[str, Kind] = {
    PositionManager.name: Kind(
        PositionPolicy, PositionManager, (Product.USDM, Product.SPOT), on_spot=on_spot, lives=False
    ),
    ScoredTrader.name: Kind(ScoredPolicy, ScoredTrader, (Product.USDM,), named_only=True),
    Swing.name: Kind(SwingPolicy, Swing, (Product.SPOT,), by_lot=True, named_only=True),
}


def find(reference: str, where: str) -> Kind:
    """The strategy that `strategy:` names: ours, a registered one, or ``path/to/file.py:Class``.

    Raises ConfigError, whose message begins with `where`.
    """
    if reference in BUILT_IN:
        return BUILT_IN[reference]
    if not user_strategies.is_path(reference):
        known = [*BUILT_IN, *user_strategies.registered()]
        if reference not in known:
            raise ConfigError(f"{where}: {reference!r} is not known; {suggestion(reference, known)}")
    return _kind(user_strategies.load(reference, where))


def find_again(reference: str, code: Code | None, where: str) -> Kind:
    """The strategy that a ledger names, with the very code that it was. Raises ConfigError."""
    if code is None:
        return find(reference, where)
    return _kind(user_strategies.load_again(reference, code, where))


def _kind(found: Loaded) -> Kind:
    return Kind(found.policy, found.make, found.products, by_lot=found.by_lot, named_only=True, loaded=found)
