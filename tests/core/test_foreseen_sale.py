"""What is foreseen of a resting BUY: the SELL of its lot, and only where it will surely be asked for."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from backstay.core.events import BalanceRow
from backstay.core.foreseen_sale import NEXT_LOT, foresee_sale
from backstay.core.next_sale import of_lot
from backstay.core.state import Block, Gate
from backstay.core.types import ExecutionType, OrderType, Side
from backstay.strategies.swing.policy import SellWhen, SwingPolicy
from backstay.testing.spot import BASE, QUOTE
from backstay.testing.spot_scene import SpotScene

D = Decimal
BUY, SELL = Side.BUY, Side.SELL


def scene_of(*, lots=1, **options):
    """A scene that sells at once, and has bought before: each lot has its SELL resting."""
    policy = SwingPolicy(
        symbols=("TRUMPUSDC",), sell_when=SellWhen.FILL, max_resting=options.pop("max_resting", 0)
    )
    scene = SpotScene(policy, **options)
    for _ in range(lots):
        scene.buy(("4", "1.3"))
        scene.rest()
    return scene


def resting(scene, quantity="4", price="1.2", name="web_2", **options):
    row = scene.place(BUY, name, D(quantity), D(price), **options)
    scene.tick(300)
    return row


def foreseen(scene, account=None, engine=None):
    return foresee_sale(account or scene.account, scene.key, engine or scene.engine, scene.now)


def report(scene, row, quantity=None, price=None, **changes):
    """What the venue tells of a fill of `row`, unheard as yet."""
    scene.deaf = True
    told = scene.trade(row, D(quantity) if quantity else row.quantity - row.filled, D(price or row.price))
    scene.deaf = False
    return replace(told, **{"maker": True, **changes})


def fits(scene, forecast, event):
    return forecast.is_filled_by(event) and forecast.holds(scene.account, event)


def asked(scene, event):
    """What the pass asks for that follows the event."""
    scene.fold(event)
    return [x.intent.slot for x in scene.plan().approved]


@pytest.mark.parametrize("lots", [0, 1, 3])
@pytest.mark.parametrize(("asset", "fee"), [(BASE, "0.001"), ("BNB", "0.001"), (BASE, "0"), (QUOTE, "0")])
def test_the_sell_that_is_foreseen_is_the_one_that_the_pass_asks_for(asset, fee, lots):
    scene = scene_of(fee=fee, fee_asset=asset, lots=lots)
    row = resting(scene)
    forecast, event = foreseen(scene), report(scene, row)
    if lots or asset == BASE or fee == "0":
        assert fits(scene, forecast, event)
        assert asked(scene, event) == [of_lot(forecast.answer.intent.slot, event.trade_id)]
    else:
        assert not fits(scene, forecast, event), "nothing has told yet in what commissions are taken"


def test_the_rest_of_an_order_is_foreseen_after_a_part_of_it():
    scene = scene_of()
    row = resting(scene, "10")
    first = report(scene, row, "6")
    assert not fits(scene, foreseen(scene), first), "a part is another lot than the whole"
    scene.fold(first)
    scene.rest()
    forecast, event = foreseen(scene), report(scene, scene.rows[row.order_id])
    assert event.last_qty == 4
    assert fits(scene, forecast, event)
    assert asked(scene, event) == [of_lot(forecast.answer.intent.slot, event.trade_id)]


@pytest.mark.parametrize(
    "changes",
    [
        {"last_price": D("1.19")},
        {"last_qty": D(3)},
        {"filled": D(3)},
        {"maker": False},
        {"commission": D("0.005")},
        {"commission_asset": "BNB"},
        {"commission": D(0)},
        {"trade_id": 1001},
        {"order_id": 99},
        {"symbol": "TRUMPUSDT"},
        {"execution": ExecutionType.SNAPSHOT},
        {"at": 1},
    ],
    ids="-".join,
)
def test_any_other_fill_was_not_foreseen(changes):
    scene = scene_of()
    row = resting(scene)
    assert not fits(scene, foreseen(scene), report(scene, row, **changes))


def test_of_a_commission_in_a_third_asset_the_amount_moves_no_target():
    scene = scene_of(fee_asset="BNB")
    row = resting(scene)
    forecast = foreseen(scene)
    event = report(scene, row, commission=D("0.1234"))
    assert fits(scene, forecast, event)
    assert asked(scene, event) == [of_lot(forecast.answer.intent.slot, event.trade_id)]


def test_where_the_policy_does_not_say_so_the_amount_counts():
    scene = scene_of(fee_asset="BNB")
    scene.want(replace(scene.policy, fee_assets=()))
    row = resting(scene)
    assert foreseen(scene) is None, "and a commission of unknown worth makes its lot unsellable"
    assert not asked(scene, report(scene, row))


def changed_of(scene):
    account, row = scene.account, BalanceRow(BASE, D(1), D(1))
    other = replace(scene.state, scope=replace(scene.key, symbol="TRUMPUSDT"))
    return {
        "state": replace(account, scopes={scene.key: replace(scene.state, retry_at=1)}),
        "gate": replace(account, gates={"operator_pause": Gate("x", 1, 0)}),
        "fee": replace(account, maker_fee=D("0.002")),
        "balance": replace(account, balances={**account.balances, BASE: row}),
        "connection": replace(account, connected=False),
        "another scope": replace(account, scopes={**account.scopes, other.scope: other}),
        "later balances": replace(account, balances_at=scene.now + 10**9),
    }


@pytest.mark.parametrize("what", sorted(changed_of(scene_of())))
def test_a_forecast_is_void_once_anything_it_read_has_changed(what):
    scene = scene_of()
    row = resting(scene)
    forecast, event = foreseen(scene), report(scene, row)
    assert forecast.holds(scene.account, event)
    assert not forecast.holds(changed_of(scene)[what], event)


def test_balances_of_the_same_millisecond_are_those_of_another_trade():
    scene = scene_of()
    row = resting(scene)
    forecast, event = foreseen(scene), report(scene, row)
    scene.account = replace(scene.account, balances_at=event.at)
    assert fits(scene, forecast, event)
    assert asked(scene, event) == [of_lot(forecast.answer.intent.slot, event.trade_id)]


def test_while_coins_are_missing_balances_of_the_same_millisecond_may_show_the_trade():
    scene = scene_of()
    row = resting(scene)
    lots = replace(scene.lots, lacking=D("0.001"))
    scene.account = replace(scene.account, scopes={scene.key: replace(scene.state, lots=lots)})
    forecast, event = foreseen(scene), report(scene, row)
    assert forecast.holds(scene.account, event)
    assert not forecast.holds(replace(scene.account, balances_at=event.at), event)


def test_of_several_buys_the_highest_is_foreseen_and_of_equals_the_first():
    scene = scene_of()
    for price, name in (("1.1", "a"), ("1.2", "b"), ("1.2", "c"), ("1.15", "d")):
        resting(scene, price=price, name=name)
    assert foreseen(scene).order == "b"


def test_a_stop_that_was_not_triggered_is_no_buy_yet():
    scene = scene_of()
    resting(scene, trigger=D("1.5"), kind=OrderType.STOP)
    assert foreseen(scene) is None


@pytest.mark.parametrize("what", ["trust", "flatten_since", "blocks"])
def test_nothing_is_foreseen_for_a_scope_that_is_not_at_rest(what):
    scene = scene_of()
    resting(scene)
    block = Block(key=None, effect="x", since=1, until=0, position=D(0))
    s = replace(scene.state, **{what: {"trust": "STALE", "flatten_since": 1, "blocks": (block,)}[what]})
    assert foreseen(scene, replace(scene.account, scopes={scene.key: s})) is None


def test_nothing_is_foreseen_where_a_lot_waits_for_its_price_or_nobody_manages():
    scene = scene_of()
    resting(scene)
    assert foreseen(scene, engine=replace(scene.engine, managers=())) is None
    scene.want(replace(scene.policy, sell_when=SellWhen.TARGET))
    assert foreseen(scene) is None


def test_nothing_is_foreseen_while_as_many_orders_rest_as_may():
    scene = scene_of(max_resting=1)
    resting(scene)
    assert foreseen(scene) is None


def test_nothing_is_foreseen_while_coins_are_missing():
    scene = scene_of()
    scene.account = replace(
        scene.account, balances={**scene.account.balances, BASE: BalanceRow(BASE, D(1), D(1))}
    )
    scene.account = replace(scene.account, balances_at=scene.now + 1)
    scene.tick(300)
    resting(scene)
    assert foreseen(scene) is None


def test_without_a_buy_there_is_nothing_to_foresee():
    scene = scene_of()
    assert foreseen(scene) is None
    resting(scene)
    assert foreseen(scene).answer.intent.slot.lots == (NEXT_LOT,)
    assert foresee_sale(scene.account, replace(scene.key, symbol="X"), scene.engine, scene.now) is None
