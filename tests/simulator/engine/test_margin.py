"""Margin arithmetic against the documented samples, and what the account endpoints report."""

from decimal import Decimal

from backstay.simulator import margin
from backstay.simulator.accounts import Position
from backstay.simulator.numbers import money
from backstay.simulator.specs import brackets, default_specs, spec

from tests.simulator.engine.desk import Desk

D = Decimal


def test_the_documented_position_sample():
    # positionAmt 30, mark 0.4104759, leverage 20, maintenance rate 0.0065
    ada = spec("ADAUSDT", "0.0001", "1", "0.4", tiers=(("1000", "0.0065", 20),))
    notional = D(30) * D("0.4104759")
    assert notional == D("12.314277")
    assert money(margin.initial_margin(notional, 20)) == "0.61571385"
    assert money(margin.maintenance_margin(ada, notional)) == "0.08004280"


def test_the_documented_break_even_samples():
    long = Position("X", "BOTH")
    long.open(D(30), D("0.385"), 1, D(0))
    long.open_fees = D(30) * D("0.385") * D("0.0002")
    assert long.break_even == D("0.385077")
    short = Position("X", "BOTH")
    short.open(D(1), D("70.92841"), -1, D(0))
    short.open_fees = D("70.92841") * D("0.0004")
    assert short.break_even.quantize(D("0.00001")) == D("70.90004")


def test_cum_of_brackets():
    rows = brackets((("300000", "0.004", 125), ("800000", "0.005", 100), ("3000000", "0.0065", 75)))
    assert [r.cum for r in rows] == [D(0), D(300), D(1500)]
    btc = default_specs()[0]
    for below, above in zip(btc.brackets, btc.brackets[1:], strict=False):
        edge = above.floor
        assert edge * below.rate - below.cum == edge * above.rate - above.cum


def test_at_the_liquidation_price_the_balance_meets_the_maintenance_margin():
    btc = default_specs()[0]
    for amount, entry, wallet in (("1", "77000", "5000"), ("-3", "77000", "9000"), ("20", "77000", "60000")):
        q, ep, wb = D(amount), D(entry), D(wallet)
        price = margin.liquidation_price(btc, q, ep, wb)
        balance = wb + q * (price - ep)
        assert abs(balance - margin.maintenance_margin(btc, q * price)) < D("0.00001")


def test_a_position_that_cannot_be_liquidated_reports_zero():
    assert margin.liquidation_price(default_specs()[0], D(1), D(77000), D(100_000)) <= 0
    desk = Desk()
    desk.market()
    assert desk.position()["liquidationPrice"] == "0"


def test_both_sides_of_a_hedge_share_one_liquidation_price():
    desk = Desk(hedge=True, balance="500")
    desk.market("BUY", "60", positionSide="LONG")
    desk.market("SELL", "20", positionSide="SHORT")
    long, short = desk.position("LONG"), desk.position("SHORT")
    assert long["liquidationPrice"] == short["liquidationPrice"] != "0"
    price = D(long["liquidationPrice"])
    ten = desk.engine.specs["TENUSDT"]
    wallet = desk.wallet()
    pnl = 60 * (price - D(long["entryPrice"])) - 20 * (price - D(short["entryPrice"]))
    owed = margin.maintenance_margin(ten, 60 * price) + margin.maintenance_margin(ten, 20 * price)
    assert abs(wallet + pnl - owed) < D("0.00001")


def test_order_margin_takes_the_worse_side_less_the_positions_own():
    desk = Desk()
    desk.place(price="90", quantity="10")
    desk.place("SELL", price="110", quantity="4")
    account = desk.call("GET /fapi/v3/account")
    assert D(account["totalOpenOrderInitialMargin"]) == D(900) / 20
    assert D(account["availableBalance"]) == D(10_000) - 45
    desk.market(quantity="2")
    account = desk.call("GET /fapi/v3/account")
    assert D(account["totalPositionInitialMargin"]) == D(200) / 20
    assert D(account["totalOpenOrderInitialMargin"]) == D(900) / 20


def test_reduce_only_orders_need_no_margin():
    desk = Desk()
    desk.market(quantity="2")
    desk.place("SELL", price="110", quantity="2", reduceOnly=True)
    assert D(desk.call("GET /fapi/v3/account")["totalOpenOrderInitialMargin"]) == 0


