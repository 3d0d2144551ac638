"""Spot's answers: snapshots, rules, fees, acknowledgements, halves of a cancel-replace."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.binance.wire import answers_spot as answers
from backstay.binance.wire import decode_spot_rest as decode
from backstay.binance.wire.answers import Ack
from backstay.binance.wire.errors import WireError
from backstay.binance.wire.instruments_usdm import RateLimit
from backstay.core.events import BalanceRow, ListLeg
from backstay.core.instruments import SpotRules
from backstay.core.types import ExecutionType, OrderStatus, OrderType, PositionMode, Product, Side

from tests.binance.wire.samples import SPOT_REST, SPOT_WS_API, changed

D = Decimal
MS = 1_000_000
AT = {"requested_at": 1, "received_at": 2}


def instrument(**symbol):
    """The first symbol of exchangeInfo, with members replaced."""
    info = json.loads(SPOT_REST["exchangeInfo"])
    info["symbols"][0] |= symbol
    return decode.exchange_info(json.dumps(info).encode())


def filters(**changes):
    """The symbol's filters: a filter by type replaced, or left out (None)."""
    rows = json.loads(SPOT_REST["exchangeInfo"])["symbols"][0]["filters"]
    kept = [row for row in rows if row["filterType"] not in changes]
    return kept + [{"filterType": name, **row} for name, row in changes.items() if row is not None]


def test_open_orders():
    snapshot = decode.open_orders(SPOT_REST["openOrders"], **AT, symbols=("BTCUSDT",))
    assert (snapshot.product, snapshot.symbols, snapshot.requested_at) == (Product.SPOT, ("BTCUSDT",), 1)
    limit, take_profit = snapshot.rows
    assert (limit.order_id, limit.client_id, limit.side) == (31, "x-demo0001-B1", Side.BUY)
    assert (limit.status, limit.execution) == (OrderStatus.PARTIALLY_FILLED, ExecutionType.SNAPSHOT)
    assert (limit.quantity, limit.filled, limit.avg_price) == (D("0.01"), D("0.004"), D(89990))
    assert (limit.at, limit.list_id, limit.on_book) == (1790000000100 * MS, 0, True)
    assert (take_profit.kind, take_profit.trigger) == (OrderType.TAKE_PROFIT_MARKET, D(99000))
    assert (take_profit.list_id, take_profit.on_book) == (12, False)
    assert decode.order(SPOT_REST["order"]) == limit


def test_an_order_that_was_read_tells_its_label():
    labelled = json.loads(SPOT_REST["order"]) | {"strategyId": 8123}
    told, untold = (decode.order(x) for x in (json.dumps(labelled).encode(), SPOT_REST["order"]))
    assert told is not None
    assert untold is not None
    assert (told.label, untold.label) == (8123, 0)


def test_balances():
    snapshot = decode.balances(SPOT_REST["account"], **AT)
    assert snapshot.rows == (
        BalanceRow("BTC", D("1.003996"), D("0.003996"), available=D("0.003996")),
        BalanceRow("USDT", D("640.04"), D("640.04"), available=D("640.04")),
    )
    assert snapshot.updated_at == 1790000000100 * 10**6


def test_the_account_without_commissions_of_a_symbol_takes_its_own_rates_and_the_dearer_side():
    mode = decode.account_mode(SPOT_REST["account"], None, received_at=3)
    assert (mode.maker_fee, mode.taker_fee) == (D("0.0011"), D("0.0013"))
    assert (mode.can_trade, mode.position_mode, mode.product) == (True, PositionMode.ONE_WAY, Product.SPOT)


def test_the_commission_of_a_trade_is_the_sum_of_its_families():
    fees = decode.commission(SPOT_REST["commission"])
    assert (fees.buy_maker, fees.buy_taker) == (D("0.001103"), D("0.002103"))
    assert (fees.sell_maker, fees.sell_taker) == (D("0.001401"), D("0.002401"))
    assert (fees.maker, fees.taker) == (D("0.001401"), D("0.002401"))
    assert (fees.discounted, fees.discount_asset, fees.discount) == (True, "BNB", D("0.75"))
    mode = decode.account_mode(SPOT_REST["account"], fees, received_at=3)
    assert (mode.maker_fee, mode.taker_fee) == (fees.maker, fees.taker)


