"""Spot order contexts to requests: place, cancel, amend, cancel-replace. Lists stand in `lists_spot`.

Sources: binance-spot.md 2 (placing), 3 (cancel, cancel-replace, amend), binance.md 5 (ids). What cannot be
spelt is an `EncodeError`, raised before any byte exists. The requests fit `encode.ws_request` and
`encode.rest_request`.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Final

from backstay.binance.wire import endpoints_spot as endpoints
from backstay.binance.wire.encode import STP, Mutation, checked_symbol
from backstay.binance.wire.endpoints import Endpoint
from backstay.binance.wire.forms import EncodeError, Form, SpotHole, compile_form
from backstay.binance.wire.numbers import plain
from backstay.binance.wire.spot_words import PRICED, TIMED, TRIGGERED, SpotType, basis_points, type_of
from backstay.core.contexts import OrderContext
from backstay.core.slots import Slot
from backstay.core.types import OrderType, Side, TimeInForce

_FORMS: Final = 4096
_is_id: Final = re.compile(r"[a-zA-Z0-9_-]{1,36}").fullmatch
_TIF: Final = frozenset({TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK})


class SpotMutation(Mutation, frozen=True, gc=False):
    """`trigger` is the stop price, `callback_rate` the trailing distance in basis points."""

    label: str = ""
    """strategyId: the lot that the order sells."""

    def values(self, api_key: str, recv_window_ms: int, timestamp_ms: int) -> tuple[str | int, ...]:
        return (
            api_key,
            self.custom_id,
            self.price,
            self.quantity,
            recv_window_ms,
            self.trigger,
            self.label,
            timestamp_ms,
            self.callback_rate,
        )


# --- contexts to requests -------------------------------------------------------------------------------


def place(ctx: OrderContext) -> SpotMutation:
    """The request that places a context's slot. Raises EncodeError.

    `reduce_only`, `working_type` and `price_protect` have no meaning on spot and are not said. The SELL of
    one lot bears the lot for its label (strategyId), by which it is known again whatever was lost.
    """
    slot = ctx.slot
    try:
        checked_id(ctx.ctx_id)
        spot_type = spot_type_of(slot)
        form = _place_form(
            ctx.scope.symbol,
            slot.side,
            spot_type,
            slot.tif,
            slot.trigger is not None or slot.activate_price is not None,
            slot.callback_rate is not None,
            slot.one_lot > 0,
        )
        return _filled(form, ctx.ctx_id, slot, spot_type)
    except (ValueError, EncodeError) as error:
        raise _error(ctx, error) from None


def cancel(ctx: OrderContext) -> SpotMutation:
    """Cancel by order id where it is known (the fastest way), else by custom id. Raises EncodeError."""
    try:
        name = "orderId" if ctx.order_id else "origClientOrderId"
        form = _cancel_form(ctx.scope.symbol, name)
        return SpotMutation(form, str(ctx.order_id) if ctx.order_id else checked_id(ctx.ctx_id))
    except (ValueError, EncodeError) as error:
        raise _error(ctx, error) from None


def amend(ctx: OrderContext, price: Decimal, quantity: Decimal) -> SpotMutation:
    """A smaller *total* quantity at the same price (keep-priority), under the same custom id.

    Raises EncodeError for anything else: a new price or a larger size is another order (`replace`, or cancel
    and place). That the symbol allows amendments at all is the caller's to know.
    """
    try:
        slot = ctx.slot
        if slot.price is None or price != slot.price:
            raise EncodeError("spot amends no price; the order has to be replaced")
        if slot.quantity is not None and quantity >= slot.quantity + ctx.filled:
            raise EncodeError("spot amends a quantity downwards only; the order has to be replaced")
        fields = {
            "newClientOrderId": checked_id(ctx.ctx_id),
            "newQty": plain(quantity),
            "origClientOrderId": ctx.ctx_id,
            "symbol": checked_symbol(ctx.scope.symbol),
        }
        if ctx.order_id:
            del fields["origClientOrderId"]
            fields["orderId"] = str(ctx.order_id)
        return spelt(endpoints.WS_AMEND, endpoints.ORDER_AMEND, fields)
    except (ValueError, EncodeError) as error:
        raise _error(ctx, error) from None


def replace(old: OrderContext, new: OrderContext) -> SpotMutation:
    """Cancel `old` and place `new` in one request; nothing is placed when the cancel fails.

    Raises EncodeError, also for contexts of two symbols.
    """
    try:
        if old.scope.symbol != new.scope.symbol:
            raise EncodeError("cancel-replace works inside one symbol")
        place(new)
        fields = {
            "cancelReplaceMode": "STOP_ON_FAILURE",
            "newClientOrderId": checked_id(new.ctx_id),
            "newOrderRespType": "ACK",
            "selfTradePreventionMode": STP,
            "side": new.slot.side.value,
            "symbol": checked_symbol(new.scope.symbol),
            **leg_fields("", new.slot),
        }
        if old.order_id:
            fields["cancelOrderId"] = str(old.order_id)
        else:
            fields["cancelOrigClientOrderId"] = checked_id(old.ctx_id)
        return spelt(endpoints.WS_REPLACE, endpoints.ORDER_REPLACE, fields)
    except (ValueError, EncodeError) as error:
        raise _error(new, error) from None


# --- pieces ---------------------------------------------------------------------------------------------


def checked_id(custom_id: str) -> str:
    """Raises EncodeError for an id that spot would refuse; its alphabet is smaller than the futures'."""
    if _is_id(custom_id) is None:
        raise EncodeError("the custom id breaks the venue's pattern (1 to 36 of A-Z a-z 0-9 _ -)")
    return custom_id


