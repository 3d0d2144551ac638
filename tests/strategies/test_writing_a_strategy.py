"""What docs/writing-a-strategy.md shows is run here, as it stands there."""

import re
import tomllib
from decimal import Decimal

import pytest
import yaml

from backstay.app.managers import parse_managers
from backstay.app.user_strategies import GROUP
from backstay.testing import users
from backstay.testing.builders import OPENED_AT, view

from tests.tidy.source import ROOT

PAGE = (ROOT / "docs" / "writing-a-strategy.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)
EXAMPLE, TEST, HOOKED, OLDER = (text for kind, text in BLOCKS if kind == "python")
(CONFIG,) = (text for kind, text in BLOCKS if kind == "yaml")
(PACKAGE,) = (text for kind, text in BLOCKS if kind == "toml")
HOUR_MS = 3600 * 1000


def names(*sources):
    found = {"__name__": "page"}
    for text in sources:
        exec(compile(text, "writing-a-strategy.md", "exec"), found)
    return found


def test_the_example_is_about_forty_lines():
    assert len(EXAMPLE.splitlines()) <= 45


def test_the_test_on_the_page_passes_and_takes_about_ten_lines():
    names(EXAMPLE, TEST)["test_the_target_fades"]()
    assert len(TEST.splitlines()) <= 14


def test_the_configuration_on_the_page_is_read(tmp_path, monkeypatch):
    (tmp_path / "fade.py").write_text(EXAMPLE)
    monkeypatch.chdir(tmp_path)
    (manager,) = parse_managers(yaml.safe_load(CONFIG)["managers"])
    assert manager.policy.profit == Decimal("0.015")
    assert manager.policy.fades_every == 1800 * 10**9
    assert manager.manager().by_lot
    assert manager.manager().strategy.name == "fade.py:Fade"


def test_the_entry_point_on_the_page_names_the_group():
    assert GROUP in tomllib.loads(PACKAGE)["project"]["entry-points"]


def test_the_example_sells_each_lot_once_and_at_its_own_price():
    scene = users.scene_of(names(EXAMPLE)["Fade"])
    scene.buy(("10", "1.2"), ("5", "1.3"))
    scene.price("1.35")
    scene.rest()
    assert scene.sells() == [("9.99", "1.2144"), ("4.99", "1.3156")]
    placed = len(scene.requests)
    scene.tick(30 * HOUR_MS)
    scene.rest()
    assert len(scene.requests) == placed  # what rests is never touched
    for request in list(scene.requests):
        scene.fill(request)
    assert not scene.open_lots()


def test_the_rule_on_the_page_refuses_a_slot_and_says_so():
    page = names(EXAMPLE, HOOKED)
    scene = users.scene_of(page["Careful"], profit="1%")
    scene.buy(("1000", "1.2"), ("10", "1.2"))
    scene.price("1.25")
    scene.rest()
    assert scene.sells() == [("9.99", "1.2144")]
    assert scene.requests[0].context.slot.lots == (scene.open_lots()[1].trade_id,)


def test_the_older_class_on_the_page_sells_when_its_price_is_reached():
    scene = users.scene_of(names(OLDER)["TakeTwoPercent"])
    scene.buy(("10", "1.2"))
    scene.rest()
    assert scene.sells() == []
    scene.price("1.2115")
    scene.rest()
    assert scene.sells() == []
    scene.price("1.2130")
    scene.rest()
    assert scene.sells() == [("9.99", "1.2240")]


def test_answer_refuses_a_strategy_that_remembers():
    class Remembers:
        policy = users.Older(object).policy
        calls = 0

        def wanted(self, view, policy, now):
            type(self).calls += 1
            return users.Wanted(notes=(f"asked {self.calls} times",))

    with pytest.raises(AssertionError, match="Remembers is not pure"):
        users.answer(Remembers, view())


def test_answer_gives_what_is_wanted_and_refuses_what_is_no_answer():
    fade = names(EXAMPLE)["Fade"]
    assert "only spot" in users.answer(fade, view(), OPENED_AT).unknown
    wrong = type("Wrong", (fade,), {"wanted": lambda *_: []})
    with pytest.raises(AssertionError, match="it returned list, not Wanted"):
        users.answer(wrong, view())
