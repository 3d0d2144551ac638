"""Spot REST bodies to snapshots and rows.

Every function takes the bytes of one answer and raises `WireError` when they are not what the endpoint
promises: a snapshot is read whole or not at all, because a row that is left out would prove an absence.
Times of requests and answers are venue time in ns, given by the caller (exchange-state O-9).
Sources: binance-spot.md 2, 4, 5, 9, 10.
"""

from decimal import Decimal
from typing import Final

import msgspec

from backstay.binance.wire import instruments_spot
from backstay.binance.wire import rows_spot as rows
from backstay.binance.wire.answers import reads
from backstay.binance.wire.instruments_usdm import ExchangeInfo
from backstay.binance.wire.numbers import NUMBERS, optional
from backstay.binance.wire.spot_words import SIDES, kind_of, nanoseconds, tif_of
from backstay.core.events import (
    AccountModeSnapshot,
    BalanceRow,
    BalancesSnapshot,
    FillRow,
    FillsSnapshot,
    ListLeg,
    ListReport,
    OrderReport,
    OrdersSnapshot,
)
from backstay.core.types import (
    ZERO,
    ExecutionType,
    PositionMode,
    PositionSide,
    Product,
    TimeNs,
)

_SPOT: Final = Product.SPOT

# --- orders ---------------------------------------------------------------------------------------------

_EACH: Final = msgspec.json.Decoder(tuple[msgspec.Raw, ...])
_ORDER: Final = msgspec.json.Decoder(rows.Order)
_LISTS: Final = msgspec.json.Decoder(tuple[rows.OrderList, ...])
_LIST: Final = msgspec.json.Decoder(rows.OrderList)


@reads("openOrders")
def open_orders(
    body: bytes, *, requested_at: TimeNs, received_at: TimeNs, symbols: tuple[str, ...] = ()
) -> OrdersSnapshot:
    """GET openOrders; `symbols` is what was asked for (empty: all)."""
    return OrdersSnapshot(
        # Row by row: ten thousand of the wire's shapes at once would take megabytes more.
        rows=tuple(_order(_ORDER.decode(row)) for row in _EACH.decode(body)),
        requested_at=requested_at,
        received_at=received_at,
        symbols=symbols,
        product=_SPOT,
    )


@reads("allOrders")
def orders(body: bytes) -> tuple[OrderReport, ...]:
    """GET allOrders: orders of one symbol in any state."""
    return tuple(_order(_ORDER.decode(row)) for row in _EACH.decode(body))


@reads("order")
def order(body: bytes) -> OrderReport:
    """GET order: one order in any state."""
    return _order(_ORDER.decode(body))


@reads("openOrderList")
def open_lists(body: bytes) -> tuple[ListReport, ...]:
    """GET openOrderList."""
    return tuple(_list(row) for row in _LISTS.decode(body))


@reads("orderList")
def order_list(body: bytes) -> ListReport:
    """GET orderList: one list in any state."""
    return _list(_LIST.decode(body))


def _order(row: rows.Order) -> OrderReport:
    done = NUMBERS[row.executed_qty]
    return OrderReport(
        symbol=row.symbol,
        position_side=PositionSide.BOTH,
        order_id=row.order_id,
        client_id=row.client_order_id,
        side=row.side,
        kind=kind_of(row.type, row.trailing_delta),
        status=row.status,
        execution=ExecutionType.SNAPSHOT,
        quantity=NUMBERS[row.orig_qty],
        filled=done,
        at=nanoseconds(row.update_time or row.transact_time or row.time),
        price=optional(row.price),
        avg_price=optional(row.spent) / done if done else ZERO,
        trigger=optional(row.stop_price),
        tif=tif_of(row.type, row.time_in_force),
        expiry_reason=row.expiry_reason if row.expiry_reason != "NONE" else "",
        product=_SPOT,
        list_id=max(row.order_list_id, 0),
        trailing_delta=row.trailing_delta,
        prevented=optional(row.prevented_quantity),
        on_book=row.is_working,
        label=row.strategy_id,
    )


def _list(row: rows.OrderList) -> ListReport:
    return ListReport(
        symbol=row.symbol,
        list_id=row.order_list_id,
        client_id=row.list_client_order_id,
        contingency=row.contingency_type,
        change=row.list_status_type,
        status=row.list_order_status,
        at=nanoseconds(row.transaction_time),
        legs=tuple(ListLeg(leg.order_id, leg.client_order_id) for leg in row.orders),
    )


# --- balances, fills, fees ------------------------------------------------------------------------------

_ACCOUNT: Final = msgspec.json.Decoder(rows.Account)
_TRADES: Final = msgspec.json.Decoder(tuple[rows.Trade, ...])
_COMMISSION: Final = msgspec.json.Decoder(rows.Commission)


