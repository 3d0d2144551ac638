"""A restart and what was only prepared: in doubt as long as need be, whatever the clocks do (R-12, 8.2)."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from backstay.core.account import fold
from backstay.core.contexts import Phase
from backstay.core.events import RequestsRegistered, RunStopped
from backstay.core.recovery import PROTECTIVE_WINDOW_MS, WINDOW_SLACK, in_doubt
from backstay.core.types import MS, SECOND, Role, Surface, Trust
from backstay.testing import evidence
from backstay.testing.builders import OPENED_AT

from tests.core.scenes import at_rest
from tests.core.wishes import guarded, stop

WINDOW = PROTECTIVE_WINDOW_MS * MS + WINDOW_SLACK


def armed_beforehand():
    """A position at rest, and a pre-armed stop for a larger one."""
    scene = at_rest(guarded())
    ctx = replace(
        evidence.context(stop("56000"), "pre1", at=0), phase=Phase.PRE_ARMED, epoch=scene.state.epoch
    )
    scene.fold(RequestsRegistered(requests=(evidence.request(ctx),), pre_armed=True))
    assert scene.state.contexts["pre1"].phase is Phase.PRE_ARMED
    return scene


def begins_anew(scene, quiet_ms=0):
    scene.fold(replace(evidence.run(), writer=2, quiet_ms=quiet_ms))
    assert scene.state.trust is Trust.UNHYDRATED


def test_r12_a_killed_process_may_have_sent_what_it_had_prepared():
    scene = armed_beforehand()
    begins_anew(scene)
    scene.recover()
    assert {c.ctx_id for c in in_doubt(scene.state)} == {"pre1"}
    scene.tick(4_100)
    scene.recover()
    assert scene.state.contexts["pre1"].phase is Phase.ABSENT
    assert scene.state.trusted


def test_r12_a_process_that_was_dead_for_longer_than_the_window_leaves_nothing_in_doubt():
    scene = armed_beforehand()
    begins_anew(scene, quiet_ms=4_100)
    scene.recover()
    assert scene.state.contexts["pre1"].phase is Phase.ABSENT
    assert scene.state.trusted


def test_r12_an_end_in_good_order_leaves_nothing_in_doubt():
    scene = armed_beforehand()
    scene.fold(RunStopped(reason="stopped by its operator"))
    assert "pre1" not in scene.state.contexts
    begins_anew(scene)
    scene.recover()
    assert scene.state.trusted
    assert any(c.key.role is Role.SL and c.is_resting for c in scene.state.contexts.values())


@given(
    sent=st.integers(0, 20_000),
    dead=st.integers(0, 20_000),
    claimed=st.integers(0, 20_000),
    jump=st.integers(-(10**9), 10**9),
    looks=st.lists(st.integers(1, 3_000), min_size=1, max_size=8),
)
def test_8_2_absence_is_never_concluded_before_the_window_of_what_may_have_been_sent(
    sent, dead, claimed, jump, looks
):
    """All in ms of venue time. The local clock of the new process may say anything (`jump`)."""
    scene = armed_beforehand()
    died_at = scene.now // MS + sent
    began_at = died_at + dead
    quiet = min(claimed, dead)
    local = (began_at + jump) * MS
    account = fold(scene.account, replace(evidence.run(), writer=2, quiet_ms=quiet), local)
    at = began_at
    for pause in looks:
        at += pause
        asked = at - OPENED_AT / MS
        account = fold(account, evidence.orders_read(at=asked), local)
        account = fold(account, evidence.algos_read(at=asked), local)
        account = fold(account, evidence.not_found("pre1", at=asked + 1, surface=Surface.ALGO), local)
        absent = account.scopes[scene.key].contexts["pre1"].phase is Phase.ABSENT
        # The latest moment at which it can have been sent is the process's death.
        assert not absent or (at + 1) * MS > died_at * MS + WINDOW
        assert absent or at * MS <= (began_at + looks[0] - quiet) * MS + WINDOW


def test_8_2_a_local_clock_that_is_behind_does_not_shorten_the_window():
    scene = armed_beforehand()
    behind = scene.now - 3600 * SECOND
    account = fold(scene.account, replace(evidence.run(), writer=2), behind)
    at = (scene.now - OPENED_AT) / MS
    for read in (evidence.orders_read(at=at), evidence.algos_read(at=at)):
        account = fold(account, read, behind)
    account = fold(account, evidence.not_found("pre1", at=at + 10, surface=Surface.ALGO), behind)
    assert account.scopes[scene.key].contexts["pre1"].phase is Phase.UNKNOWN
