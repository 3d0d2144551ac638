"""Bodies of REST and of the WebSocket API: read exactly, read whole, or refused with a place and a reason."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.binance.wire import decode_rest as rest
from backstay.binance.wire.errors import WireError
from backstay.core.events import BalanceRow, FillRow, LeverageRow, PositionRow
from backstay.core.types import (
    AlgoStatus,
    ExecutionType,
    OrderStatus,
    OrderType,
    PositionMode,
    PositionSide,
    Side,
    TimeInForce,
    WorkingType,
)

from tests.binance.wire.samples import REST, WS_API, changed

D = Decimal
MS = 1_000_000
ASKED = {"requested_at": 5, "received_at": 9}


def test_open_orders_become_snapshot_rows():
    snapshot = rest.open_orders(REST["open_orders"], **ASKED, symbols=("BTCUSDT",))
    assert (snapshot.requested_at, snapshot.received_at, snapshot.symbols) == (5, 9, ("BTCUSDT",))
    (row,) = snapshot.rows
    assert (row.order_id, row.client_id, row.kind) == (
        77000000001,
        "x-demo0001-A1b2C3d4E5f6G7h8",
        OrderType.LIMIT,
    )
    assert (row.status, row.execution, row.tif) == (
        OrderStatus.NEW,
        ExecutionType.SNAPSHOT,
        TimeInForce.GTC,
    )
    assert (row.price, row.quantity, row.filled) == (D("90000.00"), D("0.010"), D("0.000"))
    assert row.at == 1790000000050 * MS


def test_one_order_and_no_orders():
    body = json.dumps(json.loads(REST["open_orders"])[0] | {"status": "FILLED"}).encode()
    assert rest.order(body).status is OrderStatus.FILLED
    assert rest.open_orders(b"[]", **ASKED).rows == ()


def test_open_algo_orders_in_the_shapes_of_the_venue():
    plain, closing, trailing = rest.open_algos(REST["open_algos"], **ASKED).rows
    assert (plain.algo_id, plain.status, plain.trigger) == (4000001910058351, AlgoStatus.NEW, D("88000.00"))
    assert (plain.child_order_id, plain.reduce_only, plain.snapshot) == (0, True, True)
    assert plain.working_type is WorkingType.MARK_PRICE
    assert (closing.close_position, closing.quantity, closing.price) == (True, D(0), D(0))
    assert closing.tif is TimeInForce.GTE_GTC
    assert (trailing.callback_rate, trailing.activate_price, trailing.activated) == (
        D("1.5"),
        D("91000.00"),
        True,
    )


def test_the_history_and_the_single_query_name_the_child():
    (finished,) = rest.algos(REST["all_algos"])
    assert (finished.status, finished.child_order_id) == (AlgoStatus.FINISHED, 77000000099)
    triggered = rest.algo(REST["algo_query"])
    assert (triggered.child_order_id, triggered.executed, triggered.avg_price) == (
        77000000099,
        D("0.004"),
        D(0),
    )


def test_positions_of_both_versions():
    (row,) = rest.positions(REST["positions_v3"], **ASKED).rows
    assert row == PositionRow(
        symbol="BTCUSDT",
        position_side=PositionSide.BOTH,
        quantity=D("-0.004"),
        entry_price=D("89990.0"),
        break_even=D("89972.0"),
        unrealized=D("-0.0004"),
        liquidation_price=D("120000.1"),
        mark_price=D("89990.10"),
        updated_at=1790000000100 * MS,
    )
    (older,) = rest.positions(REST["positions_v2"], **ASKED).rows
    assert (older.position_side, older.isolated, older.isolated_wallet) == (PositionSide.LONG, True, D(450))


def test_an_isolated_wallet_makes_a_position_isolated_where_no_margin_type_is_stated():
    body = REST["positions_v3"].replace(b'"isolatedWallet":"0"', b'"isolatedWallet":"10"')
    assert rest.positions(body, **ASKED).rows[0].isolated


def test_balances():
    assert rest.balances(REST["balances"], **ASKED).rows == (
        BalanceRow("USDT", D("122.12345678"), D("102.1"), available=D("80.5")),
    )


def test_fills_carry_the_size_of_the_commission():
    snapshot = rest.fills(REST["user_trades"], symbol="BTCUSDT", **ASKED)
    assert snapshot.rows == (
        FillRow(
            symbol="BTCUSDT",
            position_side=PositionSide.SHORT,
            order_id=25851813,
            trade_id=698759,
            side=Side.SELL,
            price=D("7819.01"),
            quantity=D("0.002"),
            at=1790000000100 * MS,
            commission=D("0.07819010"),
            commission_asset="USDT",
            realized_pnl=D("-0.91539999"),
        ),
    )


def test_exchange_info_keeps_usable_symbols_and_reports_the_others():
    info = rest.exchange_info(REST["exchange_info"])
    (btc,) = info.instruments
    assert (btc.symbol, btc.tick, btc.step, btc.market_max_qty) == ("BTCUSDT", D("0.10"), D("0.001"), D(120))
    assert (btc.min_notional, btc.percent_up, btc.percent_down) == (D(50), D("1.0500"), D("0.9500"))
    assert (btc.max_orders, btc.trigger_protect, btc.position_control) == (200, D("0.0500"), "NONE")
    assert (btc.market_take_bound, btc.liquidation_fee, btc.trading) == (D("0.05"), D("0.012500"), True)
    reasons = {item.symbol: item.reason for item in info.dropped}
    assert list(reasons) == ["NEWUSDT", "BAREUSDT", "ODDUSDT"]
    assert reasons["NEWUSDT"] == "PRICE_FILTER.tickSize is 0"
    assert "no PRICE_FILTER and no LOT_SIZE" in reasons["BAREUSDT"]
    assert "status" in reasons["ODDUSDT"]
    assert {(limit.kind, limit.interval_s, limit.limit) for limit in info.rate_limits} == {
        ("REQUEST_WEIGHT", 60, 2400),
        ("ORDERS", 60, 1200),
        ("ORDERS", 10, 300),
    }
    assert info.server_time == 1790000000100 * MS


def test_recorded_exchange_info_of_old_and_new_shape_is_read(shared_data):
    old = rest.exchange_info((shared_data / "exchange_info" / "usdm_sample.json").read_bytes())
    assert [item.symbol for item in old.instruments] == ["BTCUSDT", "ETHUSDT", "BTCUSDT_220325"]
    assert old.dropped == ()
    assert old.instruments[0].position_control == "NONE"
    recorded = json.loads(
        (shared_data / "exchange_info" / "usdm_public_rest_samples_20260915.json").read_text(encoding="utf-8")
    )
    body = {"symbols": [recorded["GET /fapi/v1/exchangeInfo symbols[BTCUSDT]"]]}
    body |= recorded["GET /fapi/v1/exchangeInfo (header part)"]
    (btc,) = rest.exchange_info(json.dumps(body).encode()).instruments
    assert (btc.tick, btc.min_notional) == (D("0.10"), D(50))
    premium = json.dumps(recorded["GET /fapi/v1/premiumIndex?symbol=BTCUSDT"]).encode()
    assert rest.premium_index(premium)[0].mark == D("76916.95122464")
    time = json.dumps(recorded["GET /fapi/v1/time"]).encode()
    assert rest.server_time(time) == 1789478299014 * MS


def test_the_account_mode_is_joined_from_three_reads():
    mode = rest.account_mode(
        rest.account_config(REST["account_config"]),
        rest.symbol_config(REST["symbol_config"]),
        rest.commission_rate(REST["commission_rate"]),
        received_at=9,
    )
    assert (mode.position_mode, mode.multi_assets, mode.can_trade) == (PositionMode.HEDGE, False, True)
    assert mode.leverages == (LeverageRow("BTCUSDT", 21, False), LeverageRow("ETHUSDT", 10, True))
    assert (mode.maker_fee, mode.taker_fee, mode.received_at) == (D("0.0002"), D("0.0005"), 9)
    without = rest.account_mode(rest.account_config(REST["account_config"]), (), None, received_at=1)
    assert without.taker_fee is None


def test_key_time_and_mark():
    assert len(rest.listen_key(REST["listen_key"])) == 64
    assert rest.server_time(REST["time"]) == 1790000000123 * MS
    (mark,) = rest.premium_index(REST["premium_index"])
    assert (mark.symbol, mark.mark, mark.at) == ("BTCUSDT", D("89990.12345678"), 1790000000100 * MS)
    assert rest.premium_index(b"[" + REST["premium_index"] + b"]") == (mark,)


def test_acknowledgements_of_both_surfaces():
    assert rest.ack(REST["order_ack"]) == rest.Ack(
        77000000001, "x-demo0001-A1b2C3d4E5f6G7h8", 1790000000050 * MS
    )
    assert rest.ack(REST["order_cancel_ack"]).order_id == 77000000001
    assert rest.ack(REST["algo_ack"]) == rest.Ack(
        4000001910058351, "bst0001aaaaaaaaaaaaaaaaaaaaa", 1790000000200 * MS
    )
    assert rest.ack(REST["algo_cancel_ack"]) == rest.Ack(4000001910058351, "bst0001aaaaaaaaaaaaaaaaaaaaa", 0)
    with pytest.raises(WireError, match="orderId"):
        rest.ack(b'{"code":200,"msg":"done"}')


def test_websocket_api_answers():
    accepted = rest.ws_answer(WS_API["accepted"])
    assert (accepted.id, accepted.ok, rest.ack(accepted.result).order_id) == ("a1", True, 4000001910058351)
    assert [(limit.kind, limit.interval_s, limit.used) for limit in accepted.rate_limits] == [
        ("ORDERS", 10, 3),
        ("REQUEST_WEIGHT", 60, 15),
    ]
    refused = rest.ws_answer(WS_API["refused"])
    assert (refused.id, refused.ok, refused.code, refused.result) == ("17", False, -2021, b"")
    assert refused.message == "Order would immediately trigger."
    assert rest.ws_answer(WS_API["limited"]).retry_at_ms == 1790000042000
    revoked = rest.ws_answer(WS_API["key_revoked"])
    assert (revoked.id, revoked.status, revoked.code) == ("", 401, -2015)


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (b'{"code":-1021,"msg":"Timestamp outside"}', -1021, "Timestamp outside"),
        (b'{"code":"200","msg":"success"}', 200, "success"),
        (b"<html>502 Bad Gateway</html>", 0, "<html>502 Bad Gateway</html>"),
        (b"", 0, ""),
        (b'{"code":"abc","msg":"x"}', 0, '{"code":"abc","msg":"x"}'),
    ],
)
def test_error_bodies_are_read_or_quoted(body, code, message):
    assert rest.error_body(body) == rest.ErrorBody(code, message)


READERS = {
    "open_orders": lambda body: rest.open_orders(body, **ASKED),
    "order_ack": rest.ack,
    "open_algos": lambda body: rest.open_algos(body, **ASKED),
    "all_algos": rest.algos,
    "algo_query": rest.algo,
    "positions_v3": lambda body: rest.positions(body, **ASKED),
    "balances": lambda body: rest.balances(body, **ASKED),
    "user_trades": lambda body: rest.fills(body, symbol="BTCUSDT", **ASKED),
    "exchange_info": rest.exchange_info,
    "account_config": rest.account_config,
    "symbol_config": rest.symbol_config,
    "commission_rate": rest.commission_rate,
    "listen_key": rest.listen_key,
    "time": rest.server_time,
    "premium_index": rest.premium_index,
}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("body", [b"", b"{}", b"nonsense", b'{"code":-1000,"msg":"x"}', b"\xff", b"[1]"])
def test_malformed_bodies_raise_one_error_that_says_where(name, body):
    with pytest.raises(WireError) as caught:
        READERS[name](body)
    assert caught.value.where
    assert caught.value.what


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("open_orders", b'"status":"NEW"', b'"status":"ODD"'),
        ("open_orders", b'"origQty":"0.010"', b'"origQty":"nan"'),
        ("positions_v3", b'"positionAmt":"-0.004"', b'"positionAmt":""'),
        ("symbol_config", b"CROSSED", b"SHARED"),
        ("all_algos", b'"actualOrderId":"77000000099"', b'"actualOrderId":"x"'),
    ],
)
def test_i8_one_unreadable_row_costs_the_whole_snapshot(name, old, new):
    assert old in REST[name]
    with pytest.raises(WireError):
        READERS[name](REST[name].replace(old, new))


@given(st.sampled_from(sorted(READERS)), st.data())
def test_no_bytes_raise_anything_but_a_wire_error(name, data):
    body = bytearray(REST[name])
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        READERS[name](bytes(body))
    except WireError as error:
        assert error.where


@given(st.binary(max_size=120))
def test_answers_of_any_bytes_are_wire_errors_or_answers(frame):
    assert isinstance(rest.error_body(frame), rest.ErrorBody)
    with pytest.raises(WireError):
        rest.ws_answer(frame)


def test_i36_an_error_holds_no_key():
    key = json.loads(REST["listen_key"])["listenKey"]
    with pytest.raises(WireError) as caught:
        rest.ack(changed(REST["listen_key"]))
    assert key not in str(caught.value)