def test_trades_oldest_first():
    snapshot = decode.fills(SPOT_REST["myTrades"], symbol="BTCUSDT", **AT)
    first, second = snapshot.rows
    assert (first.trade_id, first.side, first.maker) == (77, Side.BUY, True)
    assert (first.commission, first.commission_asset) == (D("0.000004"), "BTC")
    assert (second.trade_id, second.side, second.at) == (78, Side.SELL, 1790000000101 * MS)


def test_the_rules_of_a_symbol():
    info = decode.exchange_info(SPOT_REST["exchangeInfo"])
    (btc,) = info.instruments
    assert (btc.product, btc.base, btc.quote, btc.trading) == (Product.SPOT, "BTC", "USDT", True)
    assert (btc.tick, btc.step, btc.min_qty, btc.max_qty) == (D("0.01"), D("0.00001"), D("0.00001"), D(9000))
    # MARKET_LOT_SIZE states no step and no minimum of its own; LOT_SIZE holds for market orders too.
    assert (btc.market_step, btc.market_min_qty) == (D("0.00001"), D("0.00001"))
    assert (btc.market_max_qty, btc.min_notional, btc.max_orders) == (D("79.83"), D(5), 200)
    assert btc.spot == SpotRules(
        bid_up=D("1.2"),
        bid_down=D("0.5"),
        ask_up=D(2),
        ask_down=D("0.8"),
        average_minutes=5,
        max_notional=D(9_000_000),
        min_notional_at_market=True,
        max_notional_at_market=False,
        max_position=D(10),
        iceberg_parts=100,
        max_algo_orders=5,
        max_iceberg_orders=10,
        max_order_lists=20,
        max_amends=10,
        trailing_above=(10, 2000),
        trailing_below=(20, 1000),
        order_types=(
            "LIMIT",
            "LIMIT_MAKER",
            "MARKET",
            "STOP_LOSS",
            "STOP_LOSS_LIMIT",
            "TAKE_PROFIT",
            "TAKE_PROFIT_LIMIT",
        ),
        oco=True,
        oto=True,
        cancel_replace=True,
        amend=True,
        trailing=True,
        quote_quantity=True,
    )
    assert RateLimit("ORDERS", 86_400, 160_000) in info.rate_limits


def test_older_filters_are_understood_and_the_tighter_bound_holds():
    older = filters(
        NOTIONAL=None,
        MIN_NOTIONAL={"minNotional": "7", "applyToMarket": False, "avgPriceMins": 5},
        PERCENT_PRICE={"multiplierUp": "1.5", "multiplierDown": "0.6", "avgPriceMins": 5},
    )
    (btc,) = instrument(filters=older).instruments
    assert (btc.min_notional, btc.spot.max_notional, btc.spot.min_notional_at_market) == (D(7), 0, False)
    assert (btc.spot.bid_up, btc.spot.bid_down) == (D("1.2"), D("0.6"))
    assert (btc.spot.ask_up, btc.spot.ask_down) == (D("1.5"), D("0.8"))


@pytest.mark.parametrize(
    ("symbol", "reason"),
    [
        ({"filters": filters(PRICE_FILTER=None, LOT_SIZE=None)}, "has no PRICE_FILTER and no LOT_SIZE"),
        ({"filters": filters(LOT_SIZE={"minQty": "1", "maxQty": "2", "stepSize": "0"})}, "stepSize is 0"),
        ({"filters": filters(NOTIONAL={"minNotional": "-5"})}, "negative"),
        ({"filters": "none"}, "Expected"),
    ],
)
def test_a_symbol_without_usable_rules_is_left_out_and_said(symbol, reason):
    info = instrument(**symbol)
    assert info.instruments == ()
    assert info.dropped[0].symbol == "BTCUSDT"
    assert reason in info.dropped[0].reason


def test_a_symbol_that_is_not_for_spot_does_not_trade():
    (btc,) = instrument(isSpotTradingAllowed=False).instruments
    assert not btc.trading
    (btc,) = instrument(status="CANCEL_ONLY").instruments
    assert (btc.status, btc.trading) == ("CANCEL_ONLY", False)


