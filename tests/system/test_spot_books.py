"""A strategy on spot that asks for the order book gets it as evidence; nobody else pays for one."""

import pytest
from msgspec.structs import replace

from backstay.core.scored import BookSeen
from backstay.core.types import Product
from backstay.ledger.reader import chunks
from backstay.strategies.swing.wanted import Swing

from tests.system import spot_world
from tests.system.spot_world import SPOT_LEDGER, play_spot

SEEN = []
"""Books that the strategy was shown."""


class Looking(Swing):
    """Swing that wants to see the book."""

    def wanted(self, view, policy, now):
        SEEN.append(view.market.book)
        return replace(super().wanted(view, policy, now), book=True)


def books(w):
    bodies = (record.body for chunk in chunks(w.disk, SPOT_LEDGER) for record in chunk)
    return [body for body in bodies if isinstance(body, BookSeen)]


@pytest.mark.parametrize("strategy", [Looking, Swing])
def test_a_book_is_evidence_while_it_is_asked_for(monkeypatch, strategy):
    monkeypatch.setattr(spot_world, "Swing", strategy)

    async def script(w):
        w.buy("4")
        await w.settle(10)
        s = w.running.owner.account.scopes[w.key]
        found = books(w)
        if strategy is Swing:
            assert (found, s.book) == ([], None)
            return
        assert 5 <= len(found) <= 11, "once a second"
        assert {b.product for b in found} == {Product.SPOT}
        assert s.book is not None
        assert s.book.bids[0].price < s.book.asks[0].price
        assert s.book in SEEN

    play_spot(script)
