"""The policy: what is refused, what is warned about, and that it travels through JSON."""

import msgspec
import pytest
from hypothesis import given

from backstay.strategies.position_manager.policy import (
    Basis,
    BreakEvenPolicy,
    DcaPolicy,
    PositionPolicy,
    StopKind,
    TakeProfitPolicy,
    TimeStopPolicy,
)
from backstay.testing import strategies as some
from backstay.testing.builders import dca, dec, policy, stop, take_profit


@given(some.policies())
def test_a_policy_survives_the_ledger(rules):
    text = msgspec.json.encode(rules)
    back = msgspec.json.decode(text, type=PositionPolicy)
    assert back == rules
    assert hash(back) == hash(rules)


def test_a_configuration_mapping_becomes_a_policy():
    rules = msgspec.convert(
        {
            "symbols": ["BTCUSDT"],
            "sides": ["LONG"],
            "stop_loss": {"kind": "fixed_qty", "distance": "0.05", "basis": "average"},
            "take_profit": {"kind": "limit", "levels": [{"distance": "0.015", "share": "1"}]},
            "break_even": {"trigger": "0.01", "offset": "0.0005"},
            "dca": {"steps": 3, "first_deviation": "0.01", "first_size": "0.010"},
        },
        PositionPolicy,
    )
    assert rules.stop_loss.kind is StopKind.FIXED_QTY
    assert rules.check() == ()


def test_an_unknown_key_is_an_error():
    with pytest.raises(msgspec.ValidationError, match="distnace"):
        msgspec.convert({"stop_loss": {"distnace": "0.05"}}, PositionPolicy)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: stop(distance="5"), "stop_loss.distance is 5"),
        (lambda: stop(price="-1", distance="0.05"), None),
        (lambda: stop(kind=StopKind.TRAILING, distance="0.3"), "use trailing_local"),
        (lambda: stop(trail_as=StopKind.TRAILING), "write close_position or fixed_qty"),
        (lambda: take_profit(("0.01", "0.6"), ("0.02", "0.6")), "sum to 1.2"),
        (lambda: take_profit(("0.02", "0.5"), ("0.01", "0.5")), "nearest first"),
        (lambda: BreakEvenPolicy(trigger=dec(0)), "break_even.trigger is 0"),
        (lambda: TimeStopPolicy(after=0), "write a positive duration"),
        (lambda: dca(steps=101), "dca.steps is 101"),
        (lambda: dca(max_resting=0), "dca.max_resting is 0"),
        (lambda: dca(first_size="0"), "dca.first_size is 0"),
        (lambda: dca(first_deviation="1.5"), "dca.first_deviation is 1.5"),
        (lambda: dca(step_done_fraction="0"), "dca.step_done_fraction"),
    ],
)
def test_a_value_that_can_never_be_right_is_refused_with_what_to_write(make, says):
    if says is None:
        with pytest.raises((ValueError, TypeError)):
            make()
        return
    with pytest.raises(ValueError, match=says.replace(".", r"\.")):
        make()


def test_the_defaults_and_the_documented_example_raise_no_warning():
    assert policy().check() == ()
    example = policy(
        dca=dca(), break_even=BreakEvenPolicy(trigger=dec("0.01"), offset=dec("0.0005")), stop_loss=stop()
    )
    assert example.check() == ()


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        (policy(stop_loss=stop(enabled=False)), "not protected"),
        (policy(stop_loss=stop(price="50000")), "one price for LONG and SHORT"),
        (policy(stop_loss=stop(kind=StopKind.TRAILING, activation="0.01")), "the venue holds no stop"),
        (policy(take_profit=TakeProfitPolicy(levels=())), "profits are not taken"),
        (
            policy(stop_loss=stop(kind=StopKind.TRAILING), break_even=BreakEvenPolicy(trigger=dec("0.01"))),
            "no effect on a stop of kind trailing",
        ),
        (policy(break_even=BreakEvenPolicy(trigger=dec("0.001"), offset=dec("0.002"))), "breached at once"),
        (policy(break_even=BreakEvenPolicy(trigger=dec("0.02"))), "will not be reached"),
        (policy(dca=dca(), stop_loss=stop(enabled=False)), "nothing limits the loss"),
        (policy(dca=dca(), stop_loss=stop(distance="0.04")), "dca step 3 at 0.0475"),
        (policy(dca=dca(), stop_loss=stop(distance="0.04", basis=Basis.ANCHOR)), "can never fill"),
        (policy(dca=dca(first_deviation="0.4"), stop_loss=stop(distance="0.9")), "a LONG can never reach it"),
    ],
)
def test_settings_that_do_not_fit_together_are_warned_about(rules, says):
    assert any(says in warning for warning in rules.check())


def test_d4_an_anchored_stop_just_beyond_the_last_step_is_fine():
    assert policy(dca=dca(), stop_loss=stop(distance="0.048", basis=Basis.ANCHOR)).check() == ()
    assert isinstance(dca(), DcaPolicy)
