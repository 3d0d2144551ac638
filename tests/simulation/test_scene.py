"""What observers take from frames and reads: as carefully as the product has to, by the same documents."""

from decimal import Decimal
from types import SimpleNamespace

import pytest

from backstay.core.events import BalanceRow, BalancesSnapshot
from backstay.core.types import MS
from backstay.simulation.observers.base import Sent, Watch
from backstay.simulation.observers.converges import Converges
from backstay.simulation.observers.scored_gated import Gated
from backstay.simulation.scene import Leg, Resting, Scene
from backstay.simulation.scored_scene import ScoredScene
from backstay.simulation.setup import draw_setup
from backstay.simulation.spot_scene import SpotScene

D = Decimal
KEY = ("SOLUSDT", "BOTH")


def known_at(ms, amount="-22.66"):
    """A scene that a frame of the venue's time `ms` has told of a position."""
    scene = Scene(lambda _: True)
    row = {"s": "SOLUSDT", "ps": "BOTH", "pa": amount, "ep": "154.34"}
    scene.frame({"e": "ACCOUNT_UPDATE", "T": ms, "a": {"P": [row]}})
    return scene


def read_row(ms, amount="19.43"):
    return {
        "symbol": "SOLUSDT",
        "positionSide": "BOTH",
        "positionAmt": amount,
        "entryPrice": "154.39",
        "updateTime": ms,
    }


@pytest.mark.parametrize(("updated", "held"), [(999, "-22.66"), (1_001, "19.43")])
def test_o9_a_late_answer_takes_back_nothing_that_a_frame_has_told_of_since(updated, held):
    scene = known_at(1_000)
    scene.read_positions([read_row(updated)], 1_600, "", 990)
    assert scene.amount(KEY) == D(held)


@pytest.mark.parametrize(("asked", "held"), [(999, "-22.66"), (1_001, "0")])
def test_o9_absence_is_told_by_a_read_that_was_asked_for_afterwards(asked, held):
    scene = known_at(1_000)
    scene.read_positions([], 1_600, "", asked)
    assert scene.amount(KEY) == D(held)


def order_frame(status, at, kind="LIMIT", price="150"):
    o = {"X": status, "i": 7, "c": "bs-1", "s": "SOLUSDT", "ps": "BOTH", "S": "BUY", "o": kind}
    return {"e": "ORDER_TRADE_UPDATE", "T": at, "o": {**o, "p": price, "q": "2", "z": "0", "R": False}}


@pytest.mark.parametrize(("kind", "price", "worst"), [("LIMIT", "140", "280"), ("MARKET", "0", "300")])
def test_i25_an_order_at_market_counts_in_the_worst_case_at_the_price_of_the_market(kind, price, worst):
    scene = ScoredScene(lambda _: True)
    scene.frame(order_frame("NEW", 1_000, kind, price))
    gated = Gated(SimpleNamespace(price=lambda _: D(150)))
    assert gated._worst(scene, "") == gated._worst(scene, "SOLUSDT") == D(worst)
    assert not gated._worst(scene, "BTCUSDT")


@pytest.mark.parametrize(("ended", "symbol", "rests"), [(True, "", 0), (True, "BTCUSDT", 1), (False, "", 1)])
def test_an_order_whose_end_no_frame_told_of_is_ended_by_a_read_unless_the_read_lags(ended, symbol, rests):
    told, truth = Scene(lambda _: True), Scene(lambda _: True)
    for scene in (told, truth):
        scene.frame(order_frame("NEW", 1_000))
    if ended:
        truth.frame(order_frame("CANCELED", 2_000))
    told.read_ends([], symbol, truth)
    assert len(told.orders) == rests


@pytest.mark.parametrize(
    ("side", "leg", "reduce_only", "amount", "opens"),
    [
        ("BUY", "SHORT", False, "0", False),
        ("SELL", "SHORT", False, "0", True),
        ("BUY", "BOTH", False, "0", True),
        ("BUY", "BOTH", True, "0", False),
        ("SELL", "BOTH", False, "1", False),
        ("BUY", "BOTH", False, "1", True),
    ],
)
def test_i25_which_order_may_add_to_a_position_is_known_without_one(side, leg, reduce_only, amount, opens):
    order = Resting(
        "regular",
        1,
        "bs-1",
        "SOLUSDT",
        leg,
        side,
        "LIMIT",
        D(150),
        D(0),
        D(1),
        D(1),
        close_position=False,
        reduce_only=reduce_only,
        status="NEW",
    )
    assert order.opens(D(amount)) is opens


@pytest.mark.parametrize(
    ("codes", "at_ms", "loose"),
    [
        ((-2021, -2022), 1_000, False),
        ((-2021,), 1_000, True),
        ((-2022,), 1_000, True),
        ((-2021, -2022), 999, True),
    ],
)
def test_r9_a_stop_may_be_looser_where_neither_the_wanted_one_nor_the_close_was_taken(codes, at_ms, loose):
    watch = Watch(draw_setup(81034, "joint"), 0, lambda: 2_000)
    watch.sent["bs-1"] = None
    key, fields = ("ETHUSDT", "BOTH"), {"price": D(0), "trigger": D("3051.95"), "left": D(1), "total": D(1)}
    watch.truth.legs[key] = Leg(amount=D(-1), entry=D("3019.35"), changed_ms=1_000)
    more = {"close_position": False, "reduce_only": True, "status": "NEW", "since_ms": 1_500}
    watch.truth.algos[1] = Resting("algo", 1, "bs-1", *key, "BUY", "STOP_MARKET", **fields, **more)
    for code in codes:
        entry = SimpleNamespace(code=code)
        watch.all_sent.append(Sent(None, at_ms, "place", "regular", "bs-2", {}, "", entry, key))
    assert any("looser" in text for text in Converges(watch).complaints()) is loose


@pytest.mark.parametrize(
    ("asked_ms", "update_ms", "known"),
    [(999, 1_000, "0.5"), (1_000, 1_000, "2"), (1_500, 1_200, "2"), (1_500, 999, "0.5")],
)
def test_what_a_process_took_in_of_a_read_is_what_it_was_told_unless_it_heard_later_news(
    asked_ms, update_ms, known
):
    scene = SpotScene(lambda _: True)
    scene.frame({"e": "outboundAccountPosition", "u": 1_000, "B": [{"a": "BTC", "f": "0.3", "l": "0.2"}]})
    rows = BalanceRow("BTC", D(2), D("1.5"), available=D("1.5")), BalanceRow("SOL", D(1), D(1))
    times = {"requested_at": asked_ms * MS, "received_at": 2_000 * MS, "updated_at": update_ms * MS}
    scene.take_balances(BalancesSnapshot(rows=rows, **times))
    assert scene.total("BTC") == D(known)
    assert scene.total("SOL") == (1 if asked_ms >= 1_000 else 0)
