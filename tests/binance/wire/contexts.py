"""Contexts for the encoder's tests."""

from decimal import Decimal

from backstay.core.contexts import OrderContext, Premise
from backstay.core.slots import Slot, SlotKey
from backstay.core.types import Direction, OrderType, PositionSide, Product, Role, Scope, Side

CUSTOM_ID = "bst" + "a2" * 13


def context(
    kind: OrderType,
    *,
    position_side: PositionSide = PositionSide.BOTH,
    side: Side = Side.SELL,
    symbol: str = "BTCUSDT",
    custom_id: str = CUSTOM_ID,
    **slot,
) -> OrderContext:
    return OrderContext(
        ctx_id=custom_id,
        scope=Scope(Product.USDM, symbol, position_side),
        direction=Direction.LONG,
        slot=Slot(key=SlotKey(Role.SL, 0), side=side, kind=kind, **slot),
        epoch=1,
        generation=0,
        premise=Premise(1, Decimal("0.004")),
        created_at=1,
    )