def test_account_totals_add_up():
    desk = Desk()
    desk.market(quantity="10")
    desk.move("90")
    v3 = desk.call("GET /fapi/v3/account")
    assert D(v3["totalUnrealizedProfit"]) == D("-100.1")
    assert D(v3["totalMarginBalance"]) == D(v3["totalWalletBalance"]) + D(v3["totalUnrealizedProfit"])
    assert [p["symbol"] for p in v3["positions"]] == ["TENUSDT"]
    v2 = desk.call("GET /fapi/v2/account")
    assert len(v2["positions"]) == len(desk.engine.specs)
    assert v2["totalMarginBalance"] == v3["totalMarginBalance"]
    row = next(p for p in v2["positions"] if p["symbol"] == "TENUSDT")
    assert (row["leverage"], row["isolated"], row["positionAmt"]) == ("20", False, "10.0")


def test_position_risk_v3_has_neither_leverage_nor_margin_type_and_only_live_symbols():
    desk = Desk()
    assert desk.call("GET /fapi/v3/positionRisk") == []
    desk.symbol = "BTCUSDT"
    desk.place(price="70000", quantity="0.01")
    desk.symbol = "TENUSDT"
    desk.market()
    rows = desk.call("GET /fapi/v3/positionRisk")
    assert sorted(r["symbol"] for r in rows) == ["BTCUSDT", "TENUSDT"]
    assert not {"leverage", "marginType"} & set(rows[0])
    assert sorted(rows[0]) == sorted(
        [
            "symbol",
            "positionSide",
            "positionAmt",
            "entryPrice",
            "breakEvenPrice",
            "markPrice",
            "unRealizedProfit",
            "liquidationPrice",
            "isolatedMargin",
            "notional",
            "marginAsset",
            "isolatedWallet",
            "initialMargin",
            "maintMargin",
            "positionInitialMargin",
            "openOrderInitialMargin",
            "adl",
            "bidNotional",
            "askNotional",
            "updateTime",
        ]
    )


def test_a_funded_asset_tells_when_it_was_last_changed():
    """A client in wide use takes an asset with `updateTime` 0 for one that was never initialised."""
    desk = Desk()
    asset, *_ = desk.call("GET /fapi/v3/account")["assets"]
    row, *_ = desk.call("GET /fapi/v3/balance")
    assert asset["updateTime"] == row["updateTime"] == desk.engine.now // 1_000_000


def test_balance_and_config_shapes():
    desk = Desk()
    (row,) = desk.call("GET /fapi/v3/balance")
    assert sorted(row) == sorted(
        [
            "accountAlias",
            "asset",
            "balance",
            "crossWalletBalance",
            "crossUnPnl",
            "availableBalance",
            "maxWithdrawAmount",
            "marginAvailable",
            "updateTime",
        ]
    )
    assert sorted(desk.call("GET /fapi/v1/accountConfig")) == sorted(
        [
            "feeTier",
            "canTrade",
            "canDeposit",
            "canWithdraw",
            "dualSidePosition",
            "updateTime",
            "multiAssetsMargin",
            "tradeGroupId",
        ]
    )
    assert desk.call("GET /fapi/v1/commissionRate", symbol="TENUSDT") == {
        "symbol": "TENUSDT",
        "makerCommissionRate": "0.0002",
        "takerCommissionRate": "0.0005",
        "rpiCommissionRate": "0.0002",
    }
    (row,) = desk.call("GET /fapi/v1/leverageBracket", symbol="TENUSDT")
    assert row["brackets"][0]["initialLeverage"] == 75
    single = Desk(bracket_single_object=True).call("GET /fapi/v1/leverageBracket", symbol="TENUSDT")
    assert single["symbol"] == "TENUSDT"
    assert desk.call("GET /fapi/v1/rateLimit/order")[0]["limit"] == 300


def test_other_cross_positions_count_into_the_liquidation_price():
    desk = Desk(balance="500")
    desk.market(quantity="60")
    alone = D(desk.position()["liquidationPrice"])
    desk.symbol = "SOLUSDT"
    desk.market("SELL", "10")
    desk.move("148.50")
    row = desk.position()
    sol = desk.engine.specs["SOLUSDT"]
    owed = margin.maintenance_margin(sol, 10 * D(row["markPrice"]))
    pnl = D(row["unRealizedProfit"])
    desk.symbol = "TENUSDT"
    price = D(desk.position()["liquidationPrice"])
    assert price > alone
    held = D(desk.position()["entryPrice"])
    ten = desk.engine.specs["TENUSDT"]
    balance = desk.wallet() - owed + pnl + 60 * (price - held)
    assert abs(balance - margin.maintenance_margin(ten, 60 * price)) < D("0.00001")
