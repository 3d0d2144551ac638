"""The scene of a trader that enters by itself: besides positions and orders the lives of positions, made of
fills alone.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from backstay.simulation.scene import ZERO, LegKey, Scene

D = Decimal


class Fill(msgspec.Struct, frozen=True):
    """One trade of the account, as the venue told it."""

    trade_id: int
    client_id: str
    at_ms: int
    buys: bool
    quantity: Decimal
    """What of it belongs to the life; a fill may end one and begin another."""
    price: Decimal
    realized: Decimal
    fee: Decimal

    @property
    def signed(self) -> Decimal:
        return self.quantity if self.buys else -self.quantity


class Life(msgspec.Struct, kw_only=True):
    """A position from flat to flat."""

    key: LegKey
    long: bool
    ours: bool
    """Its first fill was of an order of ours."""
    opened_ms: int
    closed_ms: int = 0
    held: Decimal = ZERO
    fills: list[Fill] = []

    def part(self, *, enters: bool) -> list[Fill]:
        """The fills that made it larger, or those that made it smaller."""
        return [f for f in self.fills if (f.buys is self.long) is enters]

    @property
    def realized(self) -> Decimal:
        return sum((f.realized for f in self.fills), ZERO)


class ScoredScene(Scene):
    """Folds private frames; an event that comes twice counts once."""

    def __init__(self, owns: Callable[[str], bool], tolerance: Decimal = ZERO) -> None:
        super().__init__(owns, tolerance)
        self.lives: dict[LegKey, list[Life]] = {}
        self.wallet = ZERO
        """Realised results and fees so far: transfers are no part of it."""
        self._seen: set[tuple[str, int]] = set()

    def life(self, key: LegKey) -> Life | None:
        """The present life of a leg; None: by its fills it is flat."""
        lives = self.lives.get(key)
        return lives[-1] if lives and not lives[-1].closed_ms else None

    def _order(self, o: dict[str, Any], at: int) -> LegKey:
        key = super()._order(o, at)
        trade = (o["s"], int(o.get("t", 0)))
        if D(o.get("l", "0")) and trade[1] and trade not in self._seen:
            self._seen.add(trade)
            self._filled(key, o, at)
        return key

    def _filled(self, key: LegKey, o: dict[str, Any], at: int) -> None:
        realized, fee = D(o.get("rp", "0")), D(o.get("n") or "0")
        self.wallet += realized - fee
        fill = Fill(int(o["t"]), o["c"], at, o["S"] == "BUY", D(o["l"]), D(o["L"]), realized, fee)
        life = self.life(key)
        if life is not None and life.long is not fill.buys and fill.quantity > life.held:
            closing = msgspec.structs.replace(fill, quantity=life.held, fee=fee * life.held / fill.quantity)
            self._enter(key, life, closing)
            rest = fill.quantity - closing.quantity
            fill = msgspec.structs.replace(fill, quantity=rest, fee=fee - closing.fee, realized=ZERO)
            life = None
        self._enter(key, life, fill)

    def _enter(self, key: LegKey, life: Life | None, fill: Fill) -> None:
        if life is None:
            life = Life(key=key, long=fill.buys, ours=self.owns(fill.client_id), opened_ms=fill.at_ms)
            self.lives.setdefault(key, []).append(life)
        life.fills.append(fill)
        life.held += fill.quantity if fill.buys is life.long else -fill.quantity
        if not life.held:
            life.closed_ms = fill.at_ms
