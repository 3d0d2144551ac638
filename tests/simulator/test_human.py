"""The scripted owner: the same seed tells the same story, and every line of it fits what is true."""

from collections import Counter
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import get_args

import pytest

from backstay.simulator.engine import Engine
from backstay.simulator.errors import Refusal
from backstay.simulator.feeds.base import open_feed
from backstay.simulator.feeds.grid import Grid
from backstay.simulator.feeds.synthetic import SyntheticFeed
from backstay.simulator.human import HumanAction, HumanError, Kind, Pace, actions, resolve
from backstay.simulator.specs import default_specs

BARS = Path(__file__).resolve().parents[3] / "shared/data/klines_1m/usdm_BTCUSDT_1m_20250504_20250602.parquet"
START = 1_790_000_000_000_000_000
HOUR = 3_600_000_000_000
PRICE = Decimal("76915.00")


def story(seed=1, symbols=("BTCUSDT",), hours=2, **more) -> list[HumanAction]:
    return list(actions(seed, symbols, START, hours * HOUR, **more))


def position(amount: str, side: str = "BOTH", symbol: str = "BTCUSDT") -> dict:
    return {"symbol": symbol, "positionSide": side, "positionAmt": amount}


def truth(*positions, orders=(), algos=()) -> dict:
    return {
        "positions": list(positions),
        "orders": list(orders),
        "algo_orders": list(algos),
        "prices": {"BTCUSDT": {"mark": str(PRICE), "last": str(PRICE)}},
    }


def first(kind: str, leg: str | None = None, **more) -> HumanAction:
    told = (a for seed in range(50) for a in story(seed, **more) if a.kind == kind and leg in {None, a.leg})
    return next(told)


def test_the_same_seed_tells_the_same_story_and_other_seeds_others():
    assert story(3) == story(3)
    stories = {tuple((a.at, a.kind, a.leg) for a in story(seed)) for seed in range(30)}
    assert len(stories) == 30


@pytest.mark.parametrize("hedge", [False, True])
def test_two_hours_of_any_seed_open_at_least_22_positions_a_symbol(hedge):
    for seed in range(60):
        told = story(seed, hedge=hedge)
        opened = [a for a in told if a.kind == "open"]
        assert len(opened) >= 22
        assert {a.leg for a in opened} == {"LONG", "SHORT"}
        for leg in ("LONG", "SHORT"):
            mine = [a.at for a in opened if a.leg == leg]
            assert all(b - a > 60 * 10**9 for a, b in pairwise(mine))


def test_a_story_has_everything_an_owner_does():
    kinds = Counter(a.kind for seed in range(5) for a in story(seed))
    assert set(kinds) == set(get_args(Kind))
    assert kinds["open_limit"] == kinds["withdraw"] > kinds["open"] / 6
    assert kinds["add"] > kinds["open"] / 4 < kinds["reduce"] * 2
    assert kinds["rest"] >= 5 * 10


def test_the_story_is_ordered_inside_its_time_and_positions_live_minutes():
    told = story(2, symbols=("BTCUSDT", "ETHUSDT"), hedge=True)
    assert all(a.at <= b.at for a, b in pairwise(told))
    assert all(START <= a.at < START + 2 * HOUR for a in told)
    opened = {(a.symbol, a.leg, a.story): a.at for a in told if a.kind == "open"}
    lives = [(a.at - opened[a.symbol, a.leg, a.story]) / 10**9 for a in told if a.kind == "close"]
    assert all(80 <= life <= 290 for life in lives)
    assert 120 < sum(lives) / len(lives) < 250


def test_a_symbols_story_does_not_depend_on_the_others():
    both = [a for a in story(2, symbols=("BTCUSDT", "ETHUSDT")) if a.symbol == "ETHUSDT"]
    assert both == story(2, symbols=("ETHUSDT",))


