"""Which records a person has to hear of."""

import pytest

from backstay.core.events import GateChanged
from backstay.core.grades import grade


@pytest.mark.parametrize(
    ("gate", "active", "expected"),
    [
        ("venue_halt", True, "bad"),
        ("venue_halt", False, "info"),
        ("rate_limited", True, "warn"),
        ("rate_limited", False, "info"),
    ],
)
def test_8_1_a_halt_is_an_alert_and_a_pause_a_warning(gate, active, expected):
    assert grade(GateChanged(gate=gate, active=active, reason="the venue said so")) == expected
