"""Rows of `trade_pairs`: the lots of spot that a record opened, changed, offered or ended.

Who sells a lot follows from the managers of its run, which stand in the ledger (`RunStarted`). What swing
would sell it for is worked out by its own functions; what another strategy wants for it is known once its
SELL is placed. Only lots that a record touches are looked at: there may be ten thousand others.
"""

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import msgspec

from backstay.core.contexts import TERMINAL, OrderContext
from backstay.core.instruments import Instrument
from backstay.core.lots import Ended, Lot, Lots, changed, every, get
from backstay.core.lots_view import SPOT_FEE
from backstay.core.names import lot_name
from backstay.core.records import Record
from backstay.core.state import AccountState, ScopeState
from backstay.core.types import ZERO, Product
from backstay.ledger.projections.changes import Put
from backstay.ledger.projections.order_rows import order_key, touched_names
from backstay.strategies.by_lot import sellable
from backstay.strategies.swing.offers import Offer, Rules, offer
from backstay.strategies.swing.policy import SwingPolicy
from backstay.strategies.swing.states import FLAGGED, LotStatus

UNMANAGED = "UNMANAGED"
"""No manager sells lots of the symbol."""


class Seller(msgspec.Struct, frozen=True):
    """Who sells the lots of a symbol, and by which rules."""

    instrument: Instrument
    rules: Rules | None
    """Swing's; None: another strategy's, which are its own."""


@lru_cache(maxsize=64)
def _policies(managers: str) -> dict[str, SwingPolicy | None]:
    """Symbol -> swing's policy, or None for another strategy by lot, from `RunStarted.managers`."""
    found: dict[str, SwingPolicy | None] = {}
    for entry in json.loads(managers):
        if entry["strategy"] == "swing":
            policy = msgspec.convert(entry["policy"], SwingPolicy)
            found |= dict.fromkeys(entry["symbols"], policy)
        elif entry.get("by_lot"):
            found |= dict.fromkeys(entry["symbols"])
    return found


def is_by_lot(account: AccountState, symbol: str) -> bool:
    """A manager of this run sells the symbol's lots one by one."""
    return account.run is not None and symbol in _policies(account.run.managers)


def seller(account: AccountState, symbol: str) -> Seller | None:
    """Who sells the symbol's lots in this run; None: nobody, or its filters are not known yet."""
    if account.run is None:
        return None
    policies, instrument = _policies(account.run.managers), account.instruments.get(symbol)
    if instrument is None or not instrument.tick or symbol not in policies:
        return None
    policy = policies[symbol]
    return Seller(instrument, _rules(account, instrument, policy) if policy is not None else None)


def _rules(account: AccountState, instrument: Instrument, policy: SwingPolicy) -> Rules:
    maker = account.maker_fee if account.maker_fee is not None else SPOT_FEE
    taker = account.taker_fee if account.taker_fee is not None else SPOT_FEE
    fee_sell = policy.fee_sell if policy.fee_sell is not None else max(maker, taker)
    return Rules(instrument, policy.profit, maker, taker, fee_sell, policy.max_sell_value, policy.fee_assets)


def _offer(lot: Lot, sale: OrderContext | None, by: Seller) -> Offer:
    if by.rules is not None:
        return offer(lot, by.rules)
    quantity, reason = sellable(lot, by.instrument)
    asked = sale.slot.price if sale is not None and _lives(sale) else None
    return Offer(lot.trade_id, asked or ZERO, quantity, reason)


def pair_puts(before: AccountState, record: Record, after: AccountState) -> Iterator[Put]:
    """The pairs that a record changed, in every spot symbol."""
    facts_same = (
        before.run is after.run
        and before.instruments is after.instruments
        and before.maker_fee is after.maker_fee
        and before.taker_fee is after.taker_fee
    )
    for key, s in after.scopes.items():
        if key.product is not Product.SPOT or s.lots is None:
            continue
        was = before.scopes.get(key) or ScopeState(scope=key)
        if was is s and facts_same:
            continue
        by = seller(after, key.symbol)
        anew = not facts_same and by != seller(before, key.symbol)
        yield from _of_scope(was, record, s, by, anew=anew)