def spot_type_of(slot: Slot) -> SpotType:
    """The venue's type of a slot, once all that it needs is there and nothing that it must not have.

    Raises EncodeError.
    """
    if slot.close_position:
        raise EncodeError("spot has no close_position; a quantity is needed")
    try:
        spot_type = type_of(slot.kind, slot.tif, activated=slot.activate_price is not None)
    except ValueError as error:
        raise EncodeError(str(error)) from None
    trailing = slot.kind is OrderType.TRAILING_STOP_MARKET
    _exactly("price", slot.kind, given=slot.price is not None, wanted=spot_type in PRICED)
    _exactly("quantity", slot.kind, given=slot.quantity is not None, wanted=True)
    _exactly(
        "trigger",
        slot.kind,
        given=slot.trigger is not None,
        wanted=spot_type in TRIGGERED and not trailing,
    )
    _exactly("callback_rate", slot.kind, given=slot.callback_rate is not None, wanted=trailing)
    if slot.activate_price is not None and not trailing:
        raise EncodeError(f"a {slot.kind} order takes no activate_price")
    if spot_type in TIMED and slot.tif not in _TIF:
        raise EncodeError(f"spot has no time in force {slot.tif} for a {slot.kind} order")
    return spot_type


def leg_fields(prefix: str, slot: Slot, *, sized: bool = True, maker: bool = False) -> dict[str, str]:
    """Type, price, stop price, distance, time in force and quantity of a slot, as `prefix` + parameter.

    `sized` False: the quantity is said elsewhere. `maker`: a LIMIT has to be a LIMIT_MAKER there.
    Raises EncodeError.
    """
    spot_type = spot_type_of(slot)
    if maker and spot_type is SpotType.LIMIT:
        spot_type = SpotType.LIMIT_MAKER
    fields = {"Type": spot_type.value}
    if slot.price is not None:
        fields["Price"] = plain(slot.price)
    stop = slot.trigger if slot.trigger is not None else slot.activate_price
    if stop is not None:
        fields["StopPrice"] = plain(stop)
    if slot.callback_rate is not None:
        fields["TrailingDelta"] = str(basis_points(slot.callback_rate))
    if spot_type in TIMED:
        fields["TimeInForce"] = slot.tif.value
    if sized and slot.quantity is not None:
        fields["Quantity"] = plain(slot.quantity)
    if prefix:
        return {prefix + name: value for name, value in fields.items()}
    return {name[0].lower() + name[1:]: value for name, value in fields.items()}


def spelt(ws_method: str, endpoint: Endpoint, fields: Mapping[str, str]) -> SpotMutation:
    """A request whose parameters are all known: too rare or too varied for a form of its own."""
    return SpotMutation(compile_form(ws_method, endpoint, fields, SpotHole), "")


def _exactly(what: str, kind: OrderType, *, given: bool, wanted: bool) -> None:
    if given is not wanted:
        raise EncodeError(f"{what} is missing" if wanted else f"this {kind} order takes no {what}")


def _error(ctx: OrderContext, error: Exception) -> EncodeError:
    return EncodeError(f"{ctx.scope} {ctx.slot.key} ({ctx.ctx_id!r}): {error}")


def _filled(form: Form, custom_id: str, slot: Slot, spot_type: SpotType) -> SpotMutation:
    stop = slot.trigger if slot.trigger is not None else slot.activate_price
    if slot.quantity is None:
        raise EncodeError("quantity is missing")
    return SpotMutation(
        form,
        custom_id,
        plain(slot.price) if spot_type in PRICED and slot.price is not None else "",
        plain(slot.quantity),
        "" if stop is None else plain(stop),
        "" if slot.callback_rate is None else str(basis_points(slot.callback_rate)),
        label=str(slot.one_lot) if slot.one_lot > 0 else "",
    )


@lru_cache(_FORMS)
def _place_form(
    symbol: str,
    side: Side,
    spot_type: SpotType,
    tif: TimeInForce,
    has_stop: bool,
    trails: bool,
    labelled: bool,
) -> Form:
    fields: dict[str, str | SpotHole] = {
        "newClientOrderId": SpotHole.CUSTOM_ID,
        "newOrderRespType": "ACK",
        "quantity": SpotHole.QUANTITY,
        "selfTradePreventionMode": STP,
        "side": side.value,
        "symbol": checked_symbol(symbol),
        "type": spot_type.value,
    }
    if spot_type in PRICED:
        fields["price"] = SpotHole.PRICE
    if spot_type in TIMED:
        fields["timeInForce"] = tif.value
    if has_stop:
        fields["stopPrice"] = SpotHole.STOP_PRICE
    if labelled:
        fields["strategyId"] = SpotHole.STRATEGY_ID
    if trails:
        fields["trailingDelta"] = SpotHole.TRAILING_DELTA
    return compile_form(endpoints.WS_PLACE, endpoints.ORDER_PLACE, fields, SpotHole)


@lru_cache(_FORMS)
def _cancel_form(symbol: str, name: str) -> Form:
    fields: dict[str, str | SpotHole] = {name: SpotHole.CUSTOM_ID, "symbol": checked_symbol(symbol)}
    return compile_form(endpoints.WS_CANCEL, endpoints.ORDER_CANCEL, fields, SpotHole)
