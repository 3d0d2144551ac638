"""Deliberately broken variants of the product, each with the observers that have to notice.

A mutant is applied with monkeypatch to the function that keeps the promise, and to nothing else.
"""

from collections.abc import Callable
from decimal import Decimal
from functools import wraps
from pathlib import Path
from typing import NamedTuple

import msgspec

from backstay.app.entropy import SeededEntropy
from backstay.binance.net.venue import BinanceVenue
from backstay.core import engine, joining, planner, recovery
from backstay.core.decisions import Wait
from backstay.core.types import Role, Surface, Trust
from backstay.ledger.journal import Journal
from backstay.runtime import executor, rounds
from backstay.runtime.naked import NakedWatch
from backstay.runtime.owner import Owner
from backstay.simulation.case import draw_case
from backstay.simulation.corpus import read_corpus
from backstay.simulation.faults import Fault
from backstay.simulation.scored_setup import draw_scored_setup
from backstay.simulation.setup import draw_setup, scenario
from backstay.simulation.spot_setup import draw_spot_setup
from backstay.strategies.position_manager import stops, take_profit, wanted
from backstay.strategies.swing import index

replace = msgspec.structs.replace


class Mutant(NamedTuple):
    name: str
    apply: Callable
    noticed_by: frozenset
    scenario: str = "mixed"
    rate: float = 0.0
    seeds: range = range(40)
    """Begins with one in which it is noticed: those before it would be played for nothing."""
    slow: bool = False
    """Takes seconds to be noticed: in the long run only."""
    plan: Callable | None = None
    """(setup) -> faults instead of drawn ones."""


MUTANTS: list[Mutant] = []
ALGO = "POST /fapi/v1/algoOrder"
LONG_MS = 150_000


def fault(kind, at_ms=0, for_ms=LONG_MS, **args):
    return Fault(kind=kind, at_ms=at_ms, for_ms=for_ms, args=args)


def late_stop_reports(setup):
    return (fault("events_late", event="ALGO_UPDATE", ms=1200),)


def crashes_among_lagging_reads(setup):
    crash = {"boundary": "frame out ws_api", "when": "after", "nth": 1, "power": False, "away_ms": 100}
    crashes = (fault("crash", at, **crash) for at in range(3_000, setup.duration_ms, 9_000))
    return (fault("visibility_lag", lagging="all", ms=2500), *crashes)


def cuts_among_slow_reads(setup):
    cuts = (fault("cut", at, surface="private") for at in range(4_000, setup.duration_ms, 9_000))
    return (fault("answer_late", endpoint="GET /fapi/v3/balance", ms=4000), *cuts)


