"""How many lots a running spot guard holds and how they stand, without looking at each of them."""

from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Any

import msgspec

from backstay.core.contexts import OrderContext
from backstay.core.engine import Engine
from backstay.core.instruments import Instrument
from backstay.core.lots import Flag, Lot, Lots, Mark
from backstay.core.lots_view import lots_view
from backstay.core.state import AccountState
from backstay.core.types import ZERO, PositionMode, TimeNs
from backstay.core.view import LotsView, PositionView
from backstay.strategies.by_lot import held as why_held
from backstay.strategies.by_lot import sellable
from backstay.strategies.swing.index import Index, index
from backstay.strategies.swing.offers import Offer, offer, rules_of
from backstay.strategies.swing.policy import SwingPolicy
from backstay.strategies.swing.wanted import UNSERVED


class Held(msgspec.Struct, frozen=True, eq=False):
    """The lots of one symbol that a manager sells one by one."""

    symbol: str
    lots: Lots
    selling: Mapping[int, OrderContext]
    """By lot: the SELL that is under way or rests."""
    refused: Set[int]
    instrument: Instrument
    index: Index | None
    """Swing's; None: another strategy sells them."""
    rules: Any = None
    hold: str = ""
    """Why none of them is offered now; empty: nothing holds them."""

    def offer(self, lot: Lot) -> Offer:
        """What the lot is sold for; of another strategy known once its SELL rests."""
        if self.index is not None:
            return self.index.offers.get(lot.trade_id) or offer(lot, self.rules)
        quantity, reason = sellable(lot, self.instrument)
        sell = self.selling.get(lot.trade_id)
        return Offer(lot.trade_id, (sell.slot.price if sell is not None else None) or ZERO, quantity, reason)


def held_lots(account: AccountState, engine: Engine, now: TimeNs) -> Iterator[Held]:
    """Every symbol whose lots are managed, by name."""
    for key, s in sorted(account.scopes.items()):
        manager, instrument = engine.manager(key), account.instruments.get(key.symbol)
        if s.lots is None or instrument is None or manager is None or not manager.by_lot:
            continue
        view = lots_view(account, s, PositionMode.ONE_WAY, instrument, now)
        if view.lots is None:
            continue
        rules = rules_of(view, manager.policy) if isinstance(manager.policy, SwingPolicy) else None
        yield Held(
            key.symbol,
            s.lots,
            view.lots.selling,
            view.lots.refused,
            instrument,
            index(s.lots, rules) if rules is not None else None,
            rules,
            _hold(view, view.lots),
        )


def _hold(view: PositionView, facts: LotsView) -> str:
    why = why_held(view, facts)
    if why and not facts.halted:
        return f"{why}; `backstay doctor` says what to do"
    return why or (UNSERVED if facts.lots.unserved else "")


def waits_for_its_owner(flag: Flag | None) -> bool:
    """Its SELL was ended by somebody else, and nothing is done until the owner says so."""
    return flag is not None and flag.mark is not Mark.CLOSING


def why_not_offered(found: Iterable[Held]) -> str:
    """Why a person has to look after lots that are not offered; empty: nobody has to."""
    return "; ".join(f"{held.symbol}: {held.hold}" for held in found if held.hold)


def lot_figures(found: Iterable[Held]) -> dict[str, int]:
    """Open lots of all managed symbols by state; `flagged`: those that wait for their owner's word."""
    count = {"waiting_for_profit": 0, "sell_placed": 0, "unsellable": 0, "flagged": 0}
    for held in found:
        if held.index is not None:
            placed = len(held.selling.keys() & held.index.offers.keys())
            unsellable = sum(name not in held.selling for name in held.index.unsellable)
        else:
            placed, unsellable = len(held.selling), 0
        count["sell_placed"] += placed
        count["unsellable"] += unsellable
        count["waiting_for_profit"] += held.lots.count - placed - unsellable
        count["flagged"] += sum(waits_for_its_owner(flag) for flag in held.lots.flags.values())
    return count
