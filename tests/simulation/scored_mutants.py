"""Deliberately broken variants of the trader that enters by score, each with who has to notice."""

from decimal import Decimal

from backstay.app import missed_fills, settling
from backstay.core import account, account_market, engine, risk, scope
from backstay.core.scored import SignalScored
from backstay.ledger.audit.desk import Desk
from backstay.marketdata import desk as market_desk
from backstay.marketdata import history
from backstay.runtime.lives import Lives
from backstay.simulation.faults import Fault
from backstay.strategies.scored import entry, wanted

from tests.simulation.guard_mutants import MUTANTS
from tests.simulation.mutants import mutant, replace

__all__ = ["MUTANTS"]
"""Those of every product."""


def fault(kind, at_ms=0, for_ms=150_000, **args):
    return Fault(kind=kind, at_ms=at_ms, for_ms=for_ms, args=args)


def silent_marks(setup):
    return tuple(fault("marks_lost", at, 50_000) for at in range(50_000, setup.duration_ms, 90_000))


def lost_bars(setup):
    lost = [fault("bars_lost", at, 65_000) for at in range(50_000, setup.duration_ms, 200_000)]
    unread = [
        fault("history_unreadable", f.at_ms, 170_000, endpoint="GET /fapi/v1/klines", times=40) for f in lost
    ]
    return (*lost, *unread)


def hands(setup, do, every_ms, boundary, begin=20_000):
    args = {"boundary": boundary, "when": "after", "nth": 1, "do": do, "leg": "LONG", "amount": "500"}
    return tuple(
        fault("by_hand", at, symbol=symbol, **args)
        for symbol in setup.symbols
        for at in range(begin, setup.duration_ms, every_ms)
    )


def orders_of_a_stranger(setup):
    return hands(setup, "rest", 10**9, "frame in market")


def opened_before_it_is_set(setup):
    refused = fault("text_503", 0, 20_000, endpoint="POST /fapi/v1/leverage", times=9, text="unavailable")
    return (refused, *hands(setup, "open", 10**9, "frame in market", 6_000))


def deaths_at_fills(setup):
    crash = {"boundary": "frame in private", "when": "before", "nth": 1, "power": False, "away_ms": 400}
    return tuple(fault("crash", at, **crash) for at in range(15_000, setup.duration_ms, 15_000))


@mutant("bracketed", "naked", scenario="scored", seeds=range(6, 46))
def enters_without_a_bracket(patch):
    original = wanted.guard.wanted

    def bare(view, policy, now):
        answer = original(view, policy, now)
        return replace(answer, slots=tuple(x for x in answer.slots if x.key.role.value != "SL"))

    patch.setattr(wanted.guard, "wanted", bare)


@mutant("bracketed", scenario="scored", seeds=range(9, 49))
def follows_the_stop_of_no_signal(patch):
    original = wanted.bracket
    patch.setattr(wanted, "bracket", lambda policy, plan: original(policy, None))


@mutant("bracketed", scenario="scored", seeds=range(9, 49))
def takes_no_profit(patch):
    original = wanted.guard.wanted

    def endless(view, policy, now):
        answer = original(view, policy, now)
        return replace(answer, slots=tuple(x for x in answer.slots if x.key.role.value != "TP"))

    patch.setattr(wanted.guard, "wanted", endless)


@mutant("gated", scenario="scored")
def does_not_cool_down(patch):
    original = entry._held

    def held(view, policy, plan, direction, now):
        return original(replace(view, market=replace(view.market, closed_at=0)), policy, plan, direction, now)

    patch.setattr(entry, "_held", held)


@mutant("gated", scenario="scored")
def forgets_the_limits(patch):
    patch.setattr(risk, "_exposure", lambda *given: ("", ""))
    patch.setattr(risk, "_limited", lambda *given: ("", ""))


@mutant("gated", scenario="scored", plan=silent_marks)
def enters_on_stale_data(patch):
    patch.setattr(market_desk, "SILENCE", 10**18)


@mutant("gated", scenario="scored", plan=orders_of_a_stranger)
def overlooks_strange_orders(patch):
    original = entry._held

    def held(view, policy, plan, direction, now):
        market = replace(view.market, foreign=False)
        return original(replace(view, market=market), policy, plan, direction, now)

    patch.setattr(entry, "_held", held)


@mutant("gated", "flat", scenario="scored", seeds=range(3, 120))
def enters_through_shut_doors(patch):
    for asked in (engine, risk):  # when it is planned, and once more when it leaves
        patch.setattr(asked, "exposure_refusal", lambda account, key, limits, now: "")


@mutant("one_entry", scenario="scored", seeds=range(1, 41))
def enters_again_on_the_signal_of_what_has_ended(patch):
    """Two guards stand before it: a position's end takes its plan away, and no plan may be older than it."""
    ended, held = scope._closed, entry._held

    def keeps_its_plan(s, at):
        return replace(ended(s, at), entry_signal=s.entry_signal)

    def forgetful(view, policy, plan, direction, now):
        return held(replace(view, market=replace(view.market, closed_at=0)), policy, plan, direction, now)

    patch.setattr(scope, "_closed", keeps_its_plan)
    patch.setattr(entry, "_held", forgetful)


@mutant("one_entry", scenario="scored")
def enters_twice_the_size(patch):
    original = entry.entry_size

    def entry_size(view, policy, plan):
        size = original(view, policy, plan)
        return size * 2 if size is not None else None

    patch.setattr(entry, "entry_size", entry_size)


@mutant("explained", scenario="scored", plan=lost_bars)
def scores_across_a_hole(patch):
    original = history.History._next

    def anything(self):
        if self._line is None or not self._ahead:
            return None
        return original(self) or self._ahead[min(self._ahead)]

    patch.setattr(history.History, "_next", anything)
    patch.setattr("backstay.signals.line.judge", lambda bar, last, base: None)
    patch.setattr("backstay.signals.score.judge", lambda bar, last, base: None)


@mutant("explained", scenario="scored")
def acts_on_what_was_not_scored(patch):
    original = account_market.scored

    def scored(a, e, now):
        signal = replace(e.signal, stop_distance=e.signal.stop_distance * Decimal("1.5"))
        return original(a, replace(e, signal=signal), now)

    patch.setitem(account._HANDLERS, SignalScored, scored)


@mutant("audited", scenario="scored")
def forgets_the_fees_of_an_exit(patch):
    original = Desk._money

    def money(self, counted, row, quantity, seen):
        original(self, counted, replace(row, commission=row.commission / 2), quantity, seen)

    patch.setattr(Desk, "_money", money)


@mutant("audited", scenario="scored", plan=deaths_at_fills, seeds=range(6, 46))
def reads_no_fills_after_a_gap(patch):
    patch.setattr(missed_fills.MissedFills, "_compare", lambda self, at: None)


@mutant("audited", scenario="scored", plan=deaths_at_fills, seeds=range(1, 41))
def tells_no_milestone_of_what_was_read(patch):
    original = Lives.tell

    def tell(self, s, cause):
        if not cause:
            self._told[s.scope] = s
        original(self, s, cause)

    patch.setattr(Lives, "tell", tell)


@mutant("settings", scenario="scored", plan=opened_before_it_is_set)
def sets_leverage_whatever_is_open(patch):
    patch.setattr(settling.Settling, "_is_open", lambda self, symbol: False)
