"""How many lots a running spot guard holds and how they stand, without looking at each of them."""

from backstay.core.engine import Engine
from backstay.core.lots_view import lots_view
from backstay.core.state import AccountState
from backstay.core.types import PositionMode, TimeNs
from backstay.strategies.swing.index import index
from backstay.strategies.swing.offers import rules_of
from backstay.strategies.swing.policy import SwingPolicy


def lot_figures(account: AccountState, engine: Engine, now: TimeNs) -> dict[str, int]:
    """Open lots of all managed symbols by state; `flagged`: those that wait for their owner's word."""
    found = {"waiting_for_profit": 0, "sell_placed": 0, "unsellable": 0, "flagged": 0}
    for key, s in account.scopes.items():
        manager, instrument = engine.manager(key), account.instruments.get(key.symbol)
        if s.lots is None or instrument is None or manager is None:
            continue
        if not isinstance(manager.policy, SwingPolicy):
            continue
        view = lots_view(account, s, PositionMode.ONE_WAY, instrument, now)
        if view.lots is None:
            continue
        offers = index(s.lots, rules_of(view, manager.policy))
        selling = view.lots.selling.keys()
        placed = len(selling & offers.offers.keys())
        unsellable = sum(name not in selling for name in offers.unsellable)
        found["sell_placed"] += placed
        found["unsellable"] += unsellable
        found["waiting_for_profit"] += s.lots.count - placed - unsellable
        found["flagged"] += len(s.lots.flags)
    return found
