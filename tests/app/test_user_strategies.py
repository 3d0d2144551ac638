"""`strategy: path/to/file.py:Class` and registered strategies: read, refused with one message, replayed."""

import sys
from decimal import Decimal
from hashlib import sha256

import pytest

from backstay.app.config import load_settings
from backstay.app.errors import ConfigError
from backstay.app.guard import describe
from backstay.app.ledger_paths import LEDGER
from backstay.app.replaying import OtherCodeError, engine_of, replay
from backstay.app.user_strategies import load
from backstay.cli.main import execute
from backstay.core.types import SECOND, Direction, Product

from tests.system.world import play

GOOD = """
from decimal import Decimal
from enum import StrEnum
from typing import ClassVar

from backstay.core.slots import Slot, SlotKey
from backstay.core.types import Direction, OrderType, Role, TimeNs
from backstay.strategies.interface import UserPolicy, Wanted


class Speed(StrEnum):
    SLOW = "slow"
    FAST = "fast"


class StopPolicy(UserPolicy, frozen=True, kw_only=True):
    absolute: ClassVar[tuple[str, ...]] = ("most",)
    distance: Decimal = Decimal("0.02")
    most: Decimal | None = None
    speed: Speed = Speed.SLOW
    patience: TimeNs = 0
    sides: tuple[Direction, ...] = (Direction.LONG, Direction.SHORT)

    def __post_init__(self):
        if not 0 < self.distance < 1:
            raise ValueError(f"distance is {self.distance}; write a percentage above 0, such as 2%")

    def check(self):
        return ("distance is wide",) if self.distance > Decimal("0.2") else ()


class Stop:
    policy = StopPolicy

    def wanted(self, view, policy, now):
        if view.direction is None:
            return Wanted()
        away = -policy.distance if view.direction is Direction.LONG else policy.distance
        return Wanted(slots=(
            Slot(
                key=SlotKey(Role.SL),
                side=view.direction.closing,
                kind=OrderType.STOP_MARKET,
                trigger=view.average * (1 + away),
                close_position=True,
            ),
        ))
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(GOOD)
    yield tmp_path
    engine_of.cache_clear()


def settings(folder, entry):
    (folder / "config.yaml").write_text(f"managers:\n  - {{{entry}}}\n")
    return load_settings(folder / "config.yaml", environ={})


def refusal(folder, entry):
    with pytest.raises(ConfigError) as refused:
        settings(folder, entry)
    assert refused.value.exit_code == 2
    return str(refused.value)


NAMED = "strategy: 'mine.py:Stop', symbols: [BTCUSDT]"


def test_its_settings_are_read_as_those_of_the_built_in_strategies(folder):
    found = settings(folder, f"{NAMED}, distance: 5%, most: 100, speed: FAST, patience: 10m, sides: [LONG]")
    (manager,) = found.policies
    policy = manager.policy
    assert (policy.distance, policy.most, policy.speed.value) == (Decimal("0.05"), Decimal(100), "fast")
    assert policy.patience == 600 * SECOND
    made = manager.manager()
    assert made.directions == {Direction.LONG}
    assert (made.product, made.symbols, made.by_lot) == (Product.USDM, {"BTCUSDT"}, False)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (", distanc: 5%", "managers[0].distanc is not a key; did you mean managers[0].distance?"),
        (", distance: five", "managers[0].distance: 'five' is not a percentage; write 5% or 0.05"),
        (", distance: 200%", "managers[0]: distance is 2; write a percentage above 0, such as 2%"),
        (", speed: fst", "managers[0].speed: 'fst' is not known; did you mean fast?"),
        (", patience: 10", "managers[0].patience: 10 is not a duration"),
        (", absolute: [x]", "managers[0].absolute is not a key"),
        (", product: spot", "managers[0].product: mine.py:Stop works on usdm, not 'spot'"),
    ],
)
def test_a_wrong_setting_is_refused_with_the_same_messages(folder, more, said):
    assert said in refusal(folder, NAMED + more)


def test_its_symbols_are_needed_and_its_warnings_are_told(folder):
    assert "mine.py:Stop needs its symbols by name" in refusal(folder, "strategy: 'mine.py:Stop'")
    (folder / "mine.py").write_text("import random, time\n" + GOOD)
    warned = settings(folder, NAMED + ", distance: 30%").warnings
    assert "managers[0]: distance is wide" in warned
    assert any("mine.py:Stop imports random and time" in text for text in warned)


@pytest.mark.parametrize(
    ("reference", "source", "said"),
    [
        ("none.py:Stop", None, "none.py is not a file"),
        ("mine.py", GOOD, "'mine.py' names no class; write path/to/file.py:Class"),
        ("mine.py:Stopp", GOOD, "mine.py has no class Stopp; did you mean Stop?"),
        ("mine.py:Speed", GOOD, "is not a strategy: it has no method wanted(self, view, policy, now)"),
        ("mine.py:X", "X = 5", "is not a strategy: it is not a class"),
        (
            "mine.py:X",
            "class X:\n def wanted(self): ...",
            "its method must be wanted(self, view, policy, now)",
        ),
        ("mine.py:X", "class X:\n def wanted(self, v, p, n): ...", "it has no policy = ..."),
        ("mine.py:X", "class X:\n policy = 5\n def wanted(self, v, p, n): ...", "not a msgspec Struct"),
        (
            "mine.py:X",
            GOOD + "class X(Stop):\n def __init__(self, y): ...",
            "cannot be made without arguments",
        ),
        ("mine.py:X", GOOD + "class X(Stop):\n by_lot = True\n products = ()", "products is ()"),
        (
            "mine.py:X",
            "\n\nimport nothing_there",
            "cannot be imported: line 3: ModuleNotFoundError: No module",
        ),
        ("mine.py:X", "\nclass X(:", "cannot be imported: line 2: SyntaxError: invalid syntax"),
        ("mine.py:X", "raise SystemExit(5)", "cannot be imported: line 1: SystemExit: 5"),
        ("stop", GOOD, "'stop' is not known"),
    ],
)
def test_what_cannot_be_loaded_is_one_message_that_says_where_and_what(folder, reference, source, said):
    if source is not None:
        (folder / "mine.py").write_text(source)
    message = refusal(folder, f"strategy: '{reference}', symbols: [BTCUSDT]")
    assert "managers[0].strategy: " in message
    assert said in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("x: float = 0.5", "P.x is a <class 'float'>, which no key can be"),
        ("x: dict[str, int] = {}", "P.x is a dict[str, int], which no key can be"),
        ("x: 'Nowhere' = 5", "the types of P cannot be read"),
    ],
)
def test_a_policy_that_no_configuration_can_fill_is_refused(folder, field, said):
    policy = f"class P(UserPolicy, frozen=True, kw_only=True):\n {field}\nclass X(Stop):\n policy = P\n"
    (folder / "mine.py").write_text(GOOD + policy)
    assert said in refusal(folder, "strategy: 'mine.py:X', symbols: [BTCUSDT]")


def test_the_command_ends_with_2_and_one_line(folder, capsys):
    (folder / "config.yaml").write_text("managers: [{strategy: 'gone.py:Stop', symbols: [BTCUSDT]}]")
    assert execute(("run", "--config", "config.yaml")) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.strip().splitlines()) == 1
    assert "gone.py is not a file" in said.err


def test_a_file_that_is_changed_is_loaded_anew(folder):
    first = load("mine.py:Stop", "here")
    assert load("mine.py:Stop", "here").kind is first.kind
    (folder / "mine.py").write_text(GOOD + "\nTIMES = 2\n")
    second = load("mine.py:Stop", "here")
    assert second.kind is not first.kind
    assert second.code.sha256 == sha256((folder / "mine.py").read_bytes()).hexdigest() != first.code.sha256


def test_an_installed_package_registers_its_strategies_by_entry_point(folder, monkeypatch):
    package, name = folder / "site", "stopper_of_the_test"
    (package / f"{name}-1.2.dist-info").mkdir(parents=True)
    (package / f"{name}.py").write_text(GOOD)
    (package / f"{name}-1.2.dist-info" / "METADATA").write_text(f"Name: {name}\nVersion: 1.2\n")
    points = f"[backstay.strategies]\nstopper = {name}:Stop\nbroken = {name}:Gone\n"
    (package / f"{name}-1.2.dist-info" / "entry_points.txt").write_text(points)
    monkeypatch.setattr(sys, "path", [str(package), *sys.path])
    found = settings(folder, "strategy: stopper, symbols: [BTCUSDT], distance: 3%")
    strategy = found.policies[0].manager().strategy
    assert strategy.name == "stopper"
    assert strategy.code.package == f"{name} 1.2"
    assert strategy.code.path == str((package / f"{name}.py").resolve())
    assert "did you mean stopper?" in refusal(folder, "strategy: stoper, symbols: [BTCUSDT]")
    assert "'broken'" in refusal(folder, "strategy: broken, symbols: [BTCUSDT]")
    written = describe(found.engine())
    assert engine_of(written, "{}").managers[0].policy == found.policies[0].policy
    engine_of.cache_clear()
    monkeypatch.setattr(sys, "path", sys.path[1:])
    with pytest.raises(OtherCodeError, match="no installed package registers 'stopper'"):
        engine_of(written, "{}")


# --- what the ledger names, and replay ---------------------------------------------------------------


def recorded(folder):
    """A ledger on which the user's strategy guarded a position."""
    found = load("mine.py:Stop", "here")
    disks = []

    async def script(world):
        world.open("LONG", "0.010", at="60000")
        await world.settle(3)
        (scope,) = world.owner.account.scopes.values()
        assert [ctx.slot.trigger for ctx in scope.contexts.values()] == [Decimal("58800.0")]
        disks.append(world.disk)

    play(script, policy=found.policy(symbols=("BTCUSDT",)), strategy=found.make())
    return disks[0]


