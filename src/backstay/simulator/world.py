"""The state of the simulated venue, and the services every part of it needs: time, ids, dice, outbox."""

import heapq
import random
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from backstay.simulator.accounts import Account, Income
from backstay.simulator.algo_orders import AlgoStore
from backstay.simulator.errors import refusal
from backstay.simulator.market import Market
from backstay.simulator.numbers import MS, ZERO, cents
from backstay.simulator.orders import OrderStore
from backstay.simulator.settings import EngineFaults, EngineSettings
from backstay.simulator.specs import SymbolSpec

_ID_CHARS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


class World:
    """Plain state; rules live in the modules that take it. `now` is venue time in ns and only grows."""

    def __init__(
        self, specs: Sequence[SymbolSpec], *, start_ns: int, seed: int, settings: EngineSettings
    ) -> None:
        if not specs:
            raise ValueError("an engine needs at least one SymbolSpec")
        self.settings = settings
        self.faults = EngineFaults()
        self.rng = random.Random(seed)
        self.now = self.start = start_ns
        self.specs = {s.symbol: s for s in specs}
        if len(self.specs) != len(specs):
            raise ValueError("two SymbolSpecs carry the same symbol")
        self.markets = {
            s.symbol: Market(s, settings, start_ns, salt=seed * 1009 + n) for n, s in enumerate(specs)
        }
        self.accounts: dict[str, Account] = {}
        self.orders = OrderStore()
        self.algos = AlgoStore()
        self.user_events: list[tuple[str, dict[str, Any]]] = []
        self.market_events: list[tuple[str, dict[str, Any]]] = []
        self.insurance = settings.insurance_fund
        self.timers: list[tuple[int, int, str, Any]] = []
        self._timer_seq = 0
        self._order_id = 8_000_000_000 + self.rng.randrange(900_000_000)
        self._algo_id = 4_000_000_000_000_000 + self.rng.randrange(2_000_000_000)
        self._tran_id = 9_000_000_000 + self.rng.randrange(900_000_000)

    @property
    def now_ms(self) -> int:
        return self.now // MS

    def order_id(self) -> int:
        self._order_id += 1 + self.rng.randrange(7)
        return self._order_id

    def algo_id(self) -> int:
        self._algo_id += 1 + self.rng.randrange(5)
        return self._algo_id

    def tran_id(self) -> int:
        self._tran_id += 1
        return self._tran_id

    def random_id(self, prefix: str = "", length: int = 22) -> str:
        """An id as the venue makes it for orders sent without one: 22 random characters."""
        return prefix + "".join(self.rng.choices(_ID_CHARS, k=length))

    def chance(self, probability: float) -> bool:
        """A draw; a probability of zero draws nothing, so that switched-off faults change no story."""
        return probability > 0 and self.rng.random() < probability

    def spec(self, symbol: str) -> SymbolSpec:
        found = self.specs.get(symbol)
        if found is None:
            raise refusal(-1121)
        return found

    def market(self, symbol: str) -> Market:
        self.spec(symbol)
        return self.markets[symbol]

    def status(self, symbol: str) -> str:
        halted = self.faults.halted
        if halted:
            return halted.get(symbol) or halted.get("*") or self.specs[symbol].status
        return self.specs[symbol].status

    def account(self, name: str | None) -> Account:
        found = self.accounts.get(name or "")
        if found is None:
            raise ValueError(f"no account named {name!r} is open; call open_account first")
        return found

    def at(self, when: int, kind: str, payload: Any = None) -> None:
        """Have `kind` happen at `when` (ns)."""
        self._timer_seq += 1
        heapq.heappush(self.timers, (when, self._timer_seq, kind, payload))

    def emit(self, account: str, frame: dict[str, Any]) -> None:
        """Put a private frame out; `E` follows `T` and never runs backwards for one account."""
        owner = self.accounts[account]
        event_ms = max(owner.last_event_ms, self.now_ms + 1)
        owner.last_event_ms = event_ms
        out: dict[str, Any] = {"e": frame["e"], "E": event_ms}
        out.update(frame)
        self.user_events.append((account, out))

    def pay(
        self,
        account: Account,
        asset: str,
        amount: Decimal,
        kind: str,
        *,
        symbol: str = "",
        info: str = "",
        trade_id: str = "",
    ) -> Decimal:
        """Book money on a wallet with its income row; returns the amount booked. Zero books nothing."""
        amount = cents(amount)
        if amount == ZERO:
            return ZERO
        account.book(asset, amount, self.now)
        account.income.append(
            Income(self.now_ms, kind, asset, amount, symbol, info or trade_id, self.tran_id(), trade_id)
        )
        return amount

    def lag(self, surface: str) -> int | None:
        """The moment (ns) as of which queries of this surface see the world; None: now."""
        delay = self.faults.lag_ns.get(surface, 0)
        return self.now - delay if delay > 0 else None
