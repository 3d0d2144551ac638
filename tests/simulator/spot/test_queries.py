"""What an account may ask, and the windows of it (`binance-spot.md` section 5)."""

from decimal import Decimal

from tests.simulator.engine.desk import START
from tests.simulator.spot.desk import SpotDesk, refused

D = Decimal
DAY_MS = 86_400_000
NOW_MS = START // 1_000_000


def test_trades_by_order_by_id_and_by_time():
    desk = SpotDesk()
    orders = []
    for _ in range(3):
        orders.append(desk.market()["orderId"])
        desk.after(10)
    rows = desk.call("GET myTrades", symbol="TENUSDT")
    assert [r["orderId"] for r in rows] == orders
    assert set(rows[0]) == {
        "symbol",
        "id",
        "orderId",
        "orderListId",
        "price",
        "qty",
        "quoteQty",
        "commission",
        "commissionAsset",
        "time",
        "isBuyer",
        "isMaker",
        "isBestMatch",
    }

    def ids(**params):
        return [r["id"] for r in desk.call("GET myTrades", symbol="TENUSDT", **params)]

    first, second, third = (r["id"] for r in rows)
    assert ids(orderId=orders[1]) == [second]
    assert ids(fromId=second) == [second, third]
    assert ids(fromId=first, limit=1) == [first]
    assert ids(limit=1) == [third]
    assert ids(startTime=NOW_MS + 5_000, endTime=NOW_MS + 15_000) == [second]
    with refused(-1127):
        ids(startTime=NOW_MS - 2 * DAY_MS, endTime=NOW_MS)
    with refused(-1128):
        ids(startTime=NOW_MS, fromId=first)


def test_all_orders_by_id_and_window():
    desk = SpotDesk()
    numbers = [desk.place(price="90", quantity="1")["orderId"] for _ in range(3)]
    rows = desk.call("GET allOrders", symbol="TENUSDT", orderId=numbers[1])
    assert [r["orderId"] for r in rows] == numbers[1:]
    assert [r["orderId"] for r in desk.call("GET allOrders", symbol="TENUSDT", limit=1)] == numbers[2:]
    assert desk.call("GET allOrders", symbol="BTCUSDT") == []


def test_an_unfilled_order_of_long_ago_is_archived():
    desk = SpotDesk()
    number = desk.place(price="90", quantity="1")["orderId"]
    desk.cancel(orderId=number)
    desk.after(91 * 86_400)
    with refused(-2026):
        desk.order(number)
    with refused(-2013):
        desk.order(5)
    assert desk.call("GET allOrders", symbol="TENUSDT") == []


def test_queries_lag_where_a_fault_says_so():
    desk = SpotDesk()
    desk.engine.faults.lag_ns.update(orders=2_000_000_000, trades=2_000_000_000, balances=2_000_000_000)
    desk.after(10)
    number = desk.market(quantity="1")["orderId"]
    with refused(-2013):
        desk.order(number)
    assert desk.call("GET myTrades", symbol="TENUSDT") == []
    assert desk.balance("TEN")[0] == 50
    opened = desk.call("GET account")["updateTime"]
    desk.after(3)
    assert desk.order(number)["status"] == "FILLED"
    assert desk.balance("TEN")[0] > 50
    told = desk.events("outboundAccountPosition")[-1]
    assert opened < desk.call("GET account")["updateTime"] == told["u"]


def test_balances_without_the_empty_ones():
    desk = SpotDesk()
    row = desk.call("GET account", omitZeroBalances=True)
    assert {b["asset"] for b in row["balances"]} == {"USDT", "TEN"}
    assert (row["accountType"], row["canTrade"], row["makerCommission"]) == ("SPOT", True, 10)


def test_the_owner_acts_by_hand():
    desk = SpotDesk()
    made = desk.engine.human(
        "a", {"do": "order", "symbol": "TENUSDT", "side": "BUY", "type": "MARKET", "quantity": 2}, START
    )
    assert made["status"] == "FILLED"
    rest = desk.engine.human("a", {"do": "deposit", "asset": "USDC", "amount": "5"}, START)
    assert rest["free"] == "5"
    update = desk.events("balanceUpdate")[0]
    assert (update["a"], update["d"]) == ("USDC", "5.00000000")
    desk.engine.human("a", {"do": "lock", "asset": "USDC", "amount": "2"}, START)
    assert desk.balance("USDC") == (3, 2)
    assert desk.events("externalLockUpdate")[0]["d"] == "2.00000000"
    desk.engine.human(
        "a",
        {
            "do": "oco",
            "symbol": "TENUSDT",
            "side": "SELL",
            "quantity": 1,
            "aboveType": "LIMIT_MAKER",
            "abovePrice": 110,
            "belowType": "STOP_LOSS",
            "belowStopPrice": 90,
        },
        START,
    )
    assert {o["origin"] for o in desk.engine.truth("a")["orders"]} == {"human"}
    desk.engine.human("a", {"do": "cancel", "symbol": "TENUSDT"}, START)
    sold = desk.engine.human("a", {"do": "close", "symbol": "TENUSDT"}, START)
    assert sold["executedQty"] == "51.90000000"
    with refused(-1130):
        desk.engine.human("a", {"do": "leverage"}, START)
