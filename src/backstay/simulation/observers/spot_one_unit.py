"""One exit of a holding at a time: a single order, or one list whose legs have one size (decision 0025)."""

from typing import Any

from backstay.simulation.observers.spot_guarded import Guarded


class OneUnit(Guarded):
    name = "one_unit"
    words = "a spot holding is offered by one order or one list at a time"

    def __init__(self, watch: Any) -> None:
        super().__init__(watch)
        self._told: set[tuple[object, ...]] = set()

    def happened(self, frame: dict[str, Any], legs: set[Any]) -> None:
        for symbol in {key[0] for key in legs} & self.watch.setup.guards.keys():
            ours = self.exits(self.watch.truth, symbol)
            units = {o.list_id if o.list_id >= 0 else -o.order_id for o in ours}
            if len(units) > 1:
                self._say(symbol, *sorted(o.client_id for o in ours))
            if len(ours) > 1 and len({o.total for o in ours}) > 1:
                self._say(symbol, *sorted(f"{o.kind} of {o.total}" for o in ours))

    def _say(self, symbol: str, *orders: str) -> None:
        if (symbol, *orders) not in self._told:
            self._told.add((symbol, *orders))
            self.say(f"{symbol}: {', '.join(orders)} rest beside each other")
