"""The position manager's keys on spot: the same words as on futures, and those that make no sense named."""

import pytest

from backstay.app.errors import ConfigError
from backstay.app.managers import parse_manager, parse_managers
from backstay.app.words import decision
from backstay.core.types import Direction, Product
from backstay.strategies.position_manager.policy import StopKind

from tests.core.pairs import held

WHERE = "managers[0]"
HOLDING = {
    "strategy": "position_manager",
    "product": "spot",
    "symbols": ["TRUMPUSDC"],
    "stop_loss": {"distance": "5%"},
    "take_profit": {"levels": [{"distance": "2%"}]},
    "break_even": {"trigger": "1%", "offset": "0.05%"},
    "time_stop": {"after": "24h"},
    "manual_cancel_policy": "pause",
    "on_external_position": "review",
}


def test_the_words_of_futures_are_understood_with_the_defaults_of_spot():
    found = parse_manager(HOLDING, WHERE)
    policy = found.policy
    assert (policy.stop_loss.kind, policy.stop_loss.trail_as) == (StopKind.FIXED_QTY, StopKind.FIXED_QTY)
    assert policy.sides == (Direction.LONG,)
    assert not policy.stop_loss.close_position_fallback
    manager = found.manager()
    assert (manager.product, manager.by_lot, manager.directions) == (
        Product.SPOT,
        False,
        frozenset({Direction.LONG}),
    )
    assert found.warnings == ()


def test_nothing_but_the_product_and_a_name_is_needed():
    found = parse_manager({k: HOLDING[k] for k in ("strategy", "product", "symbols")}, WHERE)
    assert found.policy.stop_loss.enabled and found.policy.take_profit.enabled


@pytest.mark.parametrize("kind", ["fixed_qty", "stop_limit", "trailing_local"])
def test_the_kinds_that_spot_has(kind):
    found = parse_manager({**HOLDING, "stop_loss": {"kind": kind}}, WHERE)
    assert found.policy.stop_loss.kind == kind


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ({"dca": {"steps": 1, "first_deviation": "1%", "first_size": "1"}}, "dca"),
        ({"sides": ["LONG", "SHORT"]}, "sides"),
        ({"accept_external_sl": True}, "accept_external_sl"),
        ({"on_external_position": "ignore"}, "on_external_position"),
        ({"stop_loss": {"kind": "close_position"}}, "stop_loss.kind"),
        ({"stop_loss": {"kind": "trailing"}}, "stop_loss.kind"),
        ({"stop_loss": {"trail_as": "close_position"}}, "stop_loss.trail_as"),
        ({"stop_loss": {"working_type": "MARK_PRICE"}}, "stop_loss.working_type"),
        ({"stop_loss": {"bridge": True}}, "stop_loss.bridge"),
        ({"stop_loss": {"price_protect": True}}, "stop_loss.price_protect"),
        ({"take_profit": {"working_type": "MARK_PRICE"}}, "take_profit.working_type"),
        ({"take_profit": {"merge": "nearer"}}, "take_profit.merge"),
        ({"take_profit": {"levels": [{"distance": "1%"}, {"distance": "2%"}]}}, "take_profit.levels"),
        ({"take_profit": {"levels": [{"distance": "1%", "share": "50%"}]}}, "take_profit.levels"),
        ({"break_even": {"trigger": "1%", "be_source": "exchange"}}, "break_even.be_source"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_name(more, key):
    with pytest.raises(ConfigError) as refused:
        parse_manager({**HOLDING, **more}, WHERE)
    assert str(refused.value).startswith(f"{WHERE}.{key}")
    assert "spot" in str(refused.value)


def test_symbols_have_to_be_named():
    with pytest.raises(ConfigError, match=r"managers\[0\].symbols"):
        parse_manager({**HOLDING, "symbols": []}, WHERE)


def test_a_symbol_has_one_strategy_per_product():
    futures = {"strategy": "position_manager", "symbols": ["TRUMPUSDC"]}
    assert len(parse_managers([HOLDING, futures])) == 2
    with pytest.raises(ConfigError, match="a symbol has one manager"):
        parse_managers([HOLDING, {"strategy": "swing", "symbols": ["TRUMPUSDC"]}])


def test_futures_keep_their_own_defaults():
    found = parse_manager({"strategy": "position_manager", "symbols": ["BTCUSDT"]}, WHERE)
    assert found.policy.stop_loss.kind is StopKind.CLOSE_POSITION
    assert len(found.policy.sides) == 2


def test_a_list_is_told_as_one_order_with_both_of_its_legs():
    text = decision(held().plan().decision)
    assert "take-profit SELL 9.99 at 1.3 and " in text, text
    assert text.partition(" (")[0].endswith("SELL 9.99 at 1.1 as one order list")
