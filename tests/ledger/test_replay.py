import msgspec

from backstay.core.decisions import Wait
from backstay.core.records import Decided
from backstay.ledger.reader import entries
from backstay.ledger.replay import replay, replay_account

from tests.ledger.bodies import T0
from tests.ledger.ledgers import PATH, written


def fold(state, event, at):
    return (state[0] + 1, at)


def run(disk, decide=None):
    return replay(entries(disk, PATH), initial=(0, 0), fold=fold, pack=msgspec.msgpack.encode, decide=decide)


def same(state, scope, now):
    # As the test bodies were made: decisions are every sixth record from the fourth on.
    return Decided(scope, Wait("protection is pending", now))


def test_i38_replay_folds_evidence_only_and_recomputes_each_decision():
    state, result = run(written(60), same)
    assert state == (50, T0 + 60)
    assert (result.records, result.last_seq, result.decisions, result.mismatch) == (60, 60, 10, None)


def test_i38_digests_are_the_same_for_the_same_ledger_and_differ_for_another():
    _, recorded = run(written(60))
    _, recomputed = run(written(60), same)
    _, shorter = run(written(59))
    assert recorded.decisions_digest == recomputed.decisions_digest
    assert recorded.state_digest == recomputed.state_digest != shorter.state_digest


def test_i38_the_first_decision_that_differs_is_shown():
    def other(state, scope, now):
        return Decided(scope, Wait("other" if state[0] > 20 else "protection is pending", now))

    _, result = run(written(60), other)
    assert result.mismatch.seq == 28
    assert '"other"' in result.mismatch.recomputed
    assert "protection is pending" in result.mismatch.recorded


def test_i38_replaying_the_account_twice_gives_the_same_state():
    disk = written(60)
    first, result = replay_account(entries(disk, PATH))
    second, again = replay_account(entries(disk, PATH))
    assert first == second
    assert result.state_digest == again.state_digest
