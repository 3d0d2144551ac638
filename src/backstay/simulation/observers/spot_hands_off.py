"""Hands off: a SELL that rests is never cancelled or amended by us, whatever happens.

The one reason to take one back is its owner's word to close the lot.
"""

from typing import Any

from backstay.simulation.observers.spot_base import SpotObserver


class HandsOff(SpotObserver):
    name = "hands_off"
    words = "no resting SELL is ever cancelled or amended by us, unless its owner closes the lot"

    def over(self, world: Any) -> None:
        story = self.watch.story()
        if story is None:
            return
        for sent in self.watch.all_sent:
            if sent.action == "place":
                continue
            order = story.orders.get(sent.client_id)
            asked = self.watch.close_asked
            lots = [(order.symbol, name) for name in order.lots] if order is not None else []
            if not any(asked.get(lot, sent.at_ms + 1) <= sent.at_ms for lot in lots):
                self.say(f"{sent.key[0]}: {sent.endpoint} {sent.client_id} of lots {lots}", sent.at_ms)
