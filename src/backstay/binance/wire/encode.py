"""Order contexts to requests: which surface, which parameters, which bytes.

Sources: binance-usdm.md 2 (regular orders), 3 (conditional orders), 5 (WebSocket API); binance.md 3
(what is signed) and 5 (ids). A context says what we meant; here it is only spelt, never changed: what
cannot be spelt is an `EncodeError`, raised before any byte exists.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from enum import IntEnum
from functools import lru_cache
from typing import Final
from urllib.parse import quote

import msgspec

from backstay.binance.wire import endpoints
from backstay.binance.wire.endpoints import Endpoint
from backstay.binance.wire.forms import EncodeError, Form, Hole, compile_form
from backstay.binance.wire.numbers import plain
from backstay.binance.wire.sign import Signer, WsValue
from backstay.core.contexts import OrderContext
from backstay.core.types import (
    CONDITIONAL,
    OrderType,
    PositionMode,
    PositionSide,
    Side,
    Surface,
    TimeInForce,
    WorkingType,
)

STP: Final = "EXPIRE_MAKER"
"""Self-trade prevention; the venue's default differs by endpoint, so it is always said."""

_FORMS: Final = 4096
_is_id: Final = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}").fullmatch


class Mutation(msgspec.Struct, frozen=True, gc=False):
    """One order request before it is signed; it fits both transports."""

    form: Form
    custom_id: str
    price: str = ""
    quantity: str = ""
    trigger: str = ""
    callback_rate: str = ""
    activate_price: str = ""

    @property
    def ws_method(self) -> str:
        return self.form.ws_method

    @property
    def endpoint(self) -> Endpoint:
        """Method, path, weight and order count of the REST form; both transports cost the same."""
        return self.form.endpoint

    @property
    def params(self) -> tuple[tuple[str, str], ...]:
        """(name, value) pairs, sorted by name, without what authentication adds: fit for a log."""
        values = self.values("", 0, 0)
        return tuple(
            (name, str(values[value]) if isinstance(value, IntEnum) else value)
            for name, value in self.form.fields
        )

    def values(self, api_key: str, recv_window_ms: int, timestamp_ms: int) -> tuple[str | int, ...]:
        return (
            self.activate_price,
            api_key,
            self.callback_rate,
            self.custom_id,
            self.price,
            self.quantity,
            recv_window_ms,
            timestamp_ms,
            self.trigger,
        )


class RestRequest(msgspec.Struct, frozen=True):
    method: str
    target: str
    """Path and signed query; the body stays empty, the key goes into the header."""

    def __repr__(self) -> str:
        return f"RestRequest({self.method} {self.target.partition('?')[0]})"


# --- contexts to parameters -----------------------------------------------------------------------------


def place(ctx: OrderContext, position_mode: PositionMode) -> Mutation:
    """The request that places a context's slot: LIMIT and MARKET as an order, the rest as an algo order.

    One-way: positionSide BOTH, reduceOnly when the slot says so. Hedge: the scope's side and never
    reduceOnly, which the venue refuses there. Raises EncodeError.
    """
    slot = ctx.slot
    scope = ctx.scope
    price, quantity, trigger = slot.price, slot.quantity, slot.trigger
    rate, activate = slot.callback_rate, slot.activate_price
    custom_id = ctx.ctx_id
    try:
        form = _place_form(
            slot.kind,
            slot.side,
            scope.symbol,
            scope.position_side,
            position_mode,
            slot.working_type,
            slot.tif,
            slot.reduce_only,
            slot.close_position,
            slot.price_protect,
            price is not None,
            quantity is not None,
            trigger is not None,
            rate is not None,
            activate is not None,
        )
        if _is_id(custom_id) is None:
            raise EncodeError(_BAD_ID)
        return Mutation(
            form,
            custom_id,
            "" if price is None else plain(price),
            "" if quantity is None else plain(quantity),
            "" if trigger is None else plain(trigger),
            "" if rate is None else plain(rate),
            "" if activate is None else plain(activate),
        )
    except ValueError as error:
        raise _error(ctx, error) from None


def amend(ctx: OrderContext, price: Decimal, quantity: Decimal) -> Mutation:
    """New price and new *total* quantity of a resting LIMIT order; the venue wants both, and the side.

    Raises EncodeError, also for a conditional order: those cannot be amended (exchange-state 4.3).
    """
    try:
        if ctx.slot.kind is not OrderType.LIMIT:
            raise EncodeError(f"a {ctx.slot.kind} order cannot be amended, only replaced")
        if _is_id(ctx.ctx_id) is None:
            raise EncodeError(_BAD_ID)
        form = _amend_form(ctx.scope.symbol, ctx.slot.side)
        return Mutation(form, ctx.ctx_id, plain(price), plain(quantity))
    except ValueError as error:
        raise _error(ctx, error) from None


