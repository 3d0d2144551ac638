"""Custom ids: what the venue takes, never twice, and nothing in them to read (3.1, I-20)."""

import re
from collections import Counter

import pytest

from backstay.app.entropy import SeededEntropy, SystemEntropy

LEGAL = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")
DRAWS = 4_000


@pytest.mark.parametrize("entropy", [SystemEntropy(), SeededEntropy(7)])
@pytest.mark.parametrize("prefix", ["bs", "backstay"])
def test_i20_an_id_is_its_prefix_and_26_characters_of_base32_drawn_evenly(entropy, prefix):
    ids = [entropy.order_id(prefix) for _ in range(DRAWS)]
    assert len(set(ids)) == DRAWS
    assert all(LEGAL.fullmatch(name) and name.startswith(prefix) for name in ids)
    drawn = [name.removeprefix(prefix) for name in ids]
    assert {len(text) for text in drawn} == {26}
    for place in zip(*drawn, strict=True):  # 125 of each are expected; eight deviations are 90
        assert set(Counter(place)) == set("abcdefghijklmnopqrstuvwxyz234567")
        assert max(Counter(place).values()) < 125 + 90