class Commission(msgspec.Struct, frozen=True):
    """What a trade in one symbol costs, as fractions of what is received (GET account/commission).

    Each rate is the sum over the families (standard, special, tax) of maker or taker and buyer or seller.
    """

    symbol: str
    buy_maker: Decimal
    buy_taker: Decimal
    sell_maker: Decimal
    sell_taker: Decimal
    standard_maker: Decimal
    """The part that a discount applies to."""
    standard_taker: Decimal
    discounted: bool = False
    """Paying with `discount_asset` is switched on for this account and symbol."""
    discount_asset: str = ""
    discount: Decimal = ZERO
    """As the venue prints it: documents disagree whether it is what is taken off or what is left."""

    @property
    def maker(self) -> Decimal:
        """The dearer side, without discount: a bound that holds whoever pays, and in what."""
        return max(self.buy_maker, self.sell_maker)

    @property
    def taker(self) -> Decimal:
        return max(self.buy_taker, self.sell_taker)


@reads("account")
def balances(body: bytes, *, requested_at: TimeNs, received_at: TimeNs) -> BalancesSnapshot:
    """GET account, its balances: `wallet` is free and locked together."""
    account = _ACCOUNT.decode(body)
    return BalancesSnapshot(
        rows=tuple(_balance(row) for row in account.balances),
        requested_at=requested_at,
        received_at=received_at,
        product=_SPOT,
        updated_at=nanoseconds(account.update_time),
    )


def _balance(row: rows.Balance) -> BalanceRow:
    free = NUMBERS[row.free]
    return BalanceRow(row.asset, free + NUMBERS[row.locked], free, available=free)


@reads("account")
def account_mode(body: bytes, fees: Commission | None, *, received_at: TimeNs) -> AccountModeSnapshot:
    """GET account, what it permits. Without `fees` the account's own rates stand for every symbol's."""
    row = _ACCOUNT.decode(body)
    rates = row.commission_rates
    maker, taker = (fees.maker, fees.taker) if fees is not None else (None, None)
    if fees is None and rates is not None:
        side = max(NUMBERS[rates.buyer], NUMBERS[rates.seller])
        maker, taker = NUMBERS[rates.maker] + side, NUMBERS[rates.taker] + side
    return AccountModeSnapshot(
        position_mode=PositionMode.ONE_WAY,
        received_at=received_at,
        can_trade=row.can_trade,
        maker_fee=maker,
        taker_fee=taker,
        product=_SPOT,
    )


@reads("account/commission")
def commission(body: bytes) -> Commission:
    """GET account/commission of one symbol."""
    row = _COMMISSION.decode(body)
    families = [f for f in (row.standard_commission, row.special_commission, row.tax_commission) if f]

    def rate(kind: str, side: str) -> Decimal:
        return sum((NUMBERS[getattr(f, kind)] + NUMBERS[getattr(f, side)] for f in families), ZERO)

    cut = row.discount or rows.Discount()
    return Commission(
        symbol=row.symbol,
        buy_maker=rate("maker", "buyer"),
        buy_taker=rate("taker", "buyer"),
        sell_maker=rate("maker", "seller"),
        sell_taker=rate("taker", "seller"),
        standard_maker=NUMBERS[row.standard_commission.maker],
        standard_taker=NUMBERS[row.standard_commission.taker],
        discounted=cut.enabled_for_account and cut.enabled_for_symbol,
        discount_asset=cut.discount_asset,
        discount=optional(cut.discount),
    )


@reads("myTrades")
def fills(body: bytes, *, symbol: str, requested_at: TimeNs, received_at: TimeNs) -> FillsSnapshot:
    """GET myTrades of one symbol, oldest first."""
    found = sorted(_TRADES.decode(body), key=lambda row: row.id)
    return FillsSnapshot(
        symbol=symbol,
        rows=tuple(_fill(row) for row in found),
        requested_at=requested_at,
        received_at=received_at,
        product=_SPOT,
    )


def _fill(row: rows.Trade) -> FillRow:
    return FillRow(
        symbol=row.symbol,
        position_side=PositionSide.BOTH,
        order_id=row.order_id,
        trade_id=row.id,
        side=SIDES[row.is_buyer],
        price=NUMBERS[row.price],
        quantity=NUMBERS[row.qty],
        at=nanoseconds(row.time),
        commission=optional(row.commission),
        commission_asset=row.commission_asset or "",
        maker=row.is_maker,
    )


# --- rules, clock, prices -------------------------------------------------------------------------------

_EXCHANGE_INFO: Final = msgspec.json.Decoder(rows.ExchangeInfo)
_TIME: Final = msgspec.json.Decoder(rows.ServerTime)
_PRICES: Final = msgspec.json.Decoder(rows.Price | tuple[rows.Price, ...])


@reads("exchangeInfo")
def exchange_info(body: bytes) -> ExchangeInfo:
    """GET exchangeInfo; symbols without usable rules are in `dropped`, with the reason."""
    return instruments_spot.read_exchange_info(_EXCHANGE_INFO.decode(body))


@reads("time")
def server_time(body: bytes) -> TimeNs:
    """GET time, in ns."""
    return nanoseconds(_TIME.decode(body).server_time)


@reads("ticker/price")
def prices(body: bytes) -> dict[str, Decimal]:
    """GET ticker/price of one symbol or of several: the last trade's price by symbol."""
    read = _PRICES.decode(body)
    found = read if isinstance(read, tuple) else (read,)
    return {row.symbol: NUMBERS[row.price] for row in found}
