"""Order lists of spot: OCO, OTO, OTOCO, and the end of a list.

A list is placed by one request and lives as separate orders, each under its own custom id; cancelling one leg
cancels all. Source: binance-spot.md 4.
"""

import msgspec

from backstay.binance.wire import endpoints_spot as endpoints
from backstay.binance.wire.encode import STP, checked_symbol
from backstay.binance.wire.encode_spot import SpotMutation, checked_id, leg_fields, spelt
from backstay.binance.wire.forms import EncodeError
from backstay.core.slots import Slot
from backstay.core.types import OrderType, Side

_PROFIT = frozenset({OrderType.LIMIT, OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_MARKET})
_LOSS = frozenset({OrderType.STOP, OrderType.STOP_MARKET, OrderType.TRAILING_STOP_MARKET})


class Leg(msgspec.Struct, frozen=True):
    """One order of a list."""

    slot: Slot
    client_id: str


def oco(symbol: str, list_id: str, one: Leg, other: Leg) -> SpotMutation:
    """Two orders of which one ends the other: a profit leg and a stop leg of the same side and size.

    `list_id` is our id of the list. Raises EncodeError.
    """
    fields = _head(symbol, list_id) | _pair("", one, other)
    fields["side"] = one.slot.side.value
    fields["quantity"] = _size(one)
    return spelt(endpoints.WS_OCO, endpoints.LIST_OCO, fields)


def oto(symbol: str, list_id: str, working: Leg, pending: Leg) -> SpotMutation:
    """An order that reaches the book when the first one is wholly filled. Raises EncodeError."""
    fields = _head(symbol, list_id) | _working(working)
    fields |= leg_fields("pending", pending.slot)
    fields["pendingSide"] = pending.slot.side.value
    fields["pendingClientOrderId"] = checked_id(pending.client_id)
    return spelt(endpoints.WS_OTO, endpoints.LIST_OTO, fields)


def otoco(symbol: str, list_id: str, working: Leg, one: Leg, other: Leg) -> SpotMutation:
    """An OCO that reaches the book when the first order is wholly filled. Raises EncodeError."""
    fields = _head(symbol, list_id) | _working(working) | _pair("pending", one, other)
    fields["pendingSide"] = one.slot.side.value
    fields["pendingQuantity"] = _size(one)
    return spelt(endpoints.WS_OTOCO, endpoints.LIST_OTOCO, fields)


def cancel_list(symbol: str, *, list_id: int = 0, client_id: str = "") -> SpotMutation:
    """Cancel a whole list, by the venue's id or by ours. Raises EncodeError when neither is given."""
    fields = {"symbol": checked_symbol(symbol)}
    if list_id:
        fields["orderListId"] = str(list_id)
    else:
        fields["listClientOrderId"] = checked_id(client_id)
    return spelt(endpoints.WS_LIST_CANCEL, endpoints.LIST_CANCEL, fields)


def _head(symbol: str, list_id: str) -> dict[str, str]:
    return {
        "listClientOrderId": checked_id(list_id),
        "newOrderRespType": "ACK",
        "selfTradePreventionMode": STP,
        "symbol": checked_symbol(symbol),
    }


def _working(leg: Leg) -> dict[str, str]:
    if leg.slot.kind is not OrderType.LIMIT:
        raise EncodeError(f"the working leg of a list is a LIMIT order, not {leg.slot.kind}")
    return {
        **leg_fields("working", leg.slot),
        "workingSide": leg.slot.side.value,
        "workingClientOrderId": checked_id(leg.client_id),
    }


def _pair(prefix: str, one: Leg, other: Leg) -> dict[str, str]:
    """Both legs as `above` and `below`: a SELL takes its profit above the market, a BUY below."""
    profit, loss = (one, other) if one.slot.kind in _PROFIT else (other, one)
    if profit.slot.kind not in _PROFIT or loss.slot.kind not in _LOSS:
        raise EncodeError(f"{one.slot.kind} and {other.slot.kind} are not a profit leg and a stop leg")
    if one.slot.side is not other.slot.side or one.slot.quantity != other.slot.quantity:
        raise EncodeError("the legs of an OCO have one side and one size")
    if one.client_id == other.client_id:
        raise EncodeError("each leg needs a custom id of its own")
    selling = one.slot.side is Side.SELL
    _check_levels(profit.slot, loss.slot, selling=selling)
    names = ("Above", "Below") if selling else ("Below", "Above")
    fields: dict[str, str] = {}
    for name, leg in zip(names, (profit, loss), strict=True):
        start = prefix + name if prefix else name.lower()
        fields |= leg_fields(start, leg.slot, sized=False, maker=True)
        fields[f"{start}ClientOrderId"] = checked_id(leg.client_id)
    return fields


def _check_levels(profit: Slot, loss: Slot, *, selling: bool) -> None:
    """The profit leg lies beyond the stop leg; a trail without a price lies anywhere."""
    level = profit.price if profit.kind is OrderType.LIMIT else profit.trigger
    stop = loss.trigger
    if level is None or stop is None:
        return
    if (level <= stop) if selling else (level >= stop):
        raise EncodeError(f"the profit leg at {level} and the stop leg at {stop} are on the wrong sides")


def _size(leg: Leg) -> str:
    size = leg_fields("", leg.slot).get("quantity")
    if size is None:
        raise EncodeError("quantity is missing")
    return size