def test_pace_is_a_setting_and_symbols_are_needed():
    calm = Pace(life=(600, 601), adds=0, reduces=0, limit_entry=0, cancels_stop=0, sets_leverage=0)
    assert {a.kind for a in story(1, pace=calm)} <= {"open", "close", "rest", "unrest"}
    with pytest.raises(ValueError, match="at least one symbol"):
        actions(1, (), START, HOUR)


@pytest.mark.parametrize(("leg", "side"), [("LONG", "BUY"), ("SHORT", "SELL")])
def test_opening_by_market_is_sized_by_the_grid_and_only_when_flat(leg, side):
    body = resolve(action := first("open", leg), truth())
    assert (body["do"], body["type"], body["side"], body["positionSide"]) == ("order", "MARKET", side, "BOTH")
    quantity = Decimal(body["quantity"])
    assert not quantity % Decimal("0.001")
    assert 0 < quantity * PRICE <= max(action.notional, PRICE / 1000)
    assert resolve(action, truth(position("0.000"))) == body
    assert resolve(action, truth(position("0.010"))) is None
    assert resolve(action, truth(position("-0.010"))) is None


def test_hedge_legs_do_not_see_each_other():
    action = first("open", "SHORT", hedge=True)
    body = resolve(action, truth(position("0.010", "LONG")))
    assert (body["side"], body["positionSide"]) == ("SELL", "SHORT")
    assert resolve(action, truth(position("-0.010", "SHORT"))) is None


@pytest.mark.parametrize(("kind", "least", "most"), [("open_limit", 0, "0.0003"), ("rest", "0.05", "0.13")])
@pytest.mark.parametrize("leg", ["LONG", "SHORT"])
def test_limit_orders_lie_on_the_grid_on_the_passive_side(kind, leg, least, most):
    body = resolve(first(kind, leg), truth())
    price = Decimal(body["price"])
    away = (1 - price / PRICE) * (1 if leg == "LONG" else -1)
    assert Decimal(least) < away < Decimal(most)
    assert not price % Decimal("0.10")
    assert (body["type"], body["timeInForce"]) == ("LIMIT", "GTC")


def test_adding_and_reducing_need_the_position_they_are_about():
    add, reduce = first("add", "SHORT"), first("reduce", "SHORT")
    held = truth(position("-0.050"))
    assert resolve(add, held)["side"] == "SELL"
    body = resolve(reduce, held)
    assert (body["do"], body["positionSide"]) == ("close", "BOTH")
    assert Decimal("0.25") <= Decimal(body["share"]) < Decimal("0.65")
    for other in (truth(), truth(position("0.050"))):
        assert resolve(add, other) is None
        assert resolve(reduce, other) is None
    assert resolve(reduce, truth(position("-0.001"))) is None


def test_closing_needs_a_position():
    action = first("close")
    assert resolve(action, truth()) is None
    assert resolve(action, truth(position("0.010"))) == {
        "do": "close", "symbol": "BTCUSDT", "positionSide": "BOTH",
    }  # fmt: skip


def order(number: int, price: str, origin: str = "human", **more) -> dict:
    row = {"symbol": "BTCUSDT", "positionSide": "BOTH", "status": "NEW", "type": "LIMIT", "reduceOnly": False}
    return row | {"orderId": number, "price": price, "origin": origin} | more


def test_the_owner_takes_back_only_orders_of_his_own():
    orders = [
        order(1, "76900.00", "api"),
        order(2, "70000.00"),
        order(3, "76900.00", reduceOnly=True),
        order(4, "76900.00", status="FILLED"),
        order(5, "76900.00"),
    ]
    assert resolve(first("withdraw"), truth(orders=orders))["orderId"] == 5
    assert resolve(first("unrest"), truth(orders=orders))["orderId"] == 2
    assert resolve(first("withdraw"), truth(orders=orders[:4])) is None
    assert resolve(first("unrest"), truth(orders=orders[:1])) is None