def test_i38_a_ledger_names_the_file_and_its_digest_and_replays_with_the_same_code(folder):
    result = replay(recorded(folder), LEDGER).replayed
    assert result.decisions > 0
    assert result.mismatch is None


def test_replay_refuses_when_the_code_is_gone_or_another(folder):
    disk = recorded(folder)
    (folder / "mine.py").write_text(GOOD.replace("0.02", "0.03"))
    with pytest.raises(OtherCodeError, match=r"mine\.py has changed since \(its digest was") as refused:
        replay(disk, LEDGER)
    assert refused.value.exit_code == 2
    (folder / "mine.py").unlink()
    with pytest.raises(OtherCodeError, match=r"the strategy mine\.py:Stop: .*mine\.py is not a file"):
        replay(disk, LEDGER)


def test_the_replay_command_ends_with_2_and_one_line(folder, capsys):
    disk = recorded(folder)
    (folder / "data" / "ledger").mkdir(parents=True)
    (folder / "data" / LEDGER).write_bytes(disk.read(LEDGER))
    assert execute(("ledger", "replay", "--data-dir", "data")) == 0
    engine_of.cache_clear()
    (folder / "mine.py").write_text(GOOD + "\n")
    capsys.readouterr()
    assert execute(("ledger", "replay", "--data-dir", "data")) == 2
    said = capsys.readouterr()
    assert "A replay needs the very code that decided" in said.err
    assert len(said.err.strip().splitlines()) == 1
