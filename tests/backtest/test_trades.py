"""Trades made of fills: adding, closing in parts, turning over, fees, funding."""

from decimal import Decimal

from backstay.backtest.trades import Books
from backstay.core.events import AccountReport, BalanceRow, OrderReport
from backstay.core.types import Direction, ExecutionType, OrderStatus, OrderType, PositionSide, Side

D = Decimal


def fill(
    at: int, side: Side, quantity: str, price: str, *, fee: str = "0", realized: str = "0"
) -> OrderReport:
    return OrderReport(
        symbol="BTCUSDT",
        position_side=PositionSide.BOTH,
        order_id=at,
        client_id=f"x{at}",
        side=side,
        kind=OrderType.MARKET,
        status=OrderStatus.FILLED,
        execution=ExecutionType.TRADE,
        quantity=D(quantity),
        filled=D(quantity),
        at=at,
        last_qty=D(quantity),
        last_price=D(price),
        commission=D(fee),
        realized_pnl=D(realized),
    )


def books(*events: OrderReport | AccountReport) -> Books:
    made = Books()
    for event in events:
        made.take(event.at, event, {})
    return made


def test_a_position_that_grew_and_was_closed_in_parts_is_one_trade() -> None:
    found = books(
        fill(1, Side.BUY, "1", "100", fee="0.05"),
        fill(2, Side.BUY, "1", "110", fee="0.055"),
        fill(3, Side.SELL, "0.5", "120", fee="0.03", realized="7.5"),
        fill(4, Side.SELL, "1.5", "100", fee="0.075", realized="-7.5"),
    )
    (trade,) = found.trades
    assert (trade.direction, trade.quantity, trade.entry, trade.exit) == (Direction.LONG, 2, 105, 105)
    assert (trade.realized, trade.fees, trade.net) == (0, D("0.21"), D("-0.21"))
    assert found.close() == []


def test_an_order_that_turns_the_position_over_ends_one_trade_and_begins_the_next() -> None:
    found = books(
        fill(1, Side.BUY, "1", "100", fee="0.1"), fill(2, Side.SELL, "3", "90", fee="0.3", realized="-10")
    )
    (first,) = found.trades
    (second,) = found.close()
    assert (first.realized, first.fees) == (-10, D("0.2"))
    assert (second.direction, second.quantity, second.entry, second.fees) == (
        Direction.SHORT,
        2,
        90,
        D("0.2"),
    )
    assert first.fees + second.fees == found.fees


def test_funding_belongs_to_the_open_trade() -> None:
    paid = AccountReport(
        reason="FUNDING_FEE", at=2, balances=(BalanceRow("USDT", D("99"), D("99"), change=D("-1")),)
    )
    found = books(fill(1, Side.BUY, "1", "100"), paid, fill(3, Side.SELL, "1", "101", realized="1"))
    assert (found.trades[0].funding, found.trades[0].net) == (-1, 0)
    assert found.wallet == [(2, D("99"))]
