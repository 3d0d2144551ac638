"""REST bodies to snapshots and rows, WebSocket API frames to answers.

Every function takes the bytes of one answer and raises `WireError` when they are not what the endpoint
promises: a snapshot is read whole or not at all, because a row that is left out would prove an absence.
Times of requests and answers are venue time in ns, given by the caller (exchange-state O-9).
Sources: binance-usdm.md 2, 3, 7, 8.
"""

from decimal import Decimal
from typing import Final

import msgspec

from backstay.binance.wire import answers, instruments_usdm
from backstay.binance.wire import rows_usdm as rows
from backstay.binance.wire.answers import Ack, ErrorBody, WsAnswer, reads
from backstay.binance.wire.instruments_usdm import Dropped, ExchangeInfo, RateLimit
from backstay.binance.wire.numbers import NUMBERS, exact_id, optional
from backstay.core.events import (
    AccountModeSnapshot,
    AlgoReport,
    AlgosSnapshot,
    BalanceRow,
    BalancesSnapshot,
    FillRow,
    FillsSnapshot,
    LeverageRow,
    OrderReport,
    OrdersSnapshot,
    PositionRow,
    PositionsSnapshot,
)
from backstay.core.types import MS, ExecutionType, PositionMode, TimeNs

__all__ = [
    "Ack",
    "AccountConfig",
    "Dropped",
    "ErrorBody",
    "ExchangeInfo",
    "Fees",
    "MarkRow",
    "RateLimit",
    "WsAnswer",
    "account_config",
    "account_mode",
    "ack",
    "algo",
    "algos",
    "balances",
    "commission_rate",
    "error_body",
    "exchange_info",
    "fills",
    "listen_key",
    "open_algos",
    "open_orders",
    "order",
    "orders",
    "positions",
    "premium_index",
    "server_time",
    "symbol_config",
    "ws_answer",
]

ack = answers.read_ack
ws_answer = answers.read_ws_answer
error_body = answers.read_error


# --- orders ---------------------------------------------------------------------------------------------

_ORDERS: Final = msgspec.json.Decoder(tuple[rows.Order, ...])
_ORDER: Final = msgspec.json.Decoder(rows.Order)
_ALGOS: Final = msgspec.json.Decoder(tuple[rows.Algo, ...])
_ALGO: Final = msgspec.json.Decoder(rows.Algo)


@reads("openOrders")
def open_orders(
    body: bytes, *, requested_at: TimeNs, received_at: TimeNs, symbols: tuple[str, ...] = ()
) -> OrdersSnapshot:
    """GET openOrders; `symbols` is what was asked for (empty: all)."""
    return OrdersSnapshot(
        rows=tuple(_order(row) for row in _ORDERS.decode(body)),
        requested_at=requested_at,
        received_at=received_at,
        symbols=symbols,
    )


@reads("allOrders")
def orders(body: bytes) -> tuple[OrderReport, ...]:
    """GET allOrders: regular orders in any state."""
    return tuple(_order(row) for row in _ORDERS.decode(body))


@reads("order")
def order(body: bytes) -> OrderReport:
    """GET order: one regular order in any state."""
    return _order(_ORDER.decode(body))


@reads("openAlgoOrders")
def open_algos(
    body: bytes, *, requested_at: TimeNs, received_at: TimeNs, symbols: tuple[str, ...] = ()
) -> AlgosSnapshot:
    """GET openAlgoOrders."""
    return AlgosSnapshot(
        rows=tuple(_algo(row) for row in _ALGOS.decode(body)),
        requested_at=requested_at,
        received_at=received_at,
        symbols=symbols,
    )


@reads("allAlgoOrders")
def algos(body: bytes) -> tuple[AlgoReport, ...]:
    """GET allAlgoOrders: conditional orders in any state."""
    return tuple(_algo(row) for row in _ALGOS.decode(body))


@reads("algoOrder")
def algo(body: bytes) -> AlgoReport:
    """GET algoOrder: one conditional order in any state."""
    return _algo(_ALGO.decode(body))


