"""Every filter of exchangeInfo and the text of its refusal (`binance-spot.md` section 9)."""

from decimal import Decimal

import pytest

from backstay.simulator.spot.specs import spot_spec

from tests.simulator.spot.desk import SpotDesk, filtered, tenner

D = Decimal


@pytest.mark.parametrize(
    ("name", "spec", "order"),
    [
        ("PRICE_FILTER", {}, {"price": "90.001", "quantity": "1"}),
        ("PRICE_FILTER", {"min_price": D(95)}, {"price": "90", "quantity": "1"}),
        ("PRICE_FILTER", {"max_price": D(80)}, {"price": "90", "quantity": "1"}),
        ("PERCENT_PRICE_BY_SIDE", {}, {"price": "49", "quantity": "1"}),
        ("PERCENT_PRICE_BY_SIDE", {}, {"price": "121", "quantity": "1"}),
        ("PERCENT_PRICE_BY_SIDE", {}, {"side": "SELL", "price": "201", "quantity": "1"}),
        ("PERCENT_PRICE", {"percent_price": (D("1.1"), D("0.9"))}, {"price": "89", "quantity": "1"}),
        ("LOT_SIZE", {}, {"price": "90", "quantity": "0.05"}),
        ("LOT_SIZE", {}, {"price": "90", "quantity": "1.01"}),
        ("LOT_SIZE", {"max_qty": D(5)}, {"price": "90", "quantity": "6"}),
        ("ICEBERG_PARTS", {"iceberg_parts": 3}, {"price": "90", "quantity": "4", "icebergQty": "1"}),
        ("MARKET_LOT_SIZE", {"market_max_qty": D(5)}, {"type": "MARKET", "quantity": "6"}),
        ("MARKET_LOT_SIZE", {"market_step": D(1)}, {"type": "MARKET", "quantity": "1.5"}),
        ("NOTIONAL", {"min_notional": D(10)}, {"price": "90", "quantity": "0.1"}),
        ("NOTIONAL", {"min_notional": D(11)}, {"type": "MARKET", "quantity": "0.1"}),
        ("NOTIONAL", {"max_notional": D(100)}, {"price": "90", "quantity": "2"}),
        ("MIN_NOTIONAL", {"old_min_notional": D(200)}, {"price": "90", "quantity": "2"}),
        ("MAX_POSITION", {"max_position": D(51)}, {"price": "90", "quantity": "2"}),
        ("MAX_NUM_ORDERS", {"max_orders": 0}, {"price": "90", "quantity": "1"}),
        (
            "MAX_NUM_ICEBERG_ORDERS",
            {"max_iceberg_orders": 0},
            {"price": "90", "quantity": "1", "icebergQty": "1"},
        ),
    ],
)
def test_each_filter_refuses_by_its_name(name, spec, order):
    desk = SpotDesk(spec=tenner(**spec))
    with filtered(name):
        desk.place(**order)
    shown = desk.call("GET exchangeInfo", account=None, symbol="TENUSDT")["symbols"][0]["filters"]
    assert name in [row["filterType"] for row in shown]


def test_a_market_order_can_be_free_of_the_minimum():
    desk = SpotDesk(spec=tenner(min_notional=D(50), apply_min_to_market=False))
    assert desk.market(quantity="0.1")["status"] == "FILLED"


def test_price_filters_measure_against_the_reference_price_where_there_is_one():
    desk = SpotDesk(spec=tenner(reference_price=D(50)))
    with filtered("PERCENT_PRICE_BY_SIDE"):
        desk.place(price="61", quantity="1")
    assert desk.place(price="26", quantity="1")["status"] == "NEW"


def test_exchange_info_by_symbol_symbols_and_status():
    desk = SpotDesk()
    info = desk.call("GET exchangeInfo", account=None, symbols='["BTCUSDT","ETHUSDT"]')
    assert [s["symbol"] for s in info["symbols"]] == ["BTCUSDT", "ETHUSDT"]
    row = info["symbols"][0]
    assert row["permissionSets"] == [["SPOT"]]
    assert row["defaultSelfTradePreventionMode"] == "EXPIRE_MAKER"
    assert "LIMIT_MAKER" in row["orderTypes"]
    everything = desk.call("GET exchangeInfo", account=None)["symbols"]
    assert len(everything) == 11


def test_a_grid_that_cannot_be_exact_is_refused():
    with pytest.raises(ValueError, match="more than 8 decimals"):
        spot_spec("ODDUSDT", "0.00001", "0.0001", "1")