def cancel(ctx: OrderContext, surface: Surface | None = None) -> Mutation:
    """Cancel by custom id on `surface`: the context's own when None, REGULAR for the regular order that a
    triggered conditional order became (it carries the same id). Raises EncodeError.
    """
    try:
        if _is_id(ctx.ctx_id) is None:
            raise EncodeError(_BAD_ID)
        form = _cancel_form(ctx.scope.symbol, ctx.surface if surface is None else surface)
        return Mutation(form, ctx.ctx_id)
    except ValueError as error:
        raise _error(ctx, error) from None


_BAD_ID: Final = "the custom id breaks the venue's pattern (1 to 36 of A-Z a-z 0-9 . : / _ -)"


def _error(ctx: OrderContext, error: ValueError) -> EncodeError:
    return EncodeError(f"{ctx.scope} {ctx.slot.key} ({ctx.ctx_id!r}): {error}")


# --- forms ----------------------------------------------------------------------------------------------


@lru_cache(_FORMS)
def _place_form(
    kind: OrderType,
    side: Side,
    symbol: str,
    position_side: PositionSide,
    mode: PositionMode,
    working_type: WorkingType,
    tif: TimeInForce,
    reduce_only: bool,
    close_position: bool,
    price_protect: bool,
    has_price: bool,
    has_quantity: bool,
    has_trigger: bool,
    has_rate: bool,
    has_activate: bool,
) -> Form:
    """Rules of binance-usdm.md 2 and 3 on which parameters go together. Raises EncodeError."""
    limit = kind in {OrderType.LIMIT, OrderType.STOP, OrderType.TAKE_PROFIT}
    algo = kind in CONDITIONAL
    trailing = kind is OrderType.TRAILING_STOP_MARKET
    _exactly("price", kind, given=has_price, wanted=limit)
    _exactly("quantity", kind, given=has_quantity, wanted=not close_position)
    _exactly("trigger", kind, given=has_trigger, wanted=algo and not trailing)
    _exactly("callback_rate", kind, given=has_rate, wanted=trailing)
    if has_activate and not trailing:
        raise EncodeError(f"a {kind} order takes no activate_price")
    _check_kind(kind, side, position_side, mode, close_position=close_position)
    fields: dict[str, str | Hole] = {
        "newOrderRespType": "ACK",
        "positionSide": position_side.value,
        "selfTradePreventionMode": STP,
        "side": side.value,
        "symbol": checked_symbol(symbol),
        "type": kind.value,
        "clientAlgoId" if algo else "newClientOrderId": Hole.CUSTOM_ID,
    }
    if limit:
        fields |= {"price": Hole.PRICE, "timeInForce": tif.value}
    if close_position:
        fields["closePosition"] = "true"
    else:
        fields["quantity"] = Hole.QUANTITY
    # close_position implies it, and the venue refuses both together.
    if reduce_only and mode is PositionMode.ONE_WAY and not close_position:
        fields["reduceOnly"] = "true"
    if not algo:
        return compile_form(endpoints.WS_PLACE, endpoints.ORDER_PLACE, fields, Hole)
    fields |= {"algoType": "CONDITIONAL", "workingType": working_type.value}
    if price_protect:
        fields["priceProtect"] = "true"
    if has_activate:
        fields["activatePrice"] = Hole.ACTIVATE_PRICE
    if trailing:
        fields["callbackRate"] = Hole.CALLBACK_RATE
    else:
        fields["triggerPrice"] = Hole.TRIGGER_PRICE
    return compile_form(endpoints.WS_ALGO_PLACE, endpoints.ALGO_PLACE, fields, Hole)


def _check_kind(
    kind: OrderType, side: Side, position_side: PositionSide, mode: PositionMode, *, close_position: bool
) -> None:
    if kind not in CONDITIONAL and kind not in {OrderType.LIMIT, OrderType.MARKET}:
        raise EncodeError(f"nobody can place a {kind} order")
    if (position_side is PositionSide.BOTH) is not (mode is PositionMode.ONE_WAY):
        raise EncodeError(f"position side {position_side} does not exist in {mode} mode")
    if not close_position:
        return
    if kind not in {OrderType.STOP_MARKET, OrderType.TAKE_PROFIT_MARKET}:
        raise EncodeError(f"close_position does not go with {kind}")
    opening = {PositionSide.LONG: Side.BUY, PositionSide.SHORT: Side.SELL}.get(position_side)
    if side is opening:
        raise EncodeError(f"close_position cannot {side} on {position_side}")