def _order(row: rows.Order) -> OrderReport:
    return OrderReport(
        symbol=row.symbol,
        position_side=row.position_side,
        order_id=row.order_id,
        client_id=row.client_order_id,
        side=row.side,
        kind=row.type,
        status=row.status,
        execution=ExecutionType.SNAPSHOT,
        quantity=NUMBERS[row.orig_qty],
        filled=NUMBERS[row.executed_qty],
        at=(row.update_time or row.time) * MS,
        price=optional(row.price),
        avg_price=optional(row.avg_price),
        trigger=optional(row.stop_price),
        tif=row.time_in_force,
        reduce_only=row.reduce_only,
        close_position=row.close_position,
        working_type=row.working_type,
    )


def _algo(row: rows.Algo) -> AlgoReport:
    return AlgoReport(
        symbol=row.symbol,
        position_side=row.position_side,
        algo_id=row.algo_id,
        client_id=row.client_algo_id,
        side=row.side,
        kind=row.order_type,
        status=row.algo_status,
        quantity=optional(row.quantity),
        at=(row.update_time or row.create_time) * MS,
        trigger=optional(row.trigger_price),
        price=optional(row.price),
        child_order_id=exact_id(row.actual_order_id),
        executed=optional(row.actual_qty),
        avg_price=optional(row.actual_price),
        tif=row.time_in_force,
        working_type=row.working_type,
        close_position=row.close_position,
        reduce_only=row.reduce_only,
        price_protect=row.price_protect,
        callback_rate=NUMBERS[row.callback_rate] if row.callback_rate else None,
        activate_price=NUMBERS[row.activate_price] if row.activate_price else None,
        activated=row.is_activated,
        snapshot=True,
    )


# --- positions, balances, fills -------------------------------------------------------------------------

_POSITIONS: Final = msgspec.json.Decoder(tuple[rows.Position, ...])
_BALANCES: Final = msgspec.json.Decoder(tuple[rows.Balance, ...])
_TRADES: Final = msgspec.json.Decoder(tuple[rows.Trade, ...])


@reads("positionRisk")
def positions(
    body: bytes, *, requested_at: TimeNs, received_at: TimeNs, symbols: tuple[str, ...] = ()
) -> PositionsSnapshot:
    """GET positionRisk v3 (v2 is understood too).

    v3 states no margin type: a row with an isolated wallet is isolated.
    """
    return PositionsSnapshot(
        rows=tuple(_position(row) for row in _POSITIONS.decode(body)),
        requested_at=requested_at,
        received_at=received_at,
        symbols=symbols,
    )


@reads("balance")
def balances(body: bytes, *, requested_at: TimeNs, received_at: TimeNs) -> BalancesSnapshot:
    """GET balance v3."""
    return BalancesSnapshot(
        rows=tuple(
            BalanceRow(
                row.asset,
                NUMBERS[row.balance],
                NUMBERS[row.cross_wallet_balance],
                available=NUMBERS[row.available_balance] if row.available_balance else None,
            )
            for row in _BALANCES.decode(body)
        ),
        requested_at=requested_at,
        received_at=received_at,
    )


@reads("userTrades")
def fills(body: bytes, *, symbol: str, requested_at: TimeNs, received_at: TimeNs) -> FillsSnapshot:
    """GET userTrades of one symbol; the commission is its size, whatever sign the venue gives it."""
    return FillsSnapshot(
        symbol=symbol,
        rows=tuple(
            FillRow(
                symbol=row.symbol,
                position_side=row.position_side,
                order_id=row.order_id,
                trade_id=row.id,
                side=row.side,
                price=NUMBERS[row.price],
                quantity=NUMBERS[row.qty],
                at=row.time * MS,
                commission=abs(optional(row.commission)),
                commission_asset=row.commission_asset,
                realized_pnl=optional(row.realized_pnl),
                maker=row.maker,
            )
            for row in _TRADES.decode(body)
        ),
        requested_at=requested_at,
        received_at=received_at,
    )


def _position(row: rows.Position) -> PositionRow:
    wallet = optional(row.isolated_wallet)
    return PositionRow(
        symbol=row.symbol,
        position_side=row.position_side,
        quantity=NUMBERS[row.position_amt],
        entry_price=NUMBERS[row.entry_price],
        break_even=optional(row.break_even_price),
        unrealized=optional(row.un_realized_profit),
        isolated=_isolated(row.margin_type) if row.margin_type else bool(wallet),
        isolated_wallet=wallet,
        liquidation_price=optional(row.liquidation_price),
        mark_price=optional(row.mark_price),
        updated_at=row.update_time * MS,
    )


