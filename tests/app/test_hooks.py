"""Hooks of users' strategies: told behind the ledger, of their own symbols, and never in anybody's way."""

import sys
import threading
from decimal import Decimal

import pytest

from backstay.app.hooks import Hooks
from backstay.app.managers import parse_managers
from backstay.core.events import PriceReached
from backstay.core.records import Noted, Record
from backstay.core.types import Product
from backstay.ledger.memory_disk import MemoryDisk
from backstay.testing.spot_scene import SpotScene

from tests.ledger.ledgers import start

SOURCE = """
from backstay.core.types import Product
from backstay.strategies.interface import UserPolicy, Wanted

HEARD = []
MADE = []


class Listens:
    policy = UserPolicy
    products = (Product.SPOT,)
    by_lot = True

    def __init__(self):
        MADE.append(self)

    def wanted(self, view, policy, now):
        return Wanted()

    def on_price(self, event):
        if event.price < 0:
            raise ValueError("below zero")
        if event.price == 0:
            raise SystemExit("zero")
        HEARD.append((self, str(event.price)))

    def on_order(self, event):
        HEARD.append((self, event.status.value))


class Silent:
    policy = UserPolicy

    def wanted(self, view, policy, now):
        return Wanted()
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "listens.py").write_text(SOURCE)
    return tmp_path


def managers(name="Listens", symbol="TRUMPUSDC"):
    return parse_managers([{"strategy": f"listens.py:{name}", "symbols": [symbol]}])


def price(text, symbol="TRUMPUSDC", product=Product.SPOT):
    return PriceReached(symbol=symbol, price=Decimal(text), at=1, product=product)


def heard(manager):
    return sys.modules[manager.kind.loaded.kind.__module__].HEARD


def test_they_hear_of_prices_and_orders_of_their_own_symbols(folder):
    (manager,) = found = managers()
    list_of = heard(manager)
    list_of.clear()
    hooks = Hooks(found, lambda name, error: pytest.fail(f"{name}: {error}"))
    scene = SpotScene()
    scene.buy(("10", "1.2"))
    bodies = [
        price("1.25"),
        price("7", symbol="BTCUSDC"),
        price("8", product=Product.USDM),
        Noted("protected", {}),
        *scene.events,
    ]
    for seq, body in enumerate(bodies, 1):
        hooks.take(Record(seq, 1, 0, body))
    said = [what for _, what in list_of]
    assert said[0] == "1.25"
    assert said[-1] == "FILLED"
    assert "7" not in said and "8" not in said


def test_they_run_on_another_instance_than_wanted(folder):
    (manager,) = found = managers()
    strategy = manager.manager().strategy
    heard(manager).clear()
    Hooks(found, lambda *_: None).take(Record(1, 1, 0, price("1.25")))
    ((hooked, _),) = heard(manager)
    assert hooked is not strategy.user


def test_what_a_hook_raises_is_told_once_in_a_row_and_the_next_event_comes(folder):
    (manager,) = found = managers()
    heard(manager).clear()
    told = []
    hooks = Hooks(found, lambda name, error: told.append((name, str(error))))
    for text in ("-1", "-1", "2", "-1"):
        hooks.take(Record(1, 1, 0, price(text)))
    assert told == [("listens.py:Listens on_price", "below zero")] * 2
    assert [what for _, what in heard(manager)] == ["2"]


def test_a_hook_that_would_end_its_thread_is_told_of_and_hears_the_next_event(folder):
    found, told = managers(), []
    hooks = Hooks(found, lambda name, error: told.append(str(error)))
    for body in (price("0"), price("2")):
        hooks.take(Record(seq=1, at=1, cause=0, body=body))
    assert told == ["zero"]
    assert heard(found[0])[-1][1] == "2"


def test_they_follow_the_ledger_from_where_it_is_on_a_thread_of_their_own(folder):
    (manager,) = found = managers()
    heard(manager).clear()
    disk = MemoryDisk()
    journal = start(disk)
    journal.close()
    journal = start(disk)
    hooks = Hooks(found, lambda name, error: pytest.fail(f"{name}: {error}"))
    hooks.follow(disk, calm=lambda: True)
    journal.append(price("1.3"), at=1, cause=0)
    journal.close()
    assert hooks.stop()
    assert [what for _, what in heard(manager)] == ["1.3"]


def test_without_hooks_there_is_no_thread(folder):
    before = threading.active_count()
    hooks = Hooks(managers("Silent"), lambda *_: None)
    hooks.follow(MemoryDisk(), calm=lambda: True)
    assert threading.active_count() == before
    assert hooks.stop()