def _exactly(what: str, kind: OrderType, *, given: bool, wanted: bool) -> None:
    if given is not wanted:
        raise EncodeError(f"{what} is missing" if wanted else f"this {kind} order takes no {what}")


@lru_cache(_FORMS)
def _amend_form(symbol: str, side: Side) -> Form:
    fields: dict[str, str | Hole] = {
        "origClientOrderId": Hole.CUSTOM_ID,
        "price": Hole.PRICE,
        "quantity": Hole.QUANTITY,
        "side": side.value,
        "symbol": checked_symbol(symbol),
    }
    return compile_form(endpoints.WS_MODIFY, endpoints.ORDER_MODIFY, fields, Hole)


@lru_cache(_FORMS)
def _cancel_form(symbol: str, surface: Surface) -> Form:
    fields: dict[str, str | Hole] = {"clientAlgoId": Hole.CUSTOM_ID}
    if surface is Surface.ALGO:
        return compile_form(endpoints.WS_ALGO_CANCEL, endpoints.ALGO_CANCEL, fields, Hole)
    fields = {"origClientOrderId": Hole.CUSTOM_ID, "symbol": checked_symbol(symbol)}
    return compile_form(endpoints.WS_CANCEL, endpoints.ORDER_CANCEL, fields, Hole)


def checked_symbol(symbol: str) -> str:
    """Symbols may hold letters of any script, and nothing that JSON would escape."""
    if not symbol or not all(char.isalnum() or char in "_-." for char in symbol):
        raise EncodeError(f"{symbol!r} is not a symbol of the venue")
    return symbol


# --- parameters to bytes --------------------------------------------------------------------------------


def ws_request(
    mutation: Mutation, request_id: str, signer: Signer | None, timestamp_ms: int, recv_window_ms: int
) -> bytes:
    """The WebSocket API frame of a mutation.

    `signer` None: the connection is logged on, so neither key nor signature are sent. `request_id` must
    need no JSON escaping (letters, digits, dashes).
    """
    form = mutation.form
    if signer is None:
        return (form.bare % (request_id, *mutation.values("", recv_window_ms, timestamp_ms))).encode()
    values = mutation.values(signer.api_key, recv_window_ms, timestamp_ms)
    return (form.frame % (request_id, *values, signer.sign(form.signed % values))).encode()


def ws_call(method: str, params: Mapping[str, WsValue], request_id: str) -> bytes:
    """Any other WebSocket API frame: `session.logon` with `sign.logon_params`, `ping`, `time` ..."""
    return msgspec.json.encode({"id": request_id, "method": method, "params": dict(params)})


def rest_request(mutation: Mutation, signer: Signer, timestamp_ms: int, recv_window_ms: int) -> RestRequest:
    """The REST form of a mutation: everything in the query string, also for POST and PUT (binance.md 3)."""
    encoded = msgspec.structs.replace(mutation, custom_id=quote(mutation.custom_id, safe=""))
    query = mutation.form.query % encoded.values("", recv_window_ms, timestamp_ms)
    endpoint = mutation.form.endpoint
    return RestRequest(endpoint.method, f"{endpoint.path}?{signer.sign_rest(query)}")


def rest_read(
    endpoint: Endpoint,
    params: Mapping[str, WsValue],
    signer: Signer | None = None,
    timestamp_ms: int = 0,
    recv_window_ms: int = 5000,
) -> RestRequest:
    """A read (or a listen-key call); signed when the endpoint asks for it.

    Raises EncodeError when a signed endpoint gets no signer.
    """
    if not endpoint.signed:
        query = _query(params)
        return RestRequest(endpoint.method, f"{endpoint.path}?{query}" if query else endpoint.path)
    if signer is None:
        raise EncodeError(f"{endpoint.method} {endpoint.path} is signed and needs a key")
    query = _query({**params, "recvWindow": recv_window_ms, "timestamp": timestamp_ms})
    return RestRequest(endpoint.method, f"{endpoint.path}?{signer.sign_rest(query)}")


def _query(params: Mapping[str, WsValue]) -> str:
    return "&".join(f"{name}={quote(str(value), safe='')}" for name, value in params.items())
