"""The tables of the store.

Prices and quantities are exact: text in SQLite, NUMERIC without limits in PostgreSQL, `Decimal` in Python.
Times are integer nanoseconds since the epoch, UTC, by the ledger's clock unless said otherwise. Every row
says in `seq` which record of its ledger wrote it last.
"""

from decimal import Decimal
from typing import Any, ClassVar

from sqlalchemy import BigInteger, Dialect, Index, MetaData, Numeric, Text, TypeDecorator
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeEngine

REVISIONS = ("0001",)
"""The migrations that this program knows, oldest first; a test compares with the folder."""


class Exact(TypeDecorator[Decimal]):
    """A decimal with every digit that it was given, never a binary float."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(Numeric(asdecimal=True))
        return dialect.type_descriptor(Text())

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        """Raises TypeError for anything that is no decimal: a float has lost its digits already."""
        if value is None:
            return None
        if not isinstance(value, Decimal):
            raise TypeError(f"{value!r} is not an exact decimal")
        return value if dialect.name == "postgresql" else f"{value:f}"

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        return None if value is None else Decimal(value)


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "pk": "pk_%(table_name)s"}
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {int: BigInteger, str: Text, Decimal: Exact}


class Order(Base):
    """An order of the account: ours from the moment it was written down, others' since they were seen."""

    __tablename__ = "orders"

    id: Mapped[str] = mapped_column(primary_key=True)
    """Ours: its custom id. Others': product, surface and the venue's number."""
    product: Mapped[str]
    symbol: Mapped[str]
    surface: Mapped[str]
    """`regular` or `algo`: the venue's numbers are unique on one surface only."""
    binance_order_id: Mapped[int | None]
    client_order_id: Mapped[str]
    side: Mapped[str]
    type: Mapped[str]
    price: Mapped[Decimal | None]
    trigger_price: Mapped[Decimal | None]
    quantity: Mapped[Decimal | None]
    """Empty: the whole position (`close_position`)."""
    status: Mapped[str]
    """The venue's word once it said one; before that, and where it never will, where our request stands."""
    is_open: Mapped[bool]
    role: Mapped[str | None]
    """SL, TP, DCA, ENTRY or EXIT for ours; empty for others'."""
    step: Mapped[int | None]
    position_id: Mapped[str | None]
    parent_order_id: Mapped[str | None]
    """The order that this one follows from: a lot's BUY, an exposure order, a conditional order."""
    fill_price: Mapped[Decimal | None]
    fill_quantity: Mapped[Decimal | None]
    fill_time: Mapped[int | None]
    """Venue time of its latest fill."""
    hold_duration: Mapped[int | None]
    """ns between the buy and this sell, or between the position's opening and this closing fill."""
    error: Mapped[str | None]
    """The venue's refusal, with its code."""
    created_at: Mapped[int]
    updated_at: Mapped[int]
    seq: Mapped[int]

    __table_args__ = (Index(None, "symbol", "status"), Index(None, "is_open"), Index(None, "updated_at"))


class TradePair(Base):
    """A bought lot and the SELL that belongs to it."""

    __tablename__ = "trade_pairs"

    id: Mapped[str] = mapped_column(primary_key=True)
    """As `positions list` names it: symbol, `LOT`, the trade's number."""
    product: Mapped[str]
    symbol: Mapped[str]
    trade_id: Mapped[int]
    buy_order_id: Mapped[str]
    sell_order_id: Mapped[str | None]
    original_buy_id: Mapped[int]
    """The venue's number of the BUY whose fill this lot is."""
    buy_price: Mapped[Decimal]
    quantity: Mapped[Decimal]
    """Bought."""
    received: Mapped[Decimal]
    """Less the commission, where it was taken in the base asset."""
    sellable: Mapped[Decimal | None]
    """What can be sold of it, rounded down to the step; empty: nothing."""
    sold: Mapped[Decimal]
    dust: Mapped[Decimal | None]
    """What is left over and cannot be sold."""
    target_profit_price: Mapped[Decimal | None]
    sell_price: Mapped[Decimal | None]
    """The price at which its SELL rests or was filled."""
    status: Mapped[str]
    reason: Mapped[str | None]
    bought_at: Mapped[int]
    """Venue time of the fill."""
    sold_at: Mapped[int | None]
    created_at: Mapped[int]
    updated_at: Mapped[int]
    seq: Mapped[int]

    __table_args__ = (Index(None, "status", "symbol"), Index(None, "updated_at"))