def test_prices_and_time():
    assert decode.prices(SPOT_REST["price"]) == {"BTCUSDT": D("90000.01")}
    assert set(decode.prices(SPOT_REST["prices"])) == {"BTCUSDT", "ETHUSDT"}
    assert decode.server_time(SPOT_REST["time"]) == 1790000000000 * MS
    assert decode.server_time(b'{"serverTime":1790000000000123}') == 1790000000000123000


def test_an_order_list():
    report = decode.order_list(SPOT_REST["list"])
    assert (report.list_id, report.client_id, report.status) == (12, "x-demo0001-L1", "EXECUTING")
    assert report.legs == (ListLeg(32, "x-demo0001-T0"), ListLeg(33, "x-demo0001-T1"))


# --- answers to mutations -------------------------------------------------------------------------------


def test_acknowledgements_name_the_order():
    assert answers.read_ack(SPOT_REST["cancel"]) == Ack(31, "x-demo0001-B1", 1790000050001 * MS)
    assert answers.read_ack(SPOT_REST["amend"]) == Ack(31, "x-demo0001-B2", 1790000040000 * MS)
    placed = answers.read_ws_answer(SPOT_WS_API["placed"])
    assert answers.read_ack(placed.result) == Ack(31, "x-demo0001-B1", 1790000000050 * MS)
    with pytest.raises(WireError, match="no orderId"):
        answers.read_ack(b"{}")


def test_the_acknowledgement_of_a_list_names_each_leg():
    told = answers.read_list_ack(SPOT_REST["list"])
    assert {name: ack.order_id for name, ack in told.items()} == {"x-demo0001-T0": 32, "x-demo0001-T1": 33}
    with pytest.raises(WireError, match="no orders"):
        answers.read_list_ack(SPOT_REST["cancel"])


def test_8_1_the_halves_of_a_cancel_replace():
    cancelled, refused = answers.read_refused_halves(SPOT_REST["partial"])
    assert (cancelled.result, cancelled.ack.order_id) == ("SUCCESS", 31)
    assert (refused.result, refused.error.code) == ("FAILURE", -2010)
    failed, idle = answers.read_refused_halves(SPOT_REST["failed"])
    assert (failed.error.code, idle.result, idle.error, idle.ack) == (-2011, "NOT_ATTEMPTED", None, None)
    assert answers.read_refused_halves(b'{"code":-1021,"msg":"late"}') is None
    answer = answers.read_ws_answer(SPOT_WS_API["partial"])
    assert (answer.status, answer.code) == (409, -2021)
    assert answers.read_halves(answer.data) == (cancelled, refused)


def test_a_ban_says_when_it_ends():
    answer = answers.read_ws_answer(SPOT_WS_API["banned"])
    assert (answer.id, answer.status, answer.code, answer.retry_at_ms) == ("8", 418, -1003, 1790000120000)
    micro = changed(SPOT_WS_API["banned"], "error", data={"retryAfter": 1790000120000123})
    assert answers.read_ws_answer(micro).retry_at_ms == 1790000120000


def test_subscriptions():
    assert answers.read_subscription(b'{"subscriptionId":3}') == 3
    answer = answers.read_ws_answer(SPOT_WS_API["subscriptions"])
    assert answers.read_subscriptions(answer.result) == {0, 2}
    assert answers.read_ws_answer(SPOT_WS_API["key_revoked"]).id == ""


READERS = [
    lambda body: decode.open_orders(body, **AT),
    decode.orders,
    decode.order,
    decode.open_lists,
    decode.order_list,
    lambda body: decode.balances(body, **AT),
    lambda body: decode.account_mode(body, None, received_at=1),
    decode.commission,
    lambda body: decode.fills(body, symbol="BTCUSDT", **AT),
    decode.exchange_info,
    decode.server_time,
    decode.prices,
    answers.read_ack,
    answers.read_list_ack,
    answers.read_halves,
    answers.read_refused_halves,
    answers.read_ws_answer,
    answers.read_subscription,
    answers.read_subscriptions,
]


@given(st.sampled_from(READERS), st.binary(max_size=200) | st.sampled_from(sorted(SPOT_REST.values())))
def test_whatever_comes_only_a_wire_error_is_raised(read, body):
    try:
        read(body)
    except WireError as error:
        assert str(error)
