"""REST bodies and WebSocket API answers to values. SIGNATURES ARE STABLE, bodies follow."""

from decimal import Decimal

import msgspec

from backstay.core.events import (
    AccountModeSnapshot,
    AlgoReport,
    AlgosSnapshot,
    BalancesSnapshot,
    FillsSnapshot,
    LeverageRow,
    OrderReport,
    OrdersSnapshot,
    PositionsSnapshot,
)
from backstay.core.instruments import Instrument
from backstay.core.types import PositionMode, TimeNs

# every function: malformed -> backstay.binance.wire.errors.WireError


def open_orders(body: bytes, *, requested_at: TimeNs, received_at: TimeNs, symbols: tuple[str, ...] = ()) -> OrdersSnapshot:
    raise NotImplementedError


def open_algos(body: bytes, *, requested_at: TimeNs, received_at: TimeNs, symbols: tuple[str, ...] = ()) -> AlgosSnapshot:
    raise NotImplementedError


def order(body: bytes) -> OrderReport:
    raise NotImplementedError


def algo(body: bytes) -> AlgoReport:
    raise NotImplementedError


def algos(body: bytes) -> tuple[AlgoReport, ...]:
    """allAlgoOrders or openAlgoOrders rows."""
    raise NotImplementedError


def positions(body: bytes, *, requested_at: TimeNs, received_at: TimeNs, symbols: tuple[str, ...] = ()) -> PositionsSnapshot:
    raise NotImplementedError


def balances(body: bytes, *, requested_at: TimeNs, received_at: TimeNs) -> BalancesSnapshot:
    raise NotImplementedError


def fills(body: bytes, *, symbol: str, requested_at: TimeNs, received_at: TimeNs) -> FillsSnapshot:
    raise NotImplementedError


class Dropped(msgspec.Struct, frozen=True):
    symbol: str
    reason: str


class RateLimit(msgspec.Struct, frozen=True):
    kind: str
    """REQUEST_WEIGHT or ORDERS"""
    interval_s: int
    limit: int
    used: int = 0


class ExchangeInfo(msgspec.Struct, frozen=True):
    instruments: tuple[Instrument, ...]
    dropped: tuple[Dropped, ...]
    rate_limits: tuple[RateLimit, ...]
    server_time: TimeNs


def exchange_info(body: bytes) -> ExchangeInfo:
    raise NotImplementedError


class AccountConfig(msgspec.Struct, frozen=True):
    position_mode: PositionMode
    multi_assets: bool
    can_trade: bool


class Fees(msgspec.Struct, frozen=True):
    symbol: str
    maker: Decimal
    taker: Decimal


def account_config(body: bytes) -> AccountConfig:
    raise NotImplementedError


def symbol_config(body: bytes) -> tuple[LeverageRow, ...]:
    raise NotImplementedError


def commission_rate(body: bytes) -> Fees:
    raise NotImplementedError


def account_mode(config: AccountConfig, leverages: tuple[LeverageRow, ...], fees: Fees | None, *, received_at: TimeNs) -> AccountModeSnapshot:
    raise NotImplementedError


def listen_key(body: bytes) -> str:
    raise NotImplementedError


def server_time(body: bytes) -> TimeNs:
    raise NotImplementedError


class MarkRow(msgspec.Struct, frozen=True):
    symbol: str
    mark: Decimal
    index: Decimal
    at: TimeNs


def premium_index(body: bytes) -> tuple[MarkRow, ...]:
    """One symbol or all."""
    raise NotImplementedError


class Ack(msgspec.Struct, frozen=True):
    """Answer to a place, amend or cancel on either surface."""

    order_id: int
    """orderId or algoId"""
    client_id: str
    at: TimeNs = 0


def ack(body: bytes) -> Ack:
    """place/modify/cancel acknowledgement of either surface (REST body, or WsAnswer.result)."""
    raise NotImplementedError


class WsAnswer(msgspec.Struct, frozen=True):
    id: str
    """"" for an unsolicited frame (id null: a revoked key)."""
    status: int
    result: bytes
    """raw JSON of result, b"" when absent"""
    code: int = 0
    message: str = ""
    retry_at_ms: int = 0
    """error.data.retryAfter: epoch ms"""
    rate_limits: tuple[RateLimit, ...] = ()

    @property
    def ok(self) -> bool:
        return self.status == 200


def ws_answer(frame: bytes) -> WsAnswer:
    raise NotImplementedError


class ErrorBody(msgspec.Struct, frozen=True):
    code: int
    """0 when the body carries none (HTML of a proxy)"""
    message: str


def error_body(body: bytes) -> ErrorBody:
    """never raises"""
    raise NotImplementedError
