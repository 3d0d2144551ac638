"""Swing lots as `positions list` shows them: rows of the store's `trade_pairs`, with prices of now.

The rows have the keys of every other position; what a lot does not have is empty.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import Text, cast, select

from backstay.app.status import iso
from backstay.app.words import number
from backstay.core.types import SECOND, ZERO, TimeNs
from backstay.ledger.pause import no_collections
from backstay.ledger.projections.models import Exact
from backstay.ledger.projections.store import Store, table

DONE = ("COMPLETED", "CLOSED_BY_HAND")


def lot_rows(
    store: Store,
    now: TimeNs,
    marks: Mapping[str, Decimal],
    *,
    symbol: str = "",
    status: str = "",
    with_completed: bool = False,
) -> list[dict[str, Any]]:
    """Lots by symbol and age, oldest first: open ones, and completed ones where they are asked for."""
    pairs = table("trade_pairs")
    # Amounts as the text that they are shown as: ten thousand rows are to be quick.
    columns = [
        cast(c, Text).label(c.name) if isinstance(c.type, Exact) else c
        for c in (pairs.c[name] for name in COLUMNS)
    ]
    query = select(*columns).order_by(pairs.c.symbol, pairs.c.bought_at, pairs.c.trade_id)
    if symbol:
        query = query.where(pairs.c.symbol == symbol.upper())
    if status:
        query = query.where(pairs.c.status == status.upper())
    elif not with_completed:
        query = query.where(pairs.c.status.not_in(DONE))
    with no_collections(), store.connect() as connection:
        return [_row(_Pair(*row), now, marks) for row in connection.execute(query).all()]


COLUMNS = (
    "id",
    "symbol",
    "product",
    "trade_id",
    "original_buy_id",
    "sell_order_id",
    "status",
    "reason",
    "bought_at",
    "sold_at",
    "buy_price",
    "quantity",
    "received",
    "sold",
    "target_profit_price",
    "sell_price",
    "dust",
)


class _Pair(NamedTuple):
    """COLUMNS, amounts as text."""

    id: str
    symbol: str
    product: str
    trade_id: int
    original_buy_id: int
    sell_order_id: str | None
    status: str
    reason: str | None
    bought_at: int
    sold_at: int | None
    buy_price: str
    quantity: str
    received: str
    sold: str
    target: str | None
    sell_price: str | None
    dust: str | None


def _row(pair: _Pair, now: TimeNs, marks: Mapping[str, Decimal]) -> dict[str, Any]:
    done = pair.status in DONE
    mark = None if done else marks.get(pair.symbol)
    left = Decimal(pair.received) - Decimal(pair.sold)
    price = _short(pair.buy_price)
    target = _short(pair.target)
    rests = pair.status == "SELL_PLACED"
    sell = _short(pair.sell_price) if rests or done else None
    return {
        "id": pair.id,
        "symbol": pair.symbol,
        "product": pair.product,
        "side": "LONG",
        "quantity": _short(pair.quantity) if done else number(left),
        "entry_price": price,
        "entry_time": iso(pair.bought_at),
        "mark_price": number(mark) if mark is not None else None,
        "unrealised_pnl": _pnl(Decimal(pair.buy_price), left, mark) if mark is not None else NO_PNL,
        "age": max((pair.sold_at if done and pair.sold_at else now) - pair.bought_at, 0) // SECOND,
        "stop": NO_STOP,
        "take_profit": {
            "price": sell if rests else None,
            "state": "LIVE" if rests else "NONE",
            "levels": int(rests),
        },
        "dca": NO_DCA,
        "distance_to_liquidation": None,
        "protected": None,
        "protected_since": None,
        "unprotected_since": None,
        "status": pair.status,
        "buy_price": price,
        "target": target,
        "sell_price": sell,
        "reason": pair.reason,
        "dust": _short(pair.dust),
        "buy_order": pair.original_buy_id,
        "sell_order": pair.sell_order_id,
        "trade_id": pair.trade_id,
    }


NO_STOP = {"price": None, "state": "NONE"}
NO_DCA = {"done": 0, "total": 0, "next_price": None}
NO_PNL: dict[str, str | None] = {"quote": None, "percent": None}


def _short(text: str | None) -> str | None:
    """The amount without trailing zeros."""
    return text.rstrip("0").rstrip(".") if text is not None and "." in text else text


def _pnl(bought: Decimal, left: Decimal, mark: Decimal) -> dict[str, str | None]:
    if not bought or left <= ZERO:
        return NO_PNL
    gain = mark - bought
    return {"quote": number((gain * left).quantize(CENT)), "percent": f"{gain / bought * 100:.2f}"}


CENT = Decimal("0.0001")
