"""What is asked before a lot is sold by hand."""

from decimal import Decimal

import pytest

from backstay.app.closing_lots import doubt
from backstay.app.errors import ConfigError, RefusedError
from backstay.cli import positions

ROW = {
    "id": "TRUMPUSDC-LOT-1001",
    "symbol": "TRUMPUSDC",
    "quantity": "9.99",
    "buy_price": "1.2345",
    "target": "1.2407",
    "mark_price": "1.25",
    "status": "SELL_PLACED",
    "reason": None,
    "trade_id": 1001,
}


@pytest.mark.parametrize(
    ("changes", "limit", "why"),
    [
        ({}, None, ""),
        ({"mark_price": "1.2407"}, None, ""),
        ({"mark_price": "1.2406"}, None, "below its target"),
        ({"mark_price": None}, None, "no price"),
        ({}, "1.2407", ""),
        ({"mark_price": "1.0"}, "1.2407", ""),
        ({}, "1.2406", "1.2406 is below its target 1.2407"),
        (
            {"target": None, "status": "UNSELLABLE", "reason": "unknown_commission_asset"},
            None,
            "unknown_comm",
        ),
    ],
)
def test_below_its_target_a_lot_is_sold_with_force_alone(changes, limit, why):
    said = doubt({**ROW, **changes}, Decimal(limit) if limit else None)
    assert (why in said) if why else (said == "")


def test_an_ended_lot_is_refused():
    with pytest.raises(RefusedError, match="nothing left"):
        doubt({**ROW, "status": "COMPLETED"}, None)


def ask(monkeypatch, answer, row=None, *, force=False, yes=False, market_price=False, limit=None):
    asked = []

    def confirm(question, *, yes):
        asked.append(question)
        return yes or answer

    monkeypatch.setattr(positions, "confirm", confirm)
    positions._may_close_lot({**ROW, **(row or {})}, limit, force=force, yes=yes, market_price=market_price)
    return asked[0]


def test_at_or_above_the_target_it_is_asked_once_or_not_at_all(monkeypatch):
    assert "Sell 9.99 TRUMPUSDC, bought at 1.2345, at market?" in ask(monkeypatch, True)
    ask(monkeypatch, False, market_price=True)
    with pytest.raises(RefusedError, match="not confirmed"):
        ask(monkeypatch, False)


def test_below_the_target_force_is_needed_and_is_asked_about(monkeypatch):
    low = {"mark_price": "1.1"}
    with pytest.raises(RefusedError, match="--force"):
        ask(monkeypatch, True, low, yes=True, market_price=True)
    assert "The price is 1.1, below its target" in ask(monkeypatch, True, low, force=True)
    with pytest.raises(RefusedError, match="not confirmed"):
        ask(monkeypatch, False, low, force=True, market_price=True)
    ask(monkeypatch, False, low, force=True, yes=True)


@pytest.mark.parametrize("text", ["x", "0", "-1", "NaN"])
def test_a_limit_that_is_no_price_is_2(text):
    with pytest.raises(ConfigError, match="--limit-price"):
        positions._limit(text, market_price=False)


def test_market_and_limit_exclude_each_other():
    with pytest.raises(ConfigError, match="exclude"):
        positions._limit("1.5", market_price=True)
    assert positions._limit("1.50", market_price=False) == Decimal("1.50")
