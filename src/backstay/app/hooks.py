"""The hooks of users' strategies: told of recorded prices and orders, on a thread of their own.

They follow the ledger as every reader does (`backstay.app.readers`), so a slow one delays only itself. They
are called on another instance than `wanted`: what they learn cannot reach a decision.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from backstay.app.managers import ManagerSettings
from backstay.app.readers import Readers, Tail
from backstay.app.store import LEDGERS
from backstay.core.events import AlgoReport, OrderReport, PriceReached
from backstay.core.records import Record
from backstay.core.types import Product
from backstay.ledger.disk import Disk

type Failed = Callable[[str, BaseException], object]
"""(name of the hook, what it raised)."""


class _Hook(NamedTuple):
    name: str
    product: Product
    symbols: frozenset[str]
    """Empty: every one."""
    on_price: Callable[[PriceReached], object] | None
    on_order: Callable[[OrderReport | AlgoReport], object] | None

    def hears(self, product: Product, symbol: str) -> bool:
        return product is self.product and (not self.symbols or symbol in self.symbols)


class Hooks:
    """All hooks of one configuration; `take` listens to records.

    `failed` hears what a hook raises, once where it raises the same again and again.
    """

    def __init__(self, managers: Sequence[ManagerSettings], failed: Failed) -> None:
        self._failed = failed
        self._hooks: list[_Hook] = []
        self._readers: Readers | None = None
        self._told: dict[str, str] = {}
        for manager in managers:
            user: Any = manager.kind.loaded.hooks() if manager.kind.loaded is not None else None
            if user is not None:
                symbols = frozenset(manager.policy.symbols)
                on_price, on_order = getattr(user, "on_price", None), getattr(user, "on_order", None)
                self._hooks.append(_Hook(manager.strategy, manager.product, symbols, on_price, on_order))

    def take(self, record: Record) -> None:
        body = record.body
        if isinstance(body, PriceReached):
            for hook in self._hooks:
                if hook.on_price is not None and hook.hears(body.product, body.symbol):
                    self._call(f"{hook.name} on_price", hook.on_price, body)
        elif isinstance(body, OrderReport | AlgoReport):
            product = body.product if isinstance(body, OrderReport) else Product.USDM
            for hook in self._hooks:
                if hook.on_order is not None and hook.hears(product, body.symbol):
                    self._call(f"{hook.name} on_order", hook.on_order, body)

    def _call(self, name: str, hook: Callable[[Any], object], event: object) -> None:
        try:
            hook(event)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - it is told; the next event is another chance
            if self._told.get(name) != repr(error):
                self._told[name] = repr(error)
                self._failed(name, error)
        else:
            self._told.pop(name, None)

    def follow(self, disk: Disk, *, calm: Callable[[], bool]) -> None:
        """From now on every new record is heard. Without hooks this does nothing."""
        if not self._hooks:
            return
        tails = [
            Tail(disk, path, disk.size(path) or 0, (self.take,), name=f"hooks of {name}")
            for name, path in LEDGERS.items()
        ]
        self._readers = Readers(tails, calm=calm, told=self._failed)
        self._readers.start()

    def stop(self) -> bool:
        """Let the hooks hear what is left; False when they did not end in time."""
        return self._readers is None or self._readers.stop()
