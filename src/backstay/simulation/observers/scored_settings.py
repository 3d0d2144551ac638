"""How the account trades is never changed by us while a position or an order of what it concerns exists."""

from backstay.simulation.observers.base import Observer
from backstay.simulator.server.request_log import Entry

OF_SYMBOL = frozenset({"POST /fapi/v1/leverage", "POST /fapi/v1/marginType"})
OF_ACCOUNT = frozenset({"POST /fapi/v1/positionSide/dual", "POST /fapi/v1/multiAssetsMargin"})


class SettingsUntouched(Observer):
    name = "settings"
    words = "the account's settings are left alone while a position or an order exists"

    def setting(self, entry: Entry) -> None:
        """A request reached the venue."""
        if entry.endpoint not in OF_SYMBOL and entry.endpoint not in OF_ACCOUNT:
            return
        symbol = entry.params.get("symbol", "") if entry.endpoint in OF_SYMBOL else ""
        for scene in (self.watch.truth, self.watch.told):
            legs = [key for key, leg in scene.legs.items() if leg.amount]
            orders = [o.key for o in (*scene.orders.values(), *scene.algos.values())]
            if not any(symbol in {"", key[0]} for key in (*legs, *orders)):
                return  # what has just come could not be known, what has just gone is gone
        self.say(f"{entry.endpoint} {symbol}".rstrip() + " was sent while a position or an order was open")