def _isolated(margin_type: str) -> bool:
    """REST writes ISOLATED and CROSSED (symbolConfig), isolated and cross (positionRisk v2)."""
    known = {"isolated": True, "cross": False, "crossed": False}.get(margin_type.lower())
    if known is None:
        raise ValueError(f"{margin_type[:20]!r} is not a margin type")
    return known


# --- rules and account mode -----------------------------------------------------------------------------

_EXCHANGE_INFO: Final = msgspec.json.Decoder(rows.ExchangeInfo)
_ACCOUNT_CONFIG: Final = msgspec.json.Decoder(rows.AccountConfig)
_SYMBOL_CONFIG: Final = msgspec.json.Decoder(tuple[rows.SymbolConfig, ...])
_COMMISSION: Final = msgspec.json.Decoder(rows.CommissionRate)


class AccountConfig(msgspec.Struct, frozen=True):
    position_mode: PositionMode
    multi_assets: bool
    can_trade: bool


class Fees(msgspec.Struct, frozen=True):
    """Commission rates as fractions of the notional."""

    symbol: str
    maker: Decimal
    taker: Decimal


@reads("exchangeInfo")
def exchange_info(body: bytes) -> ExchangeInfo:
    """GET exchangeInfo; symbols without usable rules are in `dropped`, with the reason."""
    return instruments_usdm.read_exchange_info(_EXCHANGE_INFO.decode(body))


@reads("accountConfig")
def account_config(body: bytes) -> AccountConfig:
    """GET accountConfig."""
    row = _ACCOUNT_CONFIG.decode(body)
    return AccountConfig(
        position_mode=PositionMode.HEDGE if row.dual_side_position else PositionMode.ONE_WAY,
        multi_assets=row.multi_assets_margin,
        can_trade=row.can_trade,
    )


@reads("symbolConfig")
def symbol_config(body: bytes) -> tuple[LeverageRow, ...]:
    """GET symbolConfig: leverage and margin type per symbol."""
    return tuple(
        LeverageRow(row.symbol, int(row.leverage), _isolated(row.margin_type))
        for row in _SYMBOL_CONFIG.decode(body)
    )


@reads("commissionRate")
def commission_rate(body: bytes) -> Fees:
    """GET commissionRate of one symbol."""
    row = _COMMISSION.decode(body)
    return Fees(row.symbol, NUMBERS[row.maker_commission_rate], NUMBERS[row.taker_commission_rate])


def account_mode(
    config: AccountConfig, leverages: tuple[LeverageRow, ...], fees: Fees | None, *, received_at: TimeNs
) -> AccountModeSnapshot:
    """Join the three reads that together state the account's mode."""
    return AccountModeSnapshot(
        position_mode=config.position_mode,
        received_at=received_at,
        multi_assets=config.multi_assets,
        can_trade=config.can_trade,
        leverages=leverages,
        maker_fee=fees.maker if fees else None,
        taker_fee=fees.taker if fees else None,
    )


# --- keys, clock, prices --------------------------------------------------------------------------------

_LISTEN_KEY: Final = msgspec.json.Decoder(rows.ListenKey)
_TIME: Final = msgspec.json.Decoder(rows.ServerTime)
_PREMIUM: Final = msgspec.json.Decoder(rows.Premium | tuple[rows.Premium, ...])


class MarkRow(msgspec.Struct, frozen=True):
    symbol: str
    mark: Decimal
    index: Decimal
    at: TimeNs


@reads("listenKey")
def listen_key(body: bytes) -> str:
    """POST listenKey. The key is a secret: it must not reach a log."""
    key = _LISTEN_KEY.decode(body).listen_key
    if not key:
        raise ValueError("the key is empty")
    return key


@reads("time")
def server_time(body: bytes) -> TimeNs:
    """GET time, in ns."""
    return _TIME.decode(body).server_time * MS


@reads("premiumIndex")
def premium_index(body: bytes) -> tuple[MarkRow, ...]:
    """GET premiumIndex of one symbol or of all."""
    read = _PREMIUM.decode(body)
    found = read if isinstance(read, tuple) else (read,)
    return tuple(
        MarkRow(row.symbol, NUMBERS[row.mark_price], NUMBERS[row.index_price], row.time * MS) for row in found
    )
