"""The lots that a page shows: some of maybe ten thousand, those first that a person may have to do with.

Read from the state of a running guard, without looking at every lot: swing keeps its lots sorted by age and
apart by whether they can be sold. All of them are in `backstay positions list`.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from backstay.app.lot_figures import Held, held_lots, waits_for_its_owner
from backstay.app.status import iso
from backstay.app.words import number
from backstay.core.engine import Engine
from backstay.core.lots import Lot, every, get
from backstay.core.names import lot_name
from backstay.core.state import AccountState
from backstay.core.types import SECOND, TimeNs
from backstay.strategies.swing.states import FLAGGED

SHOWN_MOST = 40
"""Open lots."""
ENDED_MOST = 6
"""Lots that ended last."""


def lot_table(account: AccountState, engine: Engine, now: TimeNs) -> dict[str, Any]:
    """`open` and `ended` lots as rows, and how many more there are (`more`).

    Open ones: flagged, then such that cannot be sold, then oldest first; by symbol.
    """
    rows: list[dict[str, Any]] = []
    ended: list[dict[str, Any]] = []
    count = 0
    for held in held_lots(account, engine, now):
        count += held.lots.count
        rows.extend(_row(held, lot, now) for lot in _first(held))
        newest = list(held.lots.retired.values())[-ENDED_MOST:]
        ended.extend(_ended(held.symbol, lot) for lot in newest)
    rows.sort(key=lambda row: (not row["flagged"], row["status"] != "UNSELLABLE", row["bought_at"]))
    ended.sort(key=lambda row: row["ended_at"] or "", reverse=True)
    return {
        "open": rows[:SHOWN_MOST],
        "ended": ended[:ENDED_MOST],
        "more": max(count - SHOWN_MOST, 0),
    }


def _first(held: Held) -> Iterator[Lot]:
    """Lots of one symbol worth showing, each once."""
    names = dict.fromkeys(islice(held.lots.flags, SHOWN_MOST))
    if held.index is not None:
        names |= dict.fromkeys(held.index.unsellable[:SHOWN_MOST])
        names |= dict.fromkeys(name for _, name in held.index.ages[:SHOWN_MOST])
    else:
        oldest = sorted(every(held.lots), key=lambda lot: (lot.at, lot.trade_id))
        names |= dict.fromkeys(lot.trade_id for lot in oldest[:SHOWN_MOST])
    for name in names:
        lot = get(held.lots, name)
        if lot is not None:
            yield lot


def _row(held: Held, lot: Lot, now: TimeNs) -> dict[str, Any]:
    sell = held.selling.get(lot.trade_id)
    flag = held.lots.flags.get(lot.trade_id)
    offer = held.offer(lot)
    reason = FLAGGED[flag.mark] if flag is not None else ""
    if sell is not None:
        status = "SELL_PLACED"
    elif offer.reason:
        status, reason = "UNSELLABLE", offer.reason
    else:
        status = "WAITING_FOR_PROFIT"
        if not reason and lot.trade_id in held.refused:
            reason = "refused_by_venue"
    price = sell.slot.price if sell is not None else None
    return {
        "id": lot_name(held.symbol, lot.trade_id),
        "symbol": held.symbol,
        "quantity": number(lot.left),
        "buy_price": number(lot.price),
        "target": number(offer.target) if offer.target else None,
        "sell_price": number(price) if price is not None else None,
        "sell_order": sell.ctx_id if sell is not None else None,
        "status": status,
        "reason": reason or None,
        "flagged": waits_for_its_owner(flag),
        "bought_at": iso(lot.at),
        "age": max(now - lot.at, 0) // SECOND,
    }


def _ended(symbol: str, lot: Lot) -> dict[str, Any]:
    sold_at = lot.proceeds / lot.sold if lot.sold else None
    return {
        "id": lot_name(symbol, lot.trade_id),
        "symbol": symbol,
        "quantity": number(lot.sold or lot.quantity),
        "buy_price": number(lot.price),
        "sell_price": number(sold_at) if sold_at is not None else None,
        "status": lot.ended.value,
        "ended_at": iso(lot.ended_at),
        "held": max(lot.ended_at - lot.at, 0) // SECOND,
        "dust": number(lot.left) if lot.left else None,
    }
