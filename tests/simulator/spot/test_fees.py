"""Commissions in base, quote and BNB, with BNB running out in the middle (`binance-spot.md` 7 and 10)."""

from decimal import Decimal

from tests.simulator.engine.desk import quote
from tests.simulator.spot.desk import SpotDesk

D = Decimal


def test_the_worked_case_of_two_partial_fills():
    desk = SpotDesk(funds={"TRUMP": D(0), "USDC": D(100)})
    desk.engine.change_spec("TRUMPUSDC", desk.engine.now, tick=D("0.0001"), step=D("0.01"), min_notional=D(1))
    ticks = []
    for qty in ("4", "6"):
        desk.move("1.2345", "TRUMPUSDC")
        ticks.append(desk.place(symbol="TRUMPUSDC", price="1.2346", quantity=qty)["fills"])
    fees = [D(f["commission"]) for fills in ticks for f in fills]
    assert fees == [D("0.004"), D("0.006")]
    assert desk.balance("TRUMP")[0] == D("9.99")


def test_bnb_pays_with_a_discount():
    desk = SpotDesk(funds={"BNB": D(1)}, burns_bnb=True)
    fill = desk.market(quantity="10")["fills"][0]
    value = D(fill["price"]) * 10 * D("0.001") * D("0.75") / D("655.00")
    assert (fill["commissionAsset"], D(fill["commission"])) == ("BNB", value.quantize(D("0.00000001")))
    assert desk.balance("TEN")[0] == 60
    touched = [b["a"] for e in desk.events("outboundAccountPosition") for b in e["B"]]
    assert set(touched) == {"TEN", "USDT", "BNB"}


def test_bnb_runs_out_in_the_middle_of_an_order():
    ticks = [quote(0, "99.99", "100.00", qty="5")]
    desk = SpotDesk(funds={"BNB": D("0.0006")}, burns_bnb=True, ticks=ticks)
    desk.after(1)
    fills = desk.place(price="101", quantity="10")["fills"]
    assert [f["commissionAsset"] for f in fills] == ["BNB", "TEN"]
    assert D(fills[1]["commission"]) == D(fills[1]["qty"]) * D("0.001")
    assert desk.balance("BNB")[0] == D("0.0006") - D(fills[0]["commission"])


def test_a_sell_falls_back_to_quote():
    desk = SpotDesk(burns_bnb=True)
    assert desk.market("SELL")["fills"][0]["commissionAsset"] == "USDT"


def test_a_buy_of_bnb_pays_with_what_it_brings():
    desk = SpotDesk(burns_bnb=True)
    fill = desk.market(symbol="BNBUSDT", quantity="1")["fills"][0]
    assert fill["commissionAsset"] == "BNB"
    assert D(fill["commission"]) == D("0.00075")


def test_rates_belong_to_account_and_symbol():
    desk = SpotDesk()
    desk.engine.change_rates("a", "TENUSDT", D("0.0002"), D("0.0004"))
    fill = desk.market(quantity="10")["fills"][0]
    assert D(fill["commission"]) == D("0.004")
    rates = desk.call("GET account/commission", symbol="TENUSDT")
    assert rates["standardCommission"]["taker"] == "0.00040000"
    assert rates["discount"] == {
        "enabledForAccount": False,
        "enabledForSymbol": True,
        "discountAsset": "BNB",
        "discount": "0.25000000",
    }
    assert (
        desk.call("GET account/commission", symbol="BTCUSDT")["standardCommission"]["taker"] == "0.00100000"
    )
