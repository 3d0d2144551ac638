"""The milestones of positions: each told once, however the change became known."""

from decimal import Decimal

from backstay.core.state import Position, ScopeState
from backstay.core.types import PositionSide, Product, Scope
from backstay.runtime.lives import Lives

KEY = Scope(Product.USDM, "BTCUSDT", PositionSide.BOTH)


def scope(epoch, quantity):
    return ScopeState(
        scope=KEY,
        epoch=epoch,
        position=Position(quantity=Decimal(quantity), entry_price=Decimal(60000)),
    )


def told_of(*states, before=None):
    heard = []
    lives = Lives(lambda note, cause: heard.append((note.what, note.detail["position"])), before or {})
    for state in states:
        lives.tell(state, 1)
    return heard


def test_a_position_is_opened_and_closed_once_however_often_it_is_looked_at():
    held = scope(1, "0.01")
    flat = scope(1, "0")
    assert told_of(held, held, scope(1, "0.02"), flat, flat) == [
        ("position_opened", "BTCUSDT-BOTH-1"),
        ("position_closed", "BTCUSDT-BOTH-1"),
    ]


def test_a_flip_ends_one_and_begins_another():
    assert told_of(scope(1, "0.01"), scope(2, "-0.01"))[1:] == [
        ("position_closed", "BTCUSDT-BOTH-1"),
        ("position_opened", "BTCUSDT-BOTH-2"),
    ]


def test_a_position_that_came_and_went_between_two_looks_has_both_its_milestones():
    assert told_of(scope(1, "0"), scope(2, "0"), before={KEY: scope(1, "0")}) == [
        ("position_opened", "BTCUSDT-BOTH-2"),
        ("position_closed", "BTCUSDT-BOTH-2"),
    ]


def test_what_the_process_before_had_no_time_to_tell_is_told_by_the_next():
    assert told_of(scope(1, "0"), before={KEY: scope(1, "0.01")}) == [("position_closed", "BTCUSDT-BOTH-1")]
    assert told_of(scope(1, "0.01"), before={KEY: scope(1, "0.01")}) == []


def test_another_account_begins_anew():
    assert told_of(scope(1, "0.01"), before={KEY: scope(7, "0.01")}) == [
        ("position_opened", "BTCUSDT-BOTH-1")
    ]
