"""The state of the simulated Spot venue, and the services every part of it needs."""

import random
from collections.abc import Sequence
from typing import Any

from backstay.simulator.numbers import MS, Stamp, money
from backstay.simulator.settings import EngineFaults
from backstay.simulator.spot.accounts import SpotAccount
from backstay.simulator.spot.errors import refusal
from backstay.simulator.spot.market import SpotMarket
from backstay.simulator.spot.orders import OrderStore
from backstay.simulator.spot.settings import SpotSettings
from backstay.simulator.spot.specs import SpotSpec

_ID_CHARS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


class SpotWorld:
    """Plain state; rules live in the modules that take it. `now` is venue time in ns and only grows."""

    def __init__(
        self, specs: Sequence[SpotSpec], *, start_ns: int, seed: int, settings: SpotSettings
    ) -> None:
        if not specs:
            raise ValueError("an engine needs at least one SpotSpec")
        self.settings = settings
        self.faults = EngineFaults()
        self.rng = random.Random(f"spot {seed}")
        self.now = self.start = start_ns
        self.specs = {s.symbol: s for s in specs}
        if len(self.specs) != len(specs):
            raise ValueError("two SpotSpecs carry the same symbol")
        self.markets = {
            s.symbol: SpotMarket(s, settings, start_ns, salt=seed * 2003 + n) for n, s in enumerate(specs)
        }
        self.accounts: dict[str, SpotAccount] = {}
        self.orders = OrderStore()
        self.user_events: list[tuple[str, dict[str, Any]]] = []
        self.market_events: list[tuple[str, Any]] = []
        self._order_id = 60_000_000_000 + self.rng.randrange(900_000_000)
        self._list_id = 1_000_000 + self.rng.randrange(900_000)
        self._execution_id = 120_000_000_000 + self.rng.randrange(900_000_000)
        self._prevented_id = 0

    @property
    def now_ms(self) -> int:
        return self.now // MS

    @property
    def stamp(self) -> Stamp:
        """This moment, as payloads carry it."""
        return Stamp(self.now)

    def order_id(self) -> int:
        self._order_id += 1 + self.rng.randrange(7)
        return self._order_id

    def list_id(self) -> int:
        self._list_id += 1
        return self._list_id

    def execution_id(self) -> int:
        self._execution_id += 1 + self.rng.randrange(3)
        return self._execution_id

    def prevented_id(self) -> int:
        self._prevented_id += 1
        return self._prevented_id

    def random_id(self, prefix: str = "", length: int = 22) -> str:
        """An id as the venue makes it for orders sent without one: 22 random characters."""
        return prefix + "".join(self.rng.choices(_ID_CHARS, k=length))

    def chance(self, probability: float) -> bool:
        """A draw; a probability of zero draws nothing, so that switched-off faults change no story."""
        return probability > 0 and self.rng.random() < probability

    def spec(self, symbol: str) -> SpotSpec:
        found = self.specs.get(symbol)
        if found is None:
            raise refusal(-1121)
        return found

    def market(self, symbol: str) -> SpotMarket:
        self.spec(symbol)
        return self.markets[symbol]

    def status(self, symbol: str) -> str:
        halted = self.faults.halted
        if halted:
            named = halted.get(symbol) or halted.get("*")
            if named:
                return _SPOT_STATUS.get(named, named)
        return self.specs[symbol].status

    def account(self, name: str | None) -> SpotAccount:
        found = self.accounts.get(name or "")
        if found is None:
            raise ValueError(f"no account named {name!r} is open; call open_account first")
        return found

    def emit(self, account: str, frame: dict[str, Any]) -> None:
        """Put a private event out; `E` is after the event's own time and never runs backwards."""
        owner = self.accounts[account]
        at = max(owner.last_event, self.now + MS)
        owner.last_event = at
        self.user_events.append((account, {"e": frame["e"], "E": Stamp(at)} | frame))

    def tell_balances(self, account: SpotAccount) -> None:
        """outboundAccountPosition of everything touched since the last one; nothing where nothing was."""
        if not account.touched:
            return
        rows = [
            {"a": asset, "f": money(account.free(asset)), "l": money(account.locked(asset))}
            for asset in account.touched
        ]
        account.touched = {}
        self.emit(account.name, {"e": "outboundAccountPosition", "u": Stamp(account.update), "B": rows})

    def lag(self, surface: str) -> int | None:
        """The moment (ns) as of which queries of this surface see the world; None: now."""
        delay = self.faults.lag_ns.get(surface, 0)
        return self.now - delay if delay > 0 else None


# The fault plan speaks of a halt in the words of USD-M.
_SPOT_STATUS = {"TRADING_HALT": "HALT", "TRADING_CANCEL_ONLY": "CANCEL_ONLY", "CLOSE": "BREAK"}