def refused_keys(setup):
    return (fault("keys_revoked", setup.duration_ms // 4, 1_000),)


def halted(setup):
    return tuple(fault("halt", 5_000, 12_000, symbol=s, status="TRADING_HALT") for s in setup.symbols)


DRAWS = {"spot": draw_spot_setup, "scored": draw_scored_setup}


def case_of(m, seed):
    case = draw_case(seed, m.scenario, m.rate)
    draw = DRAWS.get(scenario(m.scenario).product, draw_setup)
    return replace(case, faults=m.plan(draw(seed, m.scenario))) if m.plan is not None else case


def mutant(*noticed_by, **options):
    def register(breaks):
        @wraps(breaks)
        def apply(patch):
            # What the whole product remembers is no answer of a broken one, nor the other way round.
            patch.setattr(wanted, "_ANSWERS", {})
            patch.setattr(index, "_INDEXES", {})
            breaks(patch)

        MUTANTS.append(Mutant(breaks.__name__, apply, frozenset(noticed_by), **options))
        return apply

    return register


@mutant("durable")
def skips_the_sync_of_a_context(patch):
    async def durable(self):
        self._log.write_out(sync=False)

    patch.setattr(Journal, "durable", durable)
    patch.setattr(Journal, "durable_now", lambda self: self._log.write_out(sync=False))


@mutant("exposure", scenario="ladder", plan=late_stop_reports, seeds=range(1, 40))
def takes_the_answer_for_the_confirmation(patch):
    original = planner._expose
    patch.setattr(planner, "protected", lambda field, v: True)

    def expose(field, v, now):
        return original(replace(field, state=replace(field.state, pendings={})), v, now)

    patch.setattr(planner, "_expose", expose)


@mutant("duplicates", seeds=range(5, 45))
def sends_an_id_again(patch):
    counts = {}

    def order_id(self, prefix):
        n = counts[self] = counts.get(self, 0) + 1
        return f"{prefix}{n % 5:a>26}"

    patch.setattr(SeededEntropy, "order_id", order_id)


@mutant("duplicates", "loops", "alive", "reduce_only")
def drops_the_duplicate_guard(patch):
    patch.setattr(planner, "_locked", lambda s, v, key: False)


@mutant("naked", scenario="stops", seeds=range(1, 40))
def cancels_before_it_replaces(patch):
    original = planner.change

    def change(s, slot, held, *more):
        if held and slot.key.role is Role.SL and held[-1].surface is Surface.ALGO:
            return planner.cancel(s, held[-1], "replaced")
        return original(s, slot, held, *more)

    patch.setattr(planner, "change", change)


@mutant("untrusted", "replays", "reduce_only", "single", "converges", rate=1.0, seeds=range(120))
def ignores_the_premise(patch):
    patch.setattr(executor, "stale", lambda *_: "")


@mutant("untrusted", "replays", scenario="network", rate=2.0, seeds=range(1, 40))
def plans_while_untrusted(patch):
    original = engine.plan

    def plan(field, now):
        s = field.state
        if s.position.at and s.trust in {Trust.RECOVERY_REQUIRED, Trust.RECOVERING}:
            field = replace(field, state=replace(s, trust=Trust.TRUSTED, reasons=()))
        return original(field, now)

    stale = executor.stale

    def lenient(*asked):
        why = stale(*asked)
        return "" if why == "trust lost" else why

    patch.setattr(engine, "plan", plan)
    patch.setattr(executor, "stale", lenient)


@mutant("converges", "duplicates", scenario="crash", rate=1.0)
def forgets_its_contexts_at_a_restart(patch):
    original = recovery.restarted
    patch.setattr(recovery, "restarted", lambda s: replace(original(s), contexts={}, pendings={}))


@mutant("foreign")
def touches_what_is_not_ours(patch):
    original = BinanceVenue.cancel

    def cancel(self, ctx, *, protective):
        return original(self, replace(ctx, ctx_id=f"web_{ctx.ctx_id[-20:]}"), protective=protective)

    patch.setattr(BinanceVenue, "cancel", cancel)


@mutant("reduce_only")
def asks_for_twice_the_position(patch):
    original = take_profit._slot

    def slot(view, rule, f, step, quantity, refusal):
        return original(view, rule, f, step, quantity * 2, refusal)

    patch.setattr(take_profit, "_slot", slot)
    patch.setattr(planner, "within_position", lambda s, working, intents: intents)


@mutant("caps", scenario="ladder", seeds=range(120))
def opens_the_gate_of_the_limits(patch):
    from backstay.core import risk

    patch.setattr(risk, "_exposure", lambda *given: ("", ""))


@mutant("single", scenario="two_processes", rate=1.0)
def acts_without_the_lease(patch):
    from backstay.simulation.process import Lease

    patch.setattr(Lease, "held", lambda self: True)


@mutant("converges", "duplicates")
def never_cleans_up(patch):
    patch.setattr(planner, "_cleanup", lambda s, v, now: None)


@mutant("duplicates", "converges", plan=crashes_among_lagging_reads)
def takes_not_found_for_absent(patch):
    from backstay.core import reading

    original = reading.queried

    def queried(s, q, now):
        ctx = s.contexts.get(q.ctx_id)
        if q.order is None and q.algo is None and ctx is not None and not ctx.is_terminal:
            return reading._absent(s, ctx, now)
        return original(s, q, now)

    patch.setattr(reading, "queried", queried)
    patch.setattr(recovery, "in_doubt", lambda s: ())


@mutant("flat", scenario="kill_switch")
def lets_the_kill_switch_pass(patch):
    patch.setattr(planner, "flatten", lambda s, mode, now, **more: Wait("later"))


@mutant("replays")
def keeps_some_events_out_of_the_ledger(patch):
    original = Owner._record

    def record(self, body, now, cause):
        if type(body).__name__ == "AlgoReport":
            return self._journal.seq
        return original(self, body, now, cause)

    patch.setattr(Owner, "_record", record)


@mutant("converges")
def wants_the_stop_at_a_looser_price(patch):
    original = stops.wanted_trigger

    def wanted_trigger(view, policy, f):
        trigger, watches = original(view, policy, f)
        loose = Decimal("0.99") if f.long else Decimal("1.01")
        return (trigger * loose // view.instrument.tick) * view.instrument.tick, watches

    patch.setattr(stops, "wanted_trigger", wanted_trigger)


@mutant("converges", "naked")
def takes_any_order_for_the_wanted_one(patch):
    patch.setattr(joining, "equal", lambda slot, ctx, row: row is not None and ctx.is_resting)


def keeps_its_alarms_to_itself(patch):
    """Not without `alarm`: a time that is due and never answered is due at once again, for ever."""
    original = NakedWatch.alarm

    def alarm(self, *given):
        with patch.context() as silence:
            silence.setattr(self, "_note", lambda noted, cause: None)
            original(self, *given)

    patch.setattr(NakedWatch, "alarm", alarm)


@mutant("naked", scenario="stops", plan=refused_keys, seeds=range(9, 40))
def never_alarms(patch):
    keeps_its_alarms_to_itself(patch)


@mutant("naked", "converges", "quiet", plan=cuts_among_slow_reads, seeds=range(40))
def loses_what_came_during_the_reads(patch):
    patch.setattr(Owner, "replay_buffer", lambda self: self._buffer.close())


@mutant("loops", "alive", scenario="stops", plan=halted, seeds=range(2, 40))
def asks_again_at_once_after_a_refusal(patch):
    patch.setattr(planner, "blocked", lambda s, slot, now: False)
    patch.setattr(planner, "holds", lambda block, s, now: False)


@mutant("converges", "naked", rate=1.0, scenario="network", seeds=range(1, 40))
def never_recovers(patch):
    from backstay.runtime.recoverer import Recoverer

    patch.setattr(Recoverer, "request", lambda self, key, decision: None)
    patch.setattr(Recoverer, "stream_changed", lambda self, event: None)


@mutant("converges", "naked")
def places_no_stop(patch):
    original = wanted.wanted

    def without(view, policy, now):
        answer = original(view, policy, now)
        return replace(answer, slots=tuple(x for x in answer.slots if x.key.role is not Role.SL))

    patch.setattr(wanted, "wanted", without)


@mutant("reduce_only", seeds=range(8, 48))
def does_not_know_a_reducing_order_by_its_flag(patch):
    original = take_profit._slot

    def slot(*given):
        return replace(original(*given), reduce_only=False)

    patch.setattr(take_profit, "_slot", slot)


@mutant("quiet", "loops", "alive", slow=True)
def never_comes_to_rest(patch):
    original = joining.equal
    patch.setattr(joining, "equal", lambda slot, ctx, row: original(slot, ctx, row) and row.side == "BUY")


@mutant("alive", slow=True)
def gives_up_when_a_timer_is_set(patch):
    patch.setattr(Owner, "_arm_timer", lambda self, key, at: self.fail(RuntimeError("no timers")))


def cuts_a_start(setup):
    lost = fault("request_lost", 1_000, 12_000, endpoint="GET /fapi/v1/openAlgoOrders", times=1)
    crash = {"boundary": "disk", "when": "after", "nth": 1, "power": False, "away_ms": 5_000}
    return (
        lost,
        fault("crash", 900, **crash),
        *(fault("cut", at, surface="private") for at in (8_000, 12_000)),
    )


def kept(seed):
    """The faults of a run that failed once."""
    entries = read_corpus(Path(__file__).with_name("corpus.json"))
    return lambda setup: next(e.faults for e in entries if e.seed == seed)


@mutant("untrusted", plan=cuts_a_start, seeds=range(8, 48))
def forgets_a_gap_during_the_first_reads(patch):
    from backstay.core import account

    original = account._distrust_all
    patch.setattr(account, "_distrust_all", lambda a, reason: replace(original(a, reason), gap=""))


@mutant("exposure", plan=kept(2116), seeds=range(2116, 2117))
def adds_to_a_position_without_looking_again(patch):
    from backstay.runtime import premise

    patch.setattr(premise, "_bare_since", lambda s, request: False)


@mutant("untrusted", scenario="network", rate=2.0)
def believes_that_silence_means_no_change(patch):
    from backstay.core import account

    patch.setattr(account, "_distrust_all", lambda a, reason: a)


@mutant("converges", "naked", "quiet", rate=1.0, scenario="crash")
def starts_without_reading_what_rests(patch):
    from backstay.core import account
    from backstay.core.events import AlgosSnapshot

    patch.setitem(account._HANDLERS, AlgosSnapshot, lambda a, e, now: a)


@mutant("converges", "naked", scenario="rounds", rate=1.0, seeds=range(32, 72))
def looks_and_sees_nothing(patch):
    patch.setattr(rounds, "unheard", lambda *read: {})
