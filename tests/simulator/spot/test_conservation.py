"""Nothing is lost: balances, locks, trades and events agree whatever happens; same seed, same story."""

import json
from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backstay.simulator.errors import Refusal

from tests.simulator.spot.desk import FUNDS, SpotDesk

D = Decimal
sizes = st.integers(1, 80).map(lambda n: str(D(n) / 10))
prices = st.integers(80, 120).map(str)
sides = st.sampled_from(["BUY", "SELL"])
kinds = st.sampled_from(["STOP_LOSS", "TAKE_PROFIT"])
modes = st.sampled_from(["NONE", "EXPIRE_MAKER", "EXPIRE_TAKER", "EXPIRE_BOTH", "DECREMENT"])
tifs = st.sampled_from(["GTC", "GTC", "IOC", "FOK"])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("market"), sides, sizes),
        st.tuples(st.just("quote"), sides, sizes),
        st.tuples(st.just("limit"), sides, sizes, prices, modes, tifs),
        st.tuples(st.just("stop"), sides, sizes, kinds, prices),
        st.tuples(st.just("stop limit"), sides, sizes, kinds, prices, prices),
        st.tuples(st.just("trail"), sides, sizes, kinds),
        st.tuples(st.just("oco"), sizes, prices, prices),
        st.tuples(st.just("buy oco"), sizes, prices, prices),
        st.tuples(st.just("otoco"), sizes, prices),
        st.tuples(st.just("opo"), sizes, prices),
        st.tuples(st.just("replace"), sizes, prices),
        st.tuples(st.just("amend"), sizes),
        st.tuples(st.just("cancel")),
        st.tuples(st.just("move"), prices),
        st.tuples(st.just("partial"), sizes),
    ),
    max_size=25,
)


def act(desk, step):
    kind, *rest = step
    match kind, rest:
        case "market", [side, size]:
            desk.market(side, size)
        case "quote", [side, size]:
            desk.market(side, None, quoteOrderQty=str(D(size) * 100))
        case "limit", [side, size, price, mode, tif]:
            desk.place(side, price=price, quantity=size, selfTradePreventionMode=mode, timeInForce=tif)
        case "stop", [side, size, kind, price]:
            desk.place(side, kind, quantity=size, stopPrice=price)
        case "stop limit", [side, size, kind, stop, price]:
            desk.place(side, kind + "_LIMIT", quantity=size, stopPrice=stop, price=price)
        case "trail", [side, size, kind]:
            desk.place(side, kind, quantity=size, trailingDelta=300)
        case "oco", [size, above, below]:
            desk.bracket(quantity=size, abovePrice=above, belowStopPrice=below)
        case "buy oco", [size, above, below]:
            legs = {"aboveType": "STOP_LOSS", "aboveStopPrice": above} | {
                "belowType": "LIMIT_MAKER",
                "belowPrice": below,
            }
            desk.oco("BUY", size, **legs)
        case "otoco" | "opo", [size, price]:
            working = {"workingType": "LIMIT", "workingSide": "BUY", "workingTimeInForce": "GTC"}
            working |= {"symbol": "TENUSDT", "workingPrice": price, "workingQuantity": size}
            pending = {"pendingType": "STOP_LOSS", "pendingStopPrice": "81"}
            if kind == "otoco":
                pending = {f"pendingBelow{k[7:]}": v for k, v in pending.items()}
                pending |= {"pendingAboveType": "LIMIT_MAKER", "pendingAbovePrice": "118"}
                pending |= {"pendingSide": "SELL", "pendingQuantity": size}
            desk.call(f"POST orderList/{kind}", **(working | pending))
        case "replace", [size, price]:
            for row in desk.call("GET openOrders")[:1]:
                desk.call(
                    "POST order/cancelReplace",
                    symbol="TENUSDT",
                    side=row["side"],
                    type="LIMIT",
                    timeInForce="GTC",
                    quantity=size,
                    price=price,
                    cancelReplaceMode="ALLOW_FAILURE",
                    cancelOrderId=row["orderId"],
                )
        case "amend", [size]:
            for row in desk.call("GET openOrders")[:1]:
                number = row["orderId"]
                path = "PUT order/amend/keepPriority"
                desk.call(path, symbol="TENUSDT", orderId=number, newQty=size)
        case "cancel", []:
            for row in desk.call("GET openOrders")[:1]:
                desk.cancel(orderId=row["orderId"])
        case "move", [price]:
            desk.move(price)
        case "partial", [size]:
            desk.engine.faults.max_fill_qty["TENUSDT"] = D(size)


def play(script, burns, seed=3):
    desk = SpotDesk(burns_bnb=burns, funds={"BNB": D("0.002")}, seed=seed)
    for step in script:
        try:
            act(desk, step)
        except Refusal as refused:
            assert refused.code in {-2010, -1013, -2021, -2022, -2038, -2011}, refused
        check_locks(desk)
    return desk


def check_locks(desk):
    """What is locked is what the open orders hold, and a finished order holds nothing."""
    held = {}
    for order in desk.engine._world.orders.all_of("a"):
        assert order.lock >= 0
        assert order.open or not order.lock
        held[order.lock_asset] = held.get(order.lock_asset, D(0)) + order.lock
    for asset, row in desk.engine._world.accounts["a"].balances.items():
        assert row.locked == held.get(asset, D(0)), asset
        assert row.free >= 0


def check_money(desk):
    """Every balance is the opening one plus what the trades moved."""
    owner = desk.engine._world.accounts["a"]
    expected = {asset: D(amount) for asset, amount in (FUNDS | {"BNB": D("0.002")}).items()}
    for trade in owner.trades:
        sign = 1 if trade.buys else -1
        expected["TEN"] += sign * trade.qty
        expected["USDT"] -= sign * trade.qty * trade.price
        expected[trade.fee_asset] -= trade.fee
    for asset, amount in expected.items():
        row = owner.balances[asset]
        assert row.free + row.locked == amount, asset


def check_events(desk):
    """Each order's last report agrees with its query; the last balances told agree with the account."""
    last, told = {}, {}
    moment = 0
    for event in desk.events():
        assert event["E"] >= moment
        moment = event["E"]
        if event["e"] == "executionReport":
            last[event["i"]] = event
        elif event["e"] == "outboundAccountPosition":
            told |= {row["a"]: (D(row["f"]), D(row["l"])) for row in event["B"]}
    for row in desk.call("GET allOrders", symbol="TENUSDT", limit=1000):
        event = last[row["orderId"]]
        assert (event["X"], event["z"], event["Z"]) == (
            row["status"],
            row["executedQty"],
            row["cummulativeQuoteQty"],
        )
        assert D(row["executedQty"]) <= D(row["origQty"])
    for asset, pair in told.items():
        assert desk.balance(asset) == pair
    for group in desk.engine._world.orders.lists_of("a"):
        assert group.done == (not any(leg.open for leg in group.legs))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps, st.booleans())
def test_balances_locks_trades_and_events_agree(script, burns):
    desk = play(script, burns)
    check_money(desk)
    check_events(desk)


@settings(max_examples=15, deadline=None)
@given(steps)
def test_the_same_seed_tells_the_same_story(script):
    first, second = (json.dumps(play(script, burns=True).events()) for _ in range(2))
    assert first == second
