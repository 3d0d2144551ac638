"""Lots as trade pairs: the state that the strategy sees is the row that people read, exactly and always."""

from decimal import Decimal

import msgspec
import pytest
from msgspec.structs import replace

from backstay.app.lots import lot_rows
from backstay.core.events import Effect, OperatorAction, OperatorCommand
from backstay.core.names import lot_name
from backstay.ledger.projections.keeper import Keeper
from backstay.ledger.projections.upkeep import clean
from backstay.strategies.by_lot import free, sells
from backstay.strategies.swing.policy import SellWhen, SwingPolicy

from tests.ledger.projections.lives import HOUR, dumped, rows, store_at
from tests.ledger.projections.spot_lives import LEDGER, RecordedScene

D = Decimal
AT_ONCE = SwingPolicy(symbols=("TRUMPUSDC",), sell_when=SellWhen.FILL)
AT_TARGET = SwingPolicy(symbols=("TRUMPUSDC",))


class Followed:
    """A scene and the store that follows it."""

    def __init__(self, folder, policy=AT_ONCE, **options):
        self.scene = RecordedScene(policy, **options)
        self.store = store_at(folder)
        self.folder = folder

    def pairs(self):
        """The rows, checked against what the strategy says of every lot, and against a store made at once."""
        disk = self.scene.disk()
        Keeper(self.store, "spot", disk, LEDGER).catch_up()
        found = {row["trade_id"]: row for row in rows(self.store, "trade_pairs")}
        for state in self.scene.statuses():
            row = found[state.lot.trade_id]
            assert (row["status"], row["reason"] or "") == (state.status.value, state.reason), row
            assert row["target_profit_price"] == (state.offer.target or None)
            assert row["sell_order_id"] == (
                state.sell.ctx_id if state.sell is not None else row["sell_order_id"]
            )
            assert row["received"] - row["sold"] == state.lot.left
            assert row["id"] == lot_name("TRUMPUSDC", state.lot.trade_id)
        (self.folder / "once.db").unlink(missing_ok=True)
        once = store_at(self.folder, "once.db")
        Keeper(once, "spot", disk, LEDGER).catch_up()
        assert dumped(self.store) == dumped(once)
        once.close()
        return [found[key] for key in sorted(found)]


def test_the_worked_case_4_and_6_bought_at_1_2345(tmp_path):
    life = Followed(tmp_path)
    order = life.scene.buy(("4", "1.2345"), ("6", "1.2345"))
    assert [p["status"] for p in life.pairs()] == ["WAITING_FOR_PROFIT"] * 2
    life.scene.rest()
    pairs = life.pairs()
    assert [(p["status"], p["sellable"], p["target_profit_price"]) for p in pairs] == [
        ("SELL_PLACED", D("3.99"), D("1.2407")),
        ("SELL_PLACED", D("5.99"), D("1.2407")),
    ]
    assert {p["original_buy_id"] for p in pairs} == {order}
    for request in list(life.scene.requests):
        life.scene.fill(request)
    pairs = life.pairs()
    assert [(p["status"], p["dust"], p["sell_price"]) for p in pairs] == [
        ("COMPLETED", D("0.006"), D("1.2407")),
        ("COMPLETED", D("0.004"), D("1.2407")),
    ]
    orders = {row["id"]: row for row in rows(life.store, "orders")}
    for pair in pairs:
        sale = orders[pair["sell_order_id"]]
        assert sale["parent_order_id"] == pair["buy_order_id"]
        assert orders[pair["buy_order_id"]]["side"] == "BUY"
        assert sale["hold_duration"] == sale["fill_time"] - pair["bought_at"] > 0
    bought = sum(f["quantity"] for f in rows(life.store, "fills") if f["side"] == "BUY")
    assert sum(p["quantity"] for p in pairs) == bought == 10


def test_a_partial_sale_and_a_restart_and_a_changed_policy(tmp_path):
    life = Followed(tmp_path)
    life.scene.buy(("10", "1.2345"))
    life.scene.rest()
    life.scene.fill(life.scene.requests[-1], "4")
    (pair,) = life.pairs()
    assert (pair["status"], pair["sold"]) == ("SELL_PLACED", D(4))
    life.scene.recover(first=True)
    life.pairs()
    life.scene.want(replace(AT_ONCE, profit=D("0.01")))
    life.scene.recover(first=True)
    (pair,) = life.pairs()
    assert pair["target_profit_price"] > D("1.2407"), "what it would be sold for under the policy of now"
    assert pair["sell_price"] == D("1.2407"), "where its SELL rests"


def test_what_cannot_be_sold_says_why(tmp_path):
    life = Followed(tmp_path, replace(AT_ONCE, max_sell_value=D(8)))
    life.scene.buy(("0.5", "1.2345"))
    life.scene.buy(("10", "1.2345"))
    life.scene.rest()
    assert [(p["status"], p["reason"]) for p in life.pairs()] == [
        ("UNSELLABLE", "notional_below_min"),
        ("UNSELLABLE", "max_sell_value"),
    ]


