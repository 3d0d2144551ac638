"""The swing strategy in scenes: buys by hand, SELLs by lot, and everything that must leave them alone."""

from decimal import Decimal

import pytest

from backstay.core.decisions import Act, Converged
from backstay.core.events import Effect, OperatorAction, OperatorCommand
from backstay.core.lots import Ended
from backstay.core.types import Action, Side
from backstay.strategies.swing.policy import SellWhen, SwingPolicy
from backstay.strategies.swing.states import LotStatus
from backstay.testing.spot_scene import SpotScene

D = Decimal
AT_ONCE = SwingPolicy(sell_when=SellWhen.FILL)


def test_the_worked_case_4_and_6_bought_at_1_2345():
    scene = SpotScene(AT_ONCE)
    order = scene.buy(("4", "1.2345"), ("6", "1.2345"))
    scene.rest()
    assert scene.sells() == [("3.99", "1.2407"), ("5.99", "1.2407")]
    first, second = scene.open_lots()
    assert (first.order_id, second.order_id) == (order, order)
    for request in list(scene.requests):
        scene.fill(request)
    assert not scene.open_lots()
    ended = list(scene.lots.retired.values())
    assert [lot.ended for lot in ended] == [Ended.COMPLETED] * 2
    assert [str(lot.left.normalize()) for lot in ended] == ["0.006", "0.004"]  # dust


def test_target_waits_for_the_price_and_fill_does_not():
    scene = SpotScene(SwingPolicy())
    scene.buy(("10", "1.2345"))
    assert isinstance(scene.rest(), Converged)
    assert scene.sells() == []
    scene.price("1.2406")
    scene.rest()
    assert scene.sells() == []
    scene.price("1.2407")
    scene.rest()
    assert scene.sells() == [("9.99", "1.2407")]


def test_a_price_reached_for_an_earlier_lot_does_not_sell_a_later_one():
    scene = SpotScene(SwingPolicy())
    scene.buy(("10", "1.2"))
    scene.price("1.3")
    scene.rest()
    scene.fill(scene.requests[-1])
    scene.buy(("10", "1.1"))  # the market has come back down: 1.3 is no price any more
    scene.rest()
    assert scene.sells() == []


# --- hands off -------------------------------------------------------------------------------------


def resting(policy=AT_ONCE, **options):
    scene = SpotScene(policy, **options)
    scene.buy(("10", "1.2345"))
    scene.rest()
    assert scene.sells() == [("9.99", "1.2407")]
    return scene


def untouched(scene, sent):
    scene.rest()
    assert len(scene.requests) == sent
    assert scene.sells()[0] == ("9.99", "1.2407")


@pytest.mark.parametrize(
    "other",
    [
        SwingPolicy(profit=D("0.5"), sell_when=SellWhen.FILL),
        SwingPolicy(max_sell_value=D(1), sell_when=SellWhen.FILL),
        SwingPolicy(sell_when=SellWhen.TARGET),
        SwingPolicy(max_resting=1, merge_unsellable=True),
        SwingPolicy(symbols=("ETHUSDC",)),
    ],
)
def test_hands_off_no_other_policy_touches_a_resting_sell(other):
    scene = resting()
    scene.want(other)
    untouched(scene, 1)
    assert scene.state.trusted


def test_hands_off_neither_kill_nor_close_of_the_scope_nor_pause_touches_it():
    scene = resting()
    for action in (OperatorAction.PAUSE, OperatorAction.CLOSE, OperatorAction.KILL, OperatorAction.RESUME):
        scene.fold(OperatorCommand(action=action, who="owner", scope=scene.key))
        untouched(scene, 1)
    scene.fold(OperatorCommand(action=OperatorAction.KILL, who="owner"))
    untouched(scene, 1)
    assert "kill_switch" in scene.account.gates


def test_hands_off_a_restart_keeps_it_and_places_nothing_twice():
    scene = resting()
    scene.recover(first=True)
    assert scene.state.trusted, scene.state.reasons
    untouched(scene, 1)


def test_hands_off_another_epoch_keeps_it():
    scene = resting()
    scene.sell(("500", "1.2"))  # coins that were there before: as a position, the scope is flat now
    assert not scene.state.position.quantity
    epoch = scene.state.epoch
    scene.buy(("10", "1.1"))
    scene.rest()
    assert scene.state.epoch == epoch + 1
    assert all(r.action is Action.PLACE for r in scene.requests)
    assert ("9.99", "1.2407") in scene.sells()


def test_hands_off_an_unanswered_sell_is_not_placed_twice():
    scene = SpotScene(AT_ONCE)
    scene.buy(("10", "1.2345"))
    scene.step()
    for _ in range(5):
        scene.step()
    assert len(scene.requests) == 1


