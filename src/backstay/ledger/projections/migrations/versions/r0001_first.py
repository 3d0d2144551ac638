"""The first tables: orders, trade pairs, positions, fills, alerts, the state of the system, cursors."""

import sqlalchemy as sa
from alembic import op

from backstay.ledger.projections.models import Exact

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make every table."""
    alerts()
    cursors()
    fills()
    orders()
    positions()
    system_state()
    trade_pairs()


def alerts() -> None:
    op.create_table(
        "alerts",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("product", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("grade", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=True),
        sa.Column("position_side", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_alerts"),
    )
    op.create_index("ix_alerts_grade_at", "alerts", ["grade", "at"], unique=False)


def cursors() -> None:
    op.create_table(
        "cursors",
        sa.Column("ledger", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("end_byte", sa.BigInteger(), nullable=False),
        sa.Column("line_bytes", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("ledger", name="pk_cursors"),
    )


def fills() -> None:
    op.create_table(
        "fills",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("product", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("trade_id", sa.BigInteger(), nullable=False),
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("price", Exact(), nullable=False),
        sa.Column("quantity", Exact(), nullable=False),
        sa.Column("commission", Exact(), nullable=False),
        sa.Column("commission_asset", sa.Text(), nullable=False),
        sa.Column("realized_pnl", Exact(), nullable=False),
        sa.Column("maker", sa.Boolean(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_fills"),
    )
    op.create_index("ix_fills_at", "fills", ["at"], unique=False)
    op.create_index("ix_fills_order_id", "fills", ["order_id"], unique=False)


def orders() -> None:
    op.create_table(
        "orders",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("product", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("surface", sa.Text(), nullable=False),
        sa.Column("binance_order_id", sa.BigInteger(), nullable=True),
        sa.Column("client_order_id", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("price", Exact(), nullable=True),
        sa.Column("trigger_price", Exact(), nullable=True),
        sa.Column("quantity", Exact(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.Column("role", sa.Text(), nullable=True),
        sa.Column("step", sa.BigInteger(), nullable=True),
        sa.Column("position_id", sa.Text(), nullable=True),
        sa.Column("parent_order_id", sa.Text(), nullable=True),
        sa.Column("fill_price", Exact(), nullable=True),
        sa.Column("fill_quantity", Exact(), nullable=True),
        sa.Column("fill_time", sa.BigInteger(), nullable=True),
        sa.Column("hold_duration", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_orders"),
    )
    op.create_index("ix_orders_is_open", "orders", ["is_open"], unique=False)
    op.create_index("ix_orders_symbol_status", "orders", ["symbol", "status"], unique=False)
    op.create_index("ix_orders_updated_at", "orders", ["updated_at"], unique=False)


def positions() -> None:
    op.create_table(
        "positions",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("product", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("position_side", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("quantity", Exact(), nullable=False),
        sa.Column("entry_price", Exact(), nullable=False),
        sa.Column("entry_time", sa.BigInteger(), nullable=False),
        sa.Column("stop_price", Exact(), nullable=True),
        sa.Column("stop_state", sa.Text(), nullable=False),
        sa.Column("take_profit_price", Exact(), nullable=True),
        sa.Column("take_profit_state", sa.Text(), nullable=False),
        sa.Column("protected", sa.Boolean(), nullable=False),
        sa.Column("trust", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_positions"),
    )
    op.create_index("ix_positions_status", "positions", ["status"], unique=False)
    op.create_index("ix_positions_updated_at", "positions", ["updated_at"], unique=False)


def system_state() -> None:
    op.create_table(
        "system_state",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("last_processed_time", sa.BigInteger(), nullable=False),
        sa.Column("websocket_status", sa.Text(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("last_reconciliation_time", sa.BigInteger(), nullable=True),
        sa.Column("reconnection_attempts", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_system_state"),
    )


def trade_pairs() -> None:
    op.create_table(
        "trade_pairs",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("product", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("trade_id", sa.BigInteger(), nullable=False),
        sa.Column("buy_order_id", sa.Text(), nullable=False),
        sa.Column("sell_order_id", sa.Text(), nullable=True),
        sa.Column("original_buy_id", sa.BigInteger(), nullable=False),
        sa.Column("buy_price", Exact(), nullable=False),
        sa.Column("quantity", Exact(), nullable=False),
        sa.Column("received", Exact(), nullable=False),
        sa.Column("sellable", Exact(), nullable=True),
        sa.Column("sold", Exact(), nullable=False),
        sa.Column("dust", Exact(), nullable=True),
        sa.Column("target_profit_price", Exact(), nullable=True),
        sa.Column("sell_price", Exact(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("bought_at", sa.BigInteger(), nullable=False),
        sa.Column("sold_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_trade_pairs"),
    )
    op.create_index("ix_trade_pairs_status_symbol", "trade_pairs", ["status", "symbol"], unique=False)
    op.create_index("ix_trade_pairs_updated_at", "trade_pairs", ["updated_at"], unique=False)