def _of_scope(
    before: ScopeState, record: Record, s: ScopeState, by: Seller | None, *, anew: bool
) -> Iterator[Put]:
    lots = s.lots
    if lots is None:
        return
    names = touched_names(record.body, before, s) if before.contexts is not s.contexts else []
    sales = {
        trade_id: ctx
        for name in names
        if (ctx := s.contexts.get(name)) is not None
        for trade_id in ctx.slot.lots
    }
    touched = {lot.trade_id: lot for lot in changed(before.lots, lots)}
    wanted = set(sales) | _flagged(before.lots, lots) | _refused(before, s)
    if anew:
        wanted |= {lot.trade_id for lot in every(lots)}
    for trade_id in wanted - set(touched):
        lot = get(lots, trade_id) or lots.retired.get(trade_id)
        if lot is not None:
            touched[trade_id] = lot
    unknown = [t for t in touched if t not in sales and before.lots is not None and get(before.lots, t)]
    if unknown:
        sales = {t: ctx for ctx in s.contexts.values() for t in ctx.slot.lots if _lives(ctx)} | sales
    for trade_id in sorted(touched):
        yield _pair(touched[trade_id], sales.get(trade_id), record, s, by)


def _lives(ctx: OrderContext) -> bool:
    return ctx.phase not in TERMINAL


def _flagged(before: Lots | None, lots: Lots) -> set[int]:
    was = before.flags if before is not None else {}
    if was is lots.flags:
        return set()
    return {t for t in {*was, *lots.flags} if was.get(t) != lots.flags.get(t)}


def _refused(before: ScopeState, s: ScopeState) -> set[int]:
    if before.blocks is s.blocks:
        return set()
    return _blocked(before) ^ _blocked(s)


def _blocked(s: ScopeState) -> set[int]:
    return {b.key.step for b in s.blocks if b.by_lot and b.key is not None}


def _pair(lot: Lot, sale: OrderContext | None, record: Record, s: ScopeState, by: Seller | None) -> Put:
    made = _offer(lot, sale, by) if by is not None and lot.ended is Ended.NO else None
    status, reason = _standing(lot, sale, s, made)
    values: dict[str, Any] = {
        "sold": lot.sold,
        "status": status,
        "reason": reason or None,
        "updated_at": record.at,
        "seq": record.seq,
    }
    if sale is not None:
        row = s.orders.get(sale.order_id)
        values["sell_order_id"] = sale.ctx_id
        values["sell_price"] = (row.price if row is not None else sale.slot.price) or None
    if made is not None:
        values["target_profit_price"] = made.target or None
        values["sellable"] = lot.sold + made.quantity if made.quantity else None
        values["dust"] = lot.left - made.quantity if made.quantity else None
    if lot.ended is not Ended.NO:
        values["dust"] = lot.left
        values["sold_at"] = lot.ended_at or None
        if lot.sold:
            values["sell_price"] = lot.proceeds / lot.sold
    first = {
        "product": s.scope.product.value,
        "symbol": s.scope.symbol,
        "trade_id": lot.trade_id,
        "buy_order_id": order_key(lot.order_id, s),
        "original_buy_id": lot.order_id,
        "buy_price": lot.price,
        "quantity": lot.quantity,
        "received": lot.received,
        "bought_at": lot.at,
        "created_at": record.at,
    }
    return Put("trade_pairs", lot_name(s.scope.symbol, lot.trade_id), values, first)


def _standing(lot: Lot, sale: OrderContext | None, s: ScopeState, made: Offer | None) -> tuple[str, str]:
    """(status, reason), as `strategies.swing.states.lot_state` says it."""
    if lot.ended is not Ended.NO:
        return lot.ended.value, ""
    flag = s.lots.flags.get(lot.trade_id) if s.lots is not None else None
    reason = FLAGGED[flag.mark] if flag is not None else ""
    if sale is not None and _lives(sale):
        return LotStatus.SELL_PLACED.value, reason
    if made is None:
        return UNMANAGED, reason
    if made.reason:
        return LotStatus.UNSELLABLE.value, made.reason
    if not reason and lot.trade_id in _blocked(s):
        reason = "refused_by_venue"
    return LotStatus.WAITING_FOR_PROFIT.value, reason