def test_a_sell_cancelled_by_its_owner_is_flagged_and_not_placed_again():
    scene = resting()
    scene.cancel_by_hand(scene.requests[0])
    decision = scene.rest()
    assert scene.sells() == []
    assert any("cancelled by its owner" in note for note in decision.notes)
    assert [x.status for x in scene.statuses()] == [LotStatus.WAITING_FOR_PROFIT]
    assert scene.statuses()[0].reason == "cancelled_by_owner"
    scene.recover(first=True)
    scene.rest()
    assert scene.sells() == []
    scene.fold(OperatorCommand(action=OperatorAction.ACK, who="owner", scope=scene.key))
    scene.rest()
    scene.recover()
    scene.rest()
    assert scene.sells() == [("9.99", "1.2407")]


def test_a_sell_cancelled_while_we_were_away_is_flagged_too():
    scene = resting()
    scene.deaf = True
    scene.cancel_by_hand(scene.requests[0])
    scene.recover(first=True)
    scene.rest()
    assert scene.sells() == []
    assert scene.statuses()[0].reason == "cancelled_by_owner"


def test_sold_by_its_owner_after_taking_the_sell_back_is_closed_by_hand():
    scene = resting()
    scene.cancel_by_hand(scene.requests[0])
    scene.sell(("9.99", "1.3"))
    assert [x.ended for x in scene.lots.retired.values()] == [Ended.CLOSED_BY_HAND]
    scene.rest()
    assert scene.sells() == []


# --- states ----------------------------------------------------------------------------------------


def test_more_than_max_sell_value_is_refused_and_never_split():
    scene = SpotScene(SwingPolicy(sell_when=SellWhen.FILL, max_sell_value=D(10)))
    scene.buy(("10", "1.2345"))
    decision = scene.rest()
    assert scene.requests == []
    assert [(x.status, x.reason) for x in scene.statuses()] == [(LotStatus.UNSELLABLE, "max_sell_value")]
    assert any("unsellable (max_sell_value)" in note for note in decision.notes)


def test_below_the_venues_minimum_is_unsellable_with_its_reason():
    scene = SpotScene(AT_ONCE, min_notional="5")
    scene.buy(("4", "1.2345"), ("0.01", "1.2345"))
    decision = scene.rest()
    assert [(x.status, x.reason) for x in scene.statuses()] == [
        (LotStatus.UNSELLABLE, "notional_below_min"),
        (LotStatus.UNSELLABLE, "quantity_below_min"),
    ]
    assert len([n for n in decision.notes if "unsellable" in n]) == 2


def test_merge_unsellable_sells_small_lots_together_at_the_highest_target():
    scene = SpotScene(SwingPolicy(sell_when=SellWhen.FILL, merge_unsellable=True), min_notional="5")
    scene.buy(("4", "1.2345"))
    scene.rest()
    assert scene.sells() == []
    scene.buy(("2", "1.3"))
    scene.rest()
    assert scene.sells() == [("5.99", "1.3066")]
    assert {x.status for x in scene.statuses()} == {LotStatus.SELL_PLACED}
    scene.fill(scene.requests[0], "4.5")
    assert len(scene.open_lots()) == 2
    scene.fill(scene.requests[0])
    assert [x.ended for x in scene.lots.retired.values()] == [Ended.COMPLETED] * 2
    assert sum(x.sold for x in scene.lots.retired.values()) == D("5.99")


def test_an_unknown_commission_asset_holds_the_lot():
    scene = SpotScene(AT_ONCE, fee_asset="XYZ")
    scene.buy(("10", "1.2345"))
    scene.rest()
    assert scene.requests == []
    assert [(x.status, x.reason) for x in scene.statuses()] == [
        (LotStatus.UNSELLABLE, "unknown_commission_asset")
    ]


def test_a_commission_in_bnb_leaves_the_whole_quantity():
    scene = SpotScene(AT_ONCE, fee_asset="BNB")
    scene.buy(("10", "1.2345"))
    scene.rest()
    assert scene.sells() == [("10.00", "1.2407")]


def test_a_refused_sell_is_not_asked_for_again_and_does_not_hold_the_others():
    scene = SpotScene(AT_ONCE)
    scene.buy(("10", "1.2345"))
    scene.step()
    scene.refuse(Effect.FILTER)
    scene.rest()
    scene.buy(("20", "1.2"))
    scene.rest()
    assert len(scene.requests) == 2
    assert scene.sells() == [("19.98", "1.2061")]
    assert scene.statuses()[0].reason == "refused_by_venue"


