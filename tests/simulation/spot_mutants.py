"""Deliberately broken variants of what sells lots, each with the observers that have to notice."""

from decimal import Decimal

from backstay.binance.net.outage import Outage
from backstay.core import joining, lots_view, recovery, unheard
from backstay.core.lot_book import Book
from backstay.core.types import Side
from backstay.runtime import premise, recoverer
from backstay.simulation.faults import Fault
from backstay.strategies.swing import index, offers, wanted

from tests.simulation.mutants import MUTANTS, mutant, replace

__all__ = ["MUTANTS"]
"""Those of every product."""


def fault(kind, at_ms=0, for_ms=150_000, **args):
    return Fault(kind=kind, at_ms=at_ms, for_ms=for_ms, args=args)


def cuts(setup):
    return tuple(fault("cut", at, surface="ws_api") for at in range(4_000, setup.duration_ms, 6_000))


def away(setup):
    return (fault("stream_away", 5_000, 1_300_000),)


def restarts(setup):
    crash = {"boundary": "frame in market", "when": "after", "nth": 1, "power": False, "away_ms": 300}
    return tuple(fault("crash", at, **crash) for at in range(9_000, setup.duration_ms, 12_000))


@mutant("hands_off", scenario="spot", seeds=range(2, 42))
def takes_back_what_is_not_wanted_now(patch):
    patch.setattr(joining, "untouchable", lambda s, ctx: False)
    patch.setattr(premise, "untouchable", lambda s, ctx: False)


@mutant("one_sale", scenario="spot")
def sells_half_of_a_lot(patch):
    original = wanted.sell_slot
    patch.setattr(
        wanted,
        "sell_slot",
        lambda names, price, quantity: original(names, price, quantity * Decimal("0.5")),
    )


@mutant("one_sale", "sold_twice", scenario="spot", plan=restarts, seeds=range(1, 41))
def forgets_its_sells_at_a_restart(patch):
    original = recovery.restarted
    patch.setattr(recovery, "restarted", lambda s: replace(original(s), contexts={}, pendings={}))


@mutant("sold_twice", scenario="spot", seeds=range(1, 41))
def sells_the_commission_too(patch):
    original = Book._bought

    def bought(self, trade, base):
        original(self, trade, "nothing")

    patch.setattr(Book, "_bought", bought)


@mutant("held", scenario="spot", seeds=range(7, 47))
def does_not_look_at_balances(patch):
    patch.setattr(lots_view, "uncovered", lambda account, s: Decimal(0))


@mutant("conserved", scenario="spot")
def overlooks_small_fills(patch):
    original = Book.take

    def take(self, trade, base, owner):
        if trade.side is Side.BUY and trade.quantity * trade.price < 30:
            return False
        return original(self, trade, base, owner)

    patch.setattr(Book, "take", take)
    patch.setattr(Book, "settle", lambda self, order_id, filled, *, over: True)


@mutant("conserved", scenario="spot", plan=cuts, seeds=range(2, 42))
def reads_no_trades_after_a_gap(patch):
    patch.setattr(recoverer, "unread", lambda account, engine, now: [])
    patch.setattr(Book, "settle", lambda self, order_id, filled, *, over: True)


@mutant("profit", scenario="spot")
def forgets_the_commission_of_the_sale(patch):
    original = offers.offer

    def offer(lot, rules):
        return original(lot, replace(rules, fee_sell=Decimal(0)))

    patch.setattr(index, "offer", offer)


@mutant("offered", scenario="spot")
def offers_one_lot_and_no_more(patch):
    patch.setattr(wanted, "room", lambda view, facts, most=0: 1 - facts.open_orders)


@mutant("safe_stop", scenario="spot_outage", plan=away, slow=True)
def waits_for_its_stream_for_ever(patch):
    patch.setattr(Outage, "_give_up", lambda self, how_long: None)


@mutant("conserved", "offered", scenario="spot_rounds", rate=1.0, seeds=range(13, 53))
def looks_at_balances_and_at_no_trade(patch):
    patch.setattr(unheard, "_untold", lambda s, rows: [])
