"""The lots of the page are those of the strategy, the ones first that a person may have to do with."""

import msgspec

from backstay.app.lot_figures import held_lots, lot_figures
from backstay.app.lot_table import ENDED_MOST, SHOWN_MOST, lot_table
from backstay.strategies.by_lot import free, sells
from backstay.strategies.swing.policy import SellWhen, SwingPolicy
from backstay.testing.spot_scene import SpotScene

from tests.counting import steps_of

SYMBOL = "TRUMPUSDC"


def policy(**changes):
    return SwingPolicy(symbols=(SYMBOL,), sell_when=SellWhen.FILL, **changes)


def table(scene):
    return lot_table(scene.account, scene.engine, scene.now)


def test_a_row_says_what_the_strategy_says_of_the_lot():
    scene = SpotScene(policy())
    scene.buy(("4", "1.2345"), ("6", "1.2345"), ("0.5", "1.3"))
    scene.rest()
    scene.fill(scene.requests[0])
    found = table(scene)
    assert found["more"] == 0
    assert [row["status"] for row in found["open"]] == ["UNSELLABLE", "SELL_PLACED"]
    small, placed = found["open"]
    assert small["reason"] == "notional_below_min"
    assert (placed["quantity"], placed["buy_price"], placed["target"]) == ("5.994", "1.2345", "1.2407")
    assert placed["sell_order"] == scene.requests[1].ctx_id
    states = {f"{SYMBOL}-LOT-{s.lot.trade_id}": s for s in scene.statuses()}
    for row in found["open"]:
        assert (row["status"], row["reason"] or "") == (states[row["id"]].status, states[row["id"]].reason)
    (ended,) = found["ended"]
    assert (ended["status"], ended["quantity"], ended["sell_price"]) == ("COMPLETED", "3.99", "1.2407")
    assert ended["held"] >= 0


def test_flagged_lots_come_first_and_what_is_not_shown_is_counted():
    scene = SpotScene(policy(), balances={"USDC": 10**7})
    scene.buy(*[("10", "1.2345")] * (SHOWN_MOST + 30))
    scene.rest()
    scene.cancel_by_hand(scene.requests[-1])
    found = table(scene)
    assert len(found["open"]) == SHOWN_MOST
    assert found["more"] == 30
    assert found["open"][0]["flagged"]
    assert found["open"][0]["reason"] == "cancelled_by_owner"
    ages = [row["bought_at"] for row in found["open"][1:]]
    assert ages == sorted(ages), "oldest first"
    assert lot_figures(held_lots(scene.account, scene.engine, scene.now))["flagged"] == 1


def test_the_newest_of_the_ended_lots_are_shown():
    scene = SpotScene(policy())
    scene.buy(*[("10", "1.2345")] * (ENDED_MOST + 2))
    scene.rest()
    for request in list(scene.requests):
        scene.tick(1000)
        scene.fill(request)
    found = table(scene)
    assert len(found["ended"]) == ENDED_MOST
    times = [row["ended_at"] for row in found["ended"]]
    assert times == sorted(times, reverse=True)


class Patient:
    name = "patient.py:Patient"

    def wanted(self, view, policy, _now):
        return sells(view, ((lot, lot.price * 2) for lot in free(view)))


class Nothing(msgspec.Struct, frozen=True):
    symbols: tuple[str, ...] = (SYMBOL,)


def test_lots_of_any_strategy_by_lot_are_shown_and_counted():
    scene = SpotScene(Nothing(), strategy=Patient())
    scene.buy(("10", "1"), ("0.005", "1"))
    scene.rest()
    statuses = {row["quantity"]: (row["status"], row["target"]) for row in table(scene)["open"]}
    assert statuses == {"9.99": ("SELL_PLACED", "2"), "0.004995": ("UNSELLABLE", None)}
    assert lot_figures(held_lots(scene.account, scene.engine, scene.now))["sell_placed"] == 1


def test_the_page_does_not_look_at_every_lot():
    def cost(count):
        scene = SpotScene(SwingPolicy(symbols=(SYMBOL,)), balances={"USDC": 10**8})
        scene.buy(*[("10", "1.2345")] * count)
        table(scene)
        return steps_of(lambda: table(scene))

    assert cost(2000) == cost(100)
