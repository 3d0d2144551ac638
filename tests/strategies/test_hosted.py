"""A user's strategy that raises or answers wrongly is unknown: all stays, and the guard goes on."""

from decimal import Decimal

import pytest

from backstay.core.decisions import Wait
from backstay.core.grades import grade
from backstay.core.records import Decided
from backstay.core.slots import SlotKey, Watch, WatchSide
from backstay.core.types import SECOND, OrderType, Role, Side
from backstay.strategies.hosted import Hosted
from backstay.strategies.interface import UserPolicy, Wanted
from backstay.testing import users
from backstay.testing.builders import OPENED_AT, slot, view

GOOD = slot(price="61000", quantity="0.010")


class Answers:
    policy = UserPolicy

    def __init__(self, answer=None):
        self.answer = answer

    def wanted(self, view, policy, now):
        return self.answer(view) if callable(self.answer) else self.answer


def ask(answer):
    return Hosted(Answers(answer), "mine").wanted(view(), UserPolicy(), OPENED_AT)


def wrong(**fields):
    return slot(price="61000", quantity="0.010").__class__(
        **{"key": SlotKey(Role.TP), "side": Side.SELL, "kind": OrderType.LIMIT, **fields}
    )


def test_a_good_answer_passes_untouched():
    answer = Wanted(slots=(GOOD,), notes=("n",), wake_at=OPENED_AT + 5 * SECOND)
    assert ask(answer) is answer


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "it returned NoneType, not Wanted"),
        ([GOOD], "it returned list, not Wanted"),
        (Wanted(slots=[GOOD]), "slots is a list, not a tuple"),
        (Wanted(slots=("TP",)), "a slot is a str, not Slot"),
        (Wanted(slots=(GOOD, GOOD)), "two slots have the key TP/0"),
        (Wanted(slots=(wrong(price=61000.0),)), "TP/0: price is 61000.0, not a finite Decimal"),
        (Wanted(slots=(wrong(quantity=Decimal("NaN")),)), "quantity is Decimal('NaN')"),
        (Wanted(slots=(wrong(side="SELL"),)), "side and kind are 'SELL'"),
        (Wanted(slots=(wrong(key=("TP", 0)),)), "a slot's key is ('TP', 0)"),
        (Wanted(slots=(wrong(lots=[1]),)), "lots is not a tuple"),
        (Wanted(slots=(wrong(leg=wrong(price=1)),)), "price is 1, not a finite Decimal"),
        (Wanted(watches=(Watch(WatchSide.AT_OR_ABOVE, 1.5),)), "a watch is"),
        (Wanted(notes=(1,)), "a note is not a text"),
        (Wanted(wake_at=1.5), "wake_at is 1.5"),
        (Wanted(exit_reason=None), "exit_reason is None, not str"),
        (Wanted(repair_delay=1.5), "repair_delay is 1.5, not int"),
        (Wanted(book="yes"), "book is 'yes', not bool"),
        (Wanted(watches=(Watch("above", Decimal(1)),)), "a watch is"),
    ],
)
def test_an_answer_of_the_wrong_form_is_unknown_and_says_what_is_wrong(answer, said):
    found = ask(answer)
    assert said in found.unknown
    assert found.slots == ()


def test_what_is_raised_is_unknown_and_reads_the_same_in_every_process():
    def fails(view):
        raise ValueError(f"no such thing: {object()}")

    assert (
        ask(fails).unknown
        == "strategy defect: mine failed: ValueError: no such thing: <object object at 0x..>"
    )
    assert len(ask(lambda v: {}["k" * 1000]).unknown) < 250


def test_a_strategy_that_would_end_the_process_holds_its_scope_alone():
    def leaves(view):
        raise SystemExit("enough")

    assert "mine failed: SystemExit: enough" in ask(leaves).unknown


def test_it_is_not_woken_more_often_than_once_a_second():
    assert ask(Wanted(wake_at=OPENED_AT)).wake_at == OPENED_AT + SECOND


def test_a_rule_that_raises_is_unknown_too():
    user = Answers(Wanted(slots=(GOOD,)))
    user.validate = lambda slot, view, policy: 1 / 0
    found = Hosted(user, "mine").wanted(view(), UserPolicy(), OPENED_AT)
    assert "ZeroDivisionError" in found.unknown


class Stop:
    """Two percent below the entry, until the mark price is 62000: then it has a defect."""

    policy = UserPolicy
    broken = False

    def wanted(self, view, policy, now):
        if self.broken:
            raise RuntimeError("a defect")
        if view.direction is None:
            return Wanted()
        trigger = view.average * Decimal("0.98")
        stop = slot(Role.SL, OrderType.STOP_MARKET, trigger=trigger, close_position=True)
        return Wanted(slots=(stop,))


def test_what_rests_stays_while_the_strategy_fails():
    scene = users.futures_scene_of(Stop)
    scene.see(scene.venue.trade_by_hand(Side.BUY, Decimal("0.010"), Decimal(60000)))
    scene.rest()
    sent = len(scene.requests)
    assert sent == 1
    scene.engine.managers[0].strategy.user.broken = True
    scene.tick(5000)
    decision = scene.step()
    assert decision == Wait("strategy defect: Stop failed: RuntimeError: a defect")
    assert grade(Decided(scene.key, decision)) == "bad"
    assert len(scene.requests) == sent