class PositionRow(Base):
    """One life of a position: from flat to flat, or to the other side."""

    __tablename__ = "positions"

    id: Mapped[str] = mapped_column(primary_key=True)
    product: Mapped[str]
    symbol: Mapped[str]
    position_side: Mapped[str]
    side: Mapped[str]
    quantity: Mapped[Decimal]
    """Without sign; 0 once it is closed."""
    entry_price: Mapped[Decimal]
    entry_time: Mapped[int]
    stop_price: Mapped[Decimal | None]
    stop_state: Mapped[str]
    take_profit_price: Mapped[Decimal | None]
    take_profit_state: Mapped[str]
    protected: Mapped[bool]
    trust: Mapped[str]
    status: Mapped[str]
    """`OPEN` or `CLOSED`."""
    closed_at: Mapped[int | None]
    created_at: Mapped[int]
    updated_at: Mapped[int]
    seq: Mapped[int]

    __table_args__ = (Index(None, "status"), Index(None, "updated_at"))


class Fill(Base):
    """One trade of the account, as the venue told it."""

    __tablename__ = "fills"

    id: Mapped[str] = mapped_column(primary_key=True)
    """Product, symbol and the trade's number."""
    product: Mapped[str]
    symbol: Mapped[str]
    trade_id: Mapped[int]
    order_id: Mapped[str]
    """`orders.id`"""
    side: Mapped[str]
    price: Mapped[Decimal]
    quantity: Mapped[Decimal]
    commission: Mapped[Decimal]
    commission_asset: Mapped[str]
    realized_pnl: Mapped[Decimal]
    maker: Mapped[bool]
    at: Mapped[int]
    """Venue time."""
    seq: Mapped[int]

    __table_args__ = (Index(None, "order_id"), Index(None, "at"))


class Alert(Base):
    """Something that a person should know of, as it was recorded."""

    __tablename__ = "alerts"

    id: Mapped[str] = mapped_column(primary_key=True)
    """Ledger and number of the record."""
    product: Mapped[str]
    at: Mapped[int]
    grade: Mapped[str]
    """`info`, `warn` or `bad`."""
    kind: Mapped[str]
    symbol: Mapped[str | None]
    position_side: Mapped[str | None]
    detail: Mapped[str]
    """The record's body as JSON."""
    seq: Mapped[int]

    __table_args__ = (Index(None, "grade", "at"),)


class SystemState(Base):
    """How the program stands, one row for each ledger."""

    __tablename__ = "system_state"

    id: Mapped[str] = mapped_column(primary_key=True)
    """The ledger: `usdm` or `spot`."""
    account: Mapped[str]
    mode: Mapped[str]
    last_processed_time: Mapped[int]
    websocket_status: Mapped[str]
    last_error: Mapped[str | None]
    updated_at: Mapped[int]
    last_reconciliation_time: Mapped[int | None]
    reconnection_attempts: Mapped[int]
    """Connections of the private stream that were lost since the run started."""
    seq: Mapped[int]


class Cursor(Base):
    """Up to which record a ledger is in the tables, and where that record lies."""

    __tablename__ = "cursors"

    ledger: Mapped[str] = mapped_column(primary_key=True)
    seq: Mapped[int]
    hash: Mapped[str]
    """Of the record's line: the proof that it is the same ledger."""
    end_byte: Mapped[int]
    """Where the ledger goes on behind that line."""
    line_bytes: Mapped[int]
    updated_at: Mapped[int]


TABLES: dict[str, type[Base]] = {
    model.__tablename__: model for model in (Order, TradePair, PositionRow, Fill, Alert, SystemState, Cursor)
}