def test_more_lots_than_orders_may_rest_go_nearest_first():
    scene = SpotScene(AT_ONCE, max_orders=3)
    for price in ("1.30", "1.10", "1.20", "1.40"):
        scene.buy(("10", price))
    scene.rest()
    assert [price for _, price in scene.sells()] == ["1.1056", "1.2061", "1.3066"]
    scene.fill(next(r for r in scene.requests if r.context.slot.price == D("1.1056")))
    scene.rest()
    assert "1.4071" in [price for _, price in scene.sells()]


def test_old_lots_are_told_of_when_they_become_old():
    scene = SpotScene(SwingPolicy())
    scene.buy(("10", "1.2345"))
    bought = scene.now
    assert scene.plan().wake_at == bought + 36_000 * 10**9
    scene.tick(36_000_000)
    decision = scene.rest()
    assert "lot 1001: old" in decision.notes


# --- away ------------------------------------------------------------------------------------------


def test_buys_while_we_were_away_are_found_and_get_their_sell():
    scene = SpotScene(AT_ONCE)
    scene.buy(("10", "1.2345"))
    scene.rest()
    scene.deaf = True
    scene.buy(("4", "1.1"), ("6", "1.1"))
    scene.recover(first=True)
    assert scene.state.trusted
    scene.rest()
    assert scene.sells() == [("3.99", "1.1056"), ("5.99", "1.1056"), ("9.99", "1.2407")]


def test_a_sell_filled_while_we_were_away_completes_its_lot():
    scene = resting()
    scene.deaf = True
    scene.fill(scene.requests[0])
    scene.recover(first=True)
    assert scene.state.trusted, scene.state.reasons
    assert [x.ended for x in scene.lots.retired.values()] == [Ended.COMPLETED]


def test_a_trade_that_was_not_told_is_noticed_by_its_orders_total_and_read():
    scene = SpotScene(AT_ONCE)
    row = scene.place(Side.BUY, "web_1", D(10), D("1.2345"))
    scene.deaf = True
    row = scene.trade(row, D(4), D("1.2345"))
    scene.deaf = False
    scene.trade(row, D(6), D("1.2345"))
    assert not scene.state.matched
    scene.rest()
    assert scene.requests == []
    scene.tick(1000)
    assert "unmatched_fill" in scene.state.reasons
    scene.recover()
    scene.rest()
    assert scene.sells() == [("3.99", "1.2407"), ("5.99", "1.2407")]


def test_balances_smaller_than_the_lots_hold_every_new_sell():
    scene = SpotScene(SwingPolicy())
    scene.buy(("10", "1.2345"))
    scene.sell(("5", "1.2"))
    decision = scene.rest()
    scene.price("1.5")
    decision = scene.rest()
    assert scene.requests == []
    assert any("holds less TRUMP than its lots" in note for note in decision.notes)
    scene.fold(OperatorCommand(action=OperatorAction.FORGET, who="owner", scope=scene.key, lot=1001))
    scene.rest()
    assert [x.ended for x in scene.lots.retired.values()] == [Ended.CLOSED_BY_HAND]
    assert not scene.open_lots()


# --- the owner's close -----------------------------------------------------------------------------


def test_close_of_one_lot_cancels_its_sell_and_sells_at_market():
    scene = resting()
    scene.buy(("20", "1.2345"))
    scene.rest()
    scene.fold(OperatorCommand(action=OperatorAction.CLOSE, who="owner", scope=scene.key, lot=1001))
    scene.rest()
    assert [r.action for r in scene.requests] == [Action.PLACE, Action.PLACE, Action.CANCEL, Action.PLACE]
    assert scene.lots.retired[1001].ended is Ended.CLOSED_BY_HAND
    assert scene.sells() == [("19.98", "1.2407")]


def test_close_of_one_lot_at_a_limit_rests_there():
    scene = resting()
    scene.fold(
        OperatorCommand(action=OperatorAction.CLOSE, who="owner", scope=scene.key, lot=1001, price=D("1.25"))
    )
    scene.rest()
    assert scene.sells() == [("9.99", "1.2500")]
    sent = len(scene.requests)
    scene.rest()
    assert len(scene.requests) == sent
    scene.fill(scene.requests[-1])
    assert scene.lots.retired[1001].ended is Ended.CLOSED_BY_HAND


def test_what_decides_is_an_act_of_protection_and_waits_for_no_burst():
    scene = SpotScene(AT_ONCE)
    scene.buy(("10", "1.2345"))
    assert isinstance(scene.step(), Act)  # no time has passed since the fill
