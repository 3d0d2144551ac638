"""The operator's page has every state of a lot, and every reason for it."""

from pathlib import Path

import pytest

from backstay.core.filters import TOO_SMALL
from backstay.strategies.swing.offers import ABOVE_MAX_SELL_VALUE, UNKNOWN_COMMISSION
from backstay.strategies.swing.states import FLAGGED, LotStatus

PAGE = Path(__file__).resolve().parents[3] / "docs" / "operating" / "swing.md"
REASONS = [*TOO_SMALL, ABOVE_MAX_SELL_VALUE, UNKNOWN_COMMISSION, *FLAGGED.values(), "refused_by_venue"]


@pytest.mark.parametrize("word", sorted({*LotStatus, *REASONS}))
def test_the_page_says_what_it_means(word):
    assert f"`{word}`" in PAGE.read_text(encoding="utf-8")
