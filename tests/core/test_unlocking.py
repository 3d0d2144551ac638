"""What unlocks what, purity of the pass, and the locks of the modes (6.2, 6.3, 6.4, I-15)."""

import pytest
from msgspec.structs import replace

from backstay.core.decisions import Act, Recover, Wait
from backstay.core.engine import decide
from backstay.core.events import Effect
from backstay.core.modes import FACTS, LIVE_CONFIRMATION, locks, may_send
from backstay.core.state import pack
from backstay.core.types import (
    Action,
    Family,
    Mode,
    Role,
)
from backstay.testing import evidence

from tests.core.scenes import at_rest, long_of, own
from tests.core.wishes import D, guarded, ladder, stop, target, want

# --- 6.2 ----------------------------------------------------------------------------------------


def test_6_2_place_accepted_locks_its_slot_and_exposure_not_other_slots():
    scene = long_of(guarded(ladder()))
    scene.step()
    sl, tp = scene.waiting
    scene.accept(sl)
    scene.accept(tp)
    scene.report(tp)
    scene.want(guarded(ladder(), price="61000"))
    scene.tick(300)
    decision = scene.step()
    assert [i.key.role for i in decision.intents] == [Role.TP]
    assert decision.family is Family.PROTECT


def test_6_2_place_confirmed_opens_everything():
    scene = at_rest(guarded())
    scene.want(guarded(ladder()))
    assert scene.step().family is Family.EXPOSURE


def test_6_2_a_fill_without_its_position_locks_everything():
    scene = at_rest(guarded(ladder()))
    notice, moved, report = scene.venue.fill(own(scene, Role.DCA, 1).ctx_id)
    scene.fold(notice, report)
    scene.tick(300)
    scene.want(want())
    assert scene.step().reason == "fill_unmatched"
    scene.fold(moved)
    scene.tick(300)
    assert scene.step().family is Family.CLEANUP


def test_6_2_cancel_accepted_locks_the_slot_and_its_replacement():
    scene = at_rest(guarded())
    scene.want(want(stop()))
    scene.step()
    cancel = scene.waiting[0]
    scene.accept(cancel)
    scene.want(guarded(ladder(), price="61000"))
    assert scene.step() == Wait("confirmation cancel:TP/0")
    scene.report(cancel)
    scene.tick(300)
    assert [i.key.role for i in scene.step().intents] == [Role.TP]


def test_6_2_amend_accepted_locks_the_slot_and_amend_confirmed_opens_it():
    scene = at_rest(guarded())
    scene.want(guarded(ladder(), price="61000"))
    scene.step()
    amend = scene.waiting[0]
    assert amend.action is Action.AMEND
    scene.accept(amend)
    scene.want(guarded(ladder(), price="62000"))
    assert scene.step() == Wait("confirmation amend:TP/0")
    scene.report(amend)
    scene.tick(300)
    assert scene.step().intents[0].action is Action.AMEND


def test_6_2_a_deterministic_rejection_blocks_its_slot_and_leaves_the_others_open():
    scene = long_of(guarded())
    scene.step()
    sl, tp = scene.waiting
    scene.confirm(sl)
    scene.refuse(tp, Effect.PRICE_BAND)
    assert isinstance(scene.step(), Wait)
    scene.want(guarded(trigger="58000"))
    assert [i.key.role for i in scene.step().intents] == [Role.SL]


def test_6_2_an_unknown_outcome_locks_everything_but_recovery():
    scene = long_of(guarded(ladder()))
    scene.step()
    _, tp = scene.waiting
    scene.lose(tp)
    assert scene.step() == Recover(("unknown_outcome",))


@pytest.mark.parametrize("action", [Action.AMEND, Action.CANCEL])
def test_i15_a_pending_slot_gets_no_second_request(action):
    scene = at_rest(guarded())
    tp = own(scene, Role.TP)
    fields = {"price": "61000", "quantity": "0.010"} if action is Action.AMEND else {}
    scene.send(evidence.request(tp, action, **fields))
    for policy in (guarded(price="62000"), want(stop()), want(), guarded(price="61000")):
        scene.want(policy)
        decision = scene.step()
        touched = [i.key for i in decision.intents] if isinstance(decision, Act) else []
        assert tp.key not in touched


def test_i15_a_duplicate_in_a_slot_waits_while_another_order_of_the_slot_is_under_way():
    scene = at_rest(guarded(sized=True))
    scene.want(guarded(trigger="58000", sized=True))
    scene.step()
    scene.want(want(target()))
    assert isinstance(scene.step(), Wait)


# --- 6.3, 6.4 -----------------------------------------------------------------------------------


def test_6_3_the_pass_is_pure():
    scene = long_of(guarded(ladder()))
    before = pack(scene.account)
    plans = {repr(decide(scene.account, scene.key, scene.engine, scene.now)) for _ in range(3)}
    assert len(plans) == 1
    assert pack(scene.account) == before


def test_6_3_every_intent_carries_the_premise_that_it_was_planned_on():
    scene = at_rest(guarded())
    scene.want(guarded(price="61000", trigger="58000"))
    for intent in scene.plan().decision.intents:
        assert (intent.premise.epoch, intent.premise.position) == (1, D("0.010"))
        if intent.action is Action.AMEND:
            assert (intent.premise.target_price, intent.premise.target_quantity) == (
                D("60900.0"),
                D("0.010"),
            )


@pytest.mark.parametrize("mode", list(Mode))
def test_6_4_only_an_armed_mode_that_sends_may_send(mode):
    assert may_send(mode, armed=True) is (mode is not Mode.DRY_RUN_PRIVATE)
    assert not may_send(mode, armed=False)


@pytest.mark.parametrize(
    ("mode", "enabled", "phrase", "proven", "closed"),
    [
        (Mode.PAPER, False, "", False, 0),
        (Mode.DRY_RUN_PRIVATE, False, "", False, 0),
        (Mode.DEMO, False, "", True, 1),
        (Mode.DEMO, True, "", True, 0),
        (Mode.DEMO, True, "", False, 1),
        (Mode.TESTNET, False, "", True, 1),
        (Mode.TESTNET, False, "", False, 2),
        (Mode.LIVE, False, "", True, 2),
        (Mode.LIVE, True, "yes", True, 1),
        (Mode.LIVE, True, LIVE_CONFIRMATION, False, 1),
        (Mode.LIVE, True, LIVE_CONFIRMATION, True, 0),
    ],
)
def test_6_4_every_lock_is_needed(mode, enabled, phrase, proven, closed):
    assert len(locks(mode, enable_trading=enabled, live_confirm=phrase, proven=proven)) == closed
    assert FACTS[mode].mode is mode


def test_6_4_a_mode_that_is_not_armed_refuses_every_intent_by_name():
    scene = long_of(guarded())
    scene.account = replace(scene.account, run=evidence.run(Mode.LIVE, armed=False))
    plan = scene.plan()
    assert isinstance(plan.decision, Act)
    assert plan.approved == ()
    assert {r.gate for r in plan.refused} == {"mode_not_armed"}


def test_6_4_dry_run_approves_so_that_complete_candidates_can_be_shown():
    scene = long_of(guarded())
    scene.account = replace(scene.account, run=evidence.run(Mode.DRY_RUN_PRIVATE, armed=False))
    assert len(scene.plan().approved) == 2


def test_6_4_contexts_of_another_mode_are_never_used():
    scene = at_rest(guarded())
    scene.fold(evidence.run(Mode.TESTNET))
    assert scene.account.scopes == {}
