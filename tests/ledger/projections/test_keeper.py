"""Rows follow the ledger: the same rows in whatever portions, after whatever interruptions."""

from decimal import Decimal

import pytest

from backstay.app.ledger_paths import LEDGER
from backstay.core.events import OrderReport
from backstay.ledger.errors import DamagedLedgerError
from backstay.ledger.projections import upkeep
from backstay.ledger.projections.errors import StoreError
from backstay.ledger.projections.store import MovedError
from backstay.ledger.reader import records

from tests.ledger.projections.lives import dumped, keeper, later, rows, store_at, troubled


@pytest.fixture(scope="module")
def disk():
    return troubled()


@pytest.fixture(scope="module")
def whole(disk, tmp_path_factory):
    store = store_at(tmp_path_factory.mktemp("whole"))
    keeper(store, disk).catch_up()
    return dumped(store)


@pytest.mark.parametrize("portion", [1, 7, 1000])
def test_in_portions_or_at_once_the_rows_are_the_same(disk, whole, tmp_path, portion):
    store = store_at(tmp_path)
    one = keeper(store, disk)
    while one.step(portion):
        pass
    assert dumped(store) == whole


def test_another_keeper_goes_on_where_the_last_one_was_interrupted(disk, whole, tmp_path):
    size = disk.size(LEDGER)
    for cut in range(size // 9, size, size // 9):
        keeper(store_at(tmp_path), later(disk, cut)).catch_up()
    store = store_at(tmp_path)
    keeper(store, disk).catch_up()
    assert dumped(store) == whole


def test_a_rebuild_gives_the_same_dump_byte_for_byte(disk, whole, tmp_path):
    store = store_at(tmp_path)
    keeper(store, disk).catch_up()
    store.close()
    count = upkeep.rebuild(
        f"sqlite:///{tmp_path / 'backstay.db'}", disk, {"usdm": LEDGER, "spot": "spot/none"}
    )
    assert count == {"usdm": sum(1 for _ in records(disk, LEDGER))}
    assert dumped(store_at(tmp_path)) == whole


def test_every_trade_of_the_ledger_is_a_fill_and_every_amount_is_exact(disk, tmp_path):
    store = store_at(tmp_path)
    keeper(store, disk).catch_up()
    trades = {
        r.body.trade_id: r.body
        for r in records(disk, LEDGER)
        if isinstance(r.body, OrderReport) and r.body.trade_id
    }
    fills = {row["trade_id"]: row for row in rows(store, "fills")}
    assert set(fills) == set(trades)
    for number, trade in trades.items():
        assert (fills[number]["price"], fills[number]["quantity"]) == (trade.last_price, trade.last_qty)
        assert isinstance(fills[number]["price"], Decimal)
    known = {row["id"]: row for row in rows(store, "orders")}
    for order in known.values():
        of_it = [f["quantity"] for f in fills.values() if f["order_id"] == order["id"]]
        if of_it:
            assert sum(of_it) == order["fill_quantity"]


def test_an_order_says_what_became_of_it_and_what_it_belongs_to(disk, tmp_path):
    store = store_at(tmp_path)
    keeper(store, disk).catch_up()
    orders = rows(store, "orders")
    taken = [o for o in orders if o["role"] == "TP" and o["status"] == "FILLED"]
    assert taken
    for order in taken:
        assert order["hold_duration"] > 0
        assert order["position_id"].startswith("BTCUSDT-BOTH-")
        assert not order["is_open"]
    ids = {o["id"] for o in orders}
    children = [o for o in orders if o["parent_order_id"]]
    assert children
    assert all(o["parent_order_id"] in ids for o in children)
    (first, *_) = sorted(rows(store, "positions"), key=lambda p: p["id"])
    assert (first["status"], first["quantity"], first["side"]) == ("CLOSED", 0, "LONG")
    assert first["closed_at"] > first["entry_time"]


def test_the_state_of_the_system_counts_lost_connections_and_tells_the_last_error(disk, tmp_path):
    store = store_at(tmp_path)
    keeper(store, disk).catch_up()
    (system,) = rows(store, "system_state")
    assert system["id"] == "usdm"
    assert system["websocket_status"] == "stopped"
    assert system["last_error"].startswith("private stream")
    assert system["last_reconciliation_time"] <= system["last_processed_time"]
    assert "bad" in {a["grade"] for a in rows(store, "alerts")}


def test_a_ledger_that_lost_what_the_rows_have_is_read_anew_and_it_is_told(disk, tmp_path):
    store = store_at(tmp_path)
    keeper(store, disk).catch_up()
    shorter = later(disk, disk.read(LEDGER).find(b"\n", disk.size(LEDGER) // 2) + 1)
    again = keeper(store, shorter)
    again.catch_up()
    assert "another ledger" in again.reports[0]
    fresh = store_at(tmp_path, "fresh.db")
    keeper(fresh, shorter).catch_up()
    assert dumped(store) == dumped(fresh)


def test_two_keepers_of_one_ledger_never_write_over_each_other(disk, whole, tmp_path):
    one, other = (keeper(store_at(tmp_path), disk) for _ in range(2))
    one.step(5)
    other.step(3)
    with pytest.raises(MovedError):
        one.step(5)
    assert one.step(5) == 5
    with pytest.raises(StoreError):
        other.step(1)
    other.catch_up()
    assert dumped(store_at(tmp_path)) == whole


def test_a_damaged_ledger_is_an_error_and_the_rows_before_it_stay(disk, tmp_path):
    data = disk.read(LEDGER)
    middle = data.find(b"\n", len(data) // 2) + 1
    broken = disk.copy()
    broken.replace(LEDGER, data[:middle] + b"{not a record}\n" + data[middle:])
    store = store_at(tmp_path)
    one = keeper(store, broken)
    with pytest.raises(DamagedLedgerError):
        while one.step(1):
            pass
    assert store.head("usdm").offset == middle