def test_the_owner_cancels_a_stop_that_is_not_his():
    row = {"symbol": "BTCUSDT", "positionSide": "BOTH", "algoStatus": "NEW", "orderType": "STOP_MARKET"}
    algos = [
        row | {"algoId": 1, "origin": "human"},
        row | {"algoId": 2, "origin": "api", "algoStatus": "CANCELED"},
        row | {"algoId": 3, "origin": "api", "orderType": "TAKE_PROFIT_MARKET"},
        row | {"algoId": 4, "origin": "api"},
    ]
    assert resolve(first("cancel_stop"), truth(algos=algos))["algoId"] == 4
    assert resolve(first("cancel_stop"), truth(algos=algos[:3])) is None


def test_a_truth_without_a_price_is_a_clear_error():
    with pytest.raises(HumanError, match=r"open BTCUSDT: the truth has no 'prices'"):
        resolve(first("open"), {"positions": [], "orders": [], "algo_orders": []})


class Played:
    """A story played against the simulated venue, with nobody else there."""

    def __init__(self, feed, seed: int, *, hedge: bool) -> None:
        specs = [row for row in default_specs() if row.symbol in feed.symbols]
        grids = {row.symbol: Grid(row.tick, row.step) for row in specs}
        engine = Engine(feed, specs, start_ns=START, seed=seed)
        engine.open_account("owner", hedge=hedge)
        self.opened: Counter[str] = Counter()
        self.refused: list[tuple[HumanAction, str]] = []
        self.done: Counter[str] = Counter()
        before: set[tuple[str, str]] = set()
        for action in actions(seed, feed.symbols, START, 2 * HOUR, hedge=hedge, grids=grids):
            engine.advance(action.at)
            now = engine.truth("owner")
            sides = {(row["symbol"], row["positionSide"]) for row in now["positions"]}
            self.opened.update(symbol for symbol, _ in sides - before)
            before = sides
            body = resolve(action, now)
            if body is None:
                continue
            try:
                engine.human("owner", body, action.at)
                self.done[action.kind] += 1
            except Refusal as refusal:
                self.refused.append((action, refusal.msg))
        self.truth = engine.truth("owner")


@pytest.mark.parametrize("hedge", [False, True])
def test_the_story_plays_on_a_synthetic_market(hedge):
    symbols = ("BTCUSDT",) if hedge else ("BTCUSDT", "SOLUSDT")
    feed = SyntheticFeed(symbols, seed=5, start_ns=START, rate=Decimal("0.5"))
    played = Played(feed, 5, hedge=hedge)
    assert not played.refused
    assert all(played.opened[symbol] >= 18 for symbol in feed.symbols)
    assert played.done["open"] >= 36
    assert {"add", "reduce", "close", "rest", "unrest", "withdraw"} <= set(played.done)
    resting = [row for row in played.truth["orders"] if row["status"] == "NEW" and row["origin"] == "human"]
    assert len(resting) >= 5
    assert all(
        row["clientOrderId"].startswith(("web_", "ios_")) or len(row["clientOrderId"]) == 22
        for row in resting
    )


@pytest.mark.skipif(not BARS.is_file(), reason="the recorded market data is not here")
def test_the_story_opens_at_least_20_positions_in_two_recorded_hours():
    played = Played(open_feed(str(BARS), seed=1, start_ns=START), 1, hedge=False)
    assert not played.refused
    assert sum(played.opened.values()) >= 20


def test_every_kind_of_action_is_told_in_words_that_name_its_symbol():
    grid = Grid(Decimal("0.1"), Decimal("0.001"))
    about = {"at": START, "symbol": "BTCUSDT", "leg": "SHORT", "hedge": False, "grid": grid}
    told = {HumanAction(kind=kind, **about).words for kind in get_args(Kind)}
    assert len(told) == len(get_args(Kind))
    assert all("BTCUSDT" in words and "{" not in words for words in told)
    assert "opens a short of BTCUSDT at market" in told
