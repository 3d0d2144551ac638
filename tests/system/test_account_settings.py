"""Account settings before the first entry: set once, only while nothing is open, and told in plain words."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from backstay.core.account_settings import AccountSettingUpdated, SettingOutcome
from backstay.core.types import Mode, PositionMode
from backstay.strategies.scored.policy import MarginType, ScoredPolicy, SettingsPolicy, SizePolicy
from backstay.strategies.scored.wanted import ScoredTrader

from tests.system.stand_ins import BTC
from tests.system.test_scored import tell
from tests.system.world import play

D = Decimal
CHANGES = (
    "POST /fapi/v1/leverage",
    "POST /fapi/v1/marginType",
    "POST /fapi/v1/positionSide/dual",
    "POST /fapi/v1/multiAssetsMargin",
)


def run(script, settings, **options):
    policy = ScoredPolicy(symbols=(BTC,), settings=settings, size=SizePolicy(max_notional=D(600)))
    play(script, policy=policy, strategy=ScoredTrader(), **options)


def outcomes(world):
    return [(b.setting, b.value, b.outcome.value, b.was) for b in world.bodies(AccountSettingUpdated)]


def changes(world):
    rows = world.control("GET", "/sim/v1/requests")["requests"]
    return [r["endpoint"] for r in rows if r["endpoint"] in CHANGES]


def test_what_differs_is_set_before_the_first_entry_and_what_does_not_is_not_sent():
    async def script(world):
        assert outcomes(world) == [
            ("multi_assets", "off", "unchanged", "off"),
            ("margin_type", "isolated", "applied", "crossed"),
            ("leverage", "5", "applied", "20"),
        ]
        assert changes(world) == ["POST /fapi/v1/marginType", "POST /fapi/v1/leverage"]
        world.price("60000")
        await world.settle()
        tell(world, price="59900")
        await world.settle()
        assert len(world.resting()) == 1
        await world.restart()
        assert [o[2] for o in outcomes(world)[3:]] == ["unchanged"] * 3
        assert len(changes(world)) == 2

    run(script, SettingsPolicy(leverage=5, margin_type=MarginType.ISOLATED, multi_assets=False))


def test_no_need_to_change_is_success_even_when_only_the_venue_knows():
    async def script(world):
        settings = world.running.venue.settings
        await settings.margin_type(BTC, isolated=True)
        await settings.margin_type(BTC, isolated=True)
        await settings.multi_assets(on=False)
        await settings.position_mode(hedge=False)
        assert await settings.leverage(BTC, 20) == 20

    run(script, SettingsPolicy())


def test_nothing_is_changed_while_a_position_is_open_and_it_is_set_when_there_is_none():
    async def script(world):
        world.open("LONG", "0.010")
        await world.start()
        await world.settle()
        assert [o[2] for o in outcomes(world)] == ["unchanged", "waits"]
        assert changes(world) == []
        gate = f"account_setting leverage {BTC}"
        assert "position or an order is open" in world.owner.account.gates[gate].reason
        world.hand("order", side="SELL", type="MARKET", quantity="0.010", reduceOnly="true")
        await world.settle(40)
        assert outcomes(world)[-1][2] == "applied"
        assert gate not in world.owner.account.gates
        assert changes(world) == ["POST /fapi/v1/leverage"]

    run(script, SettingsPolicy(leverage=3, margin_type=MarginType.CROSSED), started=False)


def test_a_leverage_above_the_bracket_is_refused_in_words_and_nothing_is_entered():
    async def script(world):
        (body,) = world.bodies(AccountSettingUpdated)
        assert body.outcome is SettingOutcome.REFUSED
        assert f"{BTC} allows at most 125x, and settings.leverage is 150; write 125 or less" in body.reason
        assert changes(world) == []
        world.price("60000")
        await world.settle()
        tell(world, price="59900")
        await world.settle()
        assert world.resting() == []
        assert "125x" in world.owner.account.gates[f"account_setting leverage {BTC}"].reason

    run(script, SettingsPolicy(leverage=150))


def test_the_position_mode_is_switched_only_where_that_is_configured():
    async def script(world):
        assert outcomes(world) == [("position_mode", "one_way", "applied", "hedge")]
        assert world.owner.account.position_mode is PositionMode.ONE_WAY
        assert "account_mode_mismatch" not in world.owner.account.gates
        world.price("60000")
        await world.settle()
        tell(world, price="59900")
        await world.settle()
        assert len(world.resting()) == 1

    run(script, SettingsPolicy(switch_position_mode=True), account_hedge=True)


def test_a_dry_run_changes_nothing_and_says_what_it_would():
    async def script(world):
        assert [o[2] for o in outcomes(world)] == ["not_sent"]
        assert changes(world) == []

    run(script, SettingsPolicy(leverage=7), mode=Mode.DRY_RUN_PRIVATE, armed=False)


def test_a_venue_that_cannot_be_asked_is_asked_again():
    async def script(world):
        away = {"match": {"endpoint": "POST /fapi/v1/leverage", "times": 9}}
        world.faults({**away, "effect": {"error": {"code": -1001}}})
        await world.start()
        await world.settle(120)
        assert outcomes(world)[-1][:3] == ("leverage", "9", "applied")
        assert not [g for g in world.owner.account.gates if g.startswith("account_setting")]

    policy = ScoredPolicy(symbols=(BTC,), settings=SettingsPolicy(leverage=9))
    play(script, policy=policy, strategy=ScoredTrader(), started=False)


def test_settings_that_can_never_be_are_told_when_they_are_written():
    with pytest.raises(ValueError, match="150"):
        SettingsPolicy(leverage=151)
    with pytest.raises(ValueError, match="multi-assets"):
        SettingsPolicy(multi_assets=True, margin_type=MarginType.ISOLATED)
    assert replace(SettingsPolicy(), leverage=1).leverage == 1