def test_a_refused_and_a_cancelled_sell_are_told(tmp_path):
    life = Followed(tmp_path)
    life.scene.buy(("10", "1.2345"))
    life.scene.tick(300)
    life.scene.step()
    life.scene.refuse(Effect.FILTER)
    life.pairs()
    (tmp_path / "other").mkdir()
    other = Followed(tmp_path / "other")
    other.scene.buy(("10", "1.2345"))
    other.scene.rest()
    other.scene.cancel_by_hand(other.scene.requests[-1])
    (pair,) = other.pairs()
    assert (pair["status"], pair["reason"]) == ("WAITING_FOR_PROFIT", "cancelled_by_owner")


def test_a_lot_closed_by_hand_is_told(tmp_path):
    life = Followed(tmp_path)
    life.scene.buy(("10", "1.2345"))
    life.scene.rest()
    (lot,) = life.scene.open_lots()
    close = OperatorCommand(action=OperatorAction.CLOSE, who="me", scope=life.scene.key, lot=lot.trade_id)
    life.scene.fold(close)
    life.pairs()
    life.scene.price("1.2")
    life.scene.rest()
    (pair,) = life.pairs()
    assert pair["status"] == "CLOSED_BY_HAND"
    assert [a["kind"] for a in rows(life.store, "alerts") if a["kind"].startswith("operator")] == [
        "operator_close"
    ]


def test_lots_are_listed_with_their_profit_and_completed_ones_when_asked_for(tmp_path):
    life = Followed(tmp_path, AT_TARGET)
    life.scene.buy(("10", "1.2"))
    life.scene.buy(("10", "1.3"))
    life.pairs()
    now = life.scene.now + 2 * HOUR
    first, second = lot_rows(life.store, now, {"TRUMPUSDC": D("1.25")})
    assert (first["buy_price"], first["quantity"], first["age"] // 3600) == ("1.2", "9.99", 2)
    assert first["unrealised_pnl"] == {"quote": "0.4995", "percent": "4.17"}
    assert second["unrealised_pnl"]["percent"] == "-3.85"
    assert lot_rows(life.store, now, {}, symbol="ethusdc") == []
    assert lot_rows(life.store, now, {}, status="completed") == []


def test_cleaning_keeps_open_lots_and_their_buys(tmp_path):
    life = Followed(tmp_path)
    life.scene.buy(("4", "1.2345"))
    life.scene.buy(("6", "1.2345"))
    life.scene.rest()
    life.scene.fill(life.scene.requests[0])
    life.pairs()
    gone = clean(life.store, life.scene.now + HOUR)
    assert gone["trade_pairs"] == 1
    (left,) = rows(life.store, "trade_pairs")
    ids = {row["id"] for row in rows(life.store, "orders")}
    assert {left["buy_order_id"], left["sell_order_id"]} <= ids


@pytest.mark.parametrize("asset", ["BNB", "USDC", "XYZ"])
def test_commissions_in_any_asset(tmp_path, asset):
    life = Followed(tmp_path, fee_asset=asset, balances={"USDC": 100000, asset: 10000})
    life.scene.buy(("10", "1.2345"))
    life.scene.rest()
    (pair,) = life.pairs()
    assert pair["status"] == ("UNSELLABLE" if asset == "XYZ" else "SELL_PLACED")


class Patient:
    """Another strategy that sells by lot: two percent more, once somebody says so."""

    name = "patient.py:Patient"

    def wanted(self, view, policy, _now):
        return sells(view, ((lot, lot.price * D("1.02")) for lot in free(view)) if policy.offers else ())


class PatientPolicy(msgspec.Struct, frozen=True):
    symbols: tuple[str, ...] = ("TRUMPUSDC",)
    offers: bool = True


def test_lots_of_any_strategy_that_sells_by_lot_have_their_state(tmp_path):
    scene = RecordedScene(PatientPolicy(offers=False), strategy=Patient())
    store = store_at(tmp_path)

    def pairs():
        Keeper(store, "spot", scene.disk(), LEDGER).catch_up()
        names = ("status", "reason", "target_profit_price", "sellable", "dust")
        found = sorted(rows(store, "trade_pairs"), key=lambda row: row["trade_id"])
        return [tuple(row[name] for name in names) for row in found]

    scene.buy(("10", "1"), ("0.005", "1"))
    waiting = ("WAITING_FOR_PROFIT", None, None, D("9.99"), D("0"))
    small = ("UNSELLABLE", "quantity_below_min", None, None, None)
    assert pairs() == [waiting, small]
    assert rows(store, "positions") == [], "a lot is no position, whoever sells it"
    scene.want(PatientPolicy())
    scene.rest()
    assert pairs() == [("SELL_PLACED", None, D("1.02"), D("9.99"), D("0")), small]
    (shown, _) = lot_rows(store, scene.now, {})
    assert (shown["target"], shown["take_profit"]["state"]) == ("1.02", "LIVE")
    scene.fill(scene.requests[-1])
    assert pairs()[0][:3] == ("COMPLETED", None, D("1.02"))
    store.close()
