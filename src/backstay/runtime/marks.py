"""Mark prices: compared with what strategies watch for, shown to people, and otherwise thrown away."""

from collections.abc import Callable, Sequence
from decimal import Decimal

from backstay.core.slots import Watch
from backstay.core.types import Scope

_NONE: dict[Scope, tuple[Watch, ...]] = {}


class Marks:
    """Who watches which symbol for what. `subscribe` is told the symbols whenever they change."""

    def __init__(self, subscribe: Callable[[Sequence[str]], None]) -> None:
        self._subscribe = subscribe
        self._watches: dict[str, dict[Scope, tuple[Watch, ...]]] = {}
        self._subscribed: frozenset[str] = frozenset()
        self.latest: dict[str, Decimal] = {}
        """For screens; decisions read only what is recorded."""

    def follow(self, key: Scope, watches: tuple[Watch, ...] | None) -> None:
        """Follow the symbol's price while a managed position is open; None: it is not."""
        if watches == self._watches.get(key.symbol, _NONE).get(key):
            return
        by_scope = self._watches.setdefault(key.symbol, {})
        if watches is None:
            by_scope.pop(key, None)
        else:
            by_scope[key] = watches
        if not by_scope:
            del self._watches[key.symbol]
        wanted = frozenset(self._watches)
        if wanted != self._subscribed:
            self._subscribed = wanted
            self._subscribe(sorted(wanted))

    def watches(self, symbol: str) -> list[tuple[Watch, ...]]:
        """What is watched for, scope by scope."""
        return list(self._watches.get(symbol, _NONE).values())

    def crossed(self, symbol: str, price: Decimal) -> list[Scope]:
        """Scopes that asked for this price."""
        by_scope = self._watches.get(symbol, _NONE)
        return [key for key, watches in by_scope.items() if any(w.crossed(price) for w in watches)]
