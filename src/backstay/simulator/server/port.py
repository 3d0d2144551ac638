"""What the protocol needs of the market and the accounts behind it. The engine satisfies it by shape."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Protocol

from backstay.simulator.settings import EngineFaults


class EnginePort(Protocol):
    """Time is venue nanoseconds. Payloads are exactly what goes on the wire: dicts, lists, texts, ints,
    booleans.
    """

    now: int
    wanted: set[str]
    faults: EngineFaults

    def call(self, account: str | None, endpoint: str, params: Mapping[str, str], now: int) -> Any:
        """Execute `METHOD /path`. Raises `backstay.simulator.errors.Refusal`."""
        ...

    def advance(self, now: int) -> None: ...

    def next_at(self) -> int | None: ...

    def take_user_events(self) -> list[tuple[str, dict[str, Any]]]: ...

    def take_market_events(self) -> list[tuple[str, Any]]: ...

    def set_price(self, symbol: str, price: Decimal, now: int) -> None: ...

    def human(self, account: str, action: dict[str, Any], now: int) -> Any: ...

    def truth(self, account: str) -> dict[str, Any]: ...

    def force_adl(
        self,
        account: str,
        symbol: str,
        now: int,
        *,
        position_side: str | None = None,
    ) -> None: ...

    def force_liquidation(
        self,
        account: str,
        symbol: str,
        now: int,
        *,
        position_side: str | None = None,
    ) -> None: ...
