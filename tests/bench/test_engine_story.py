"""The history that the engine is measured with is one that the engine understands: it may not rot unseen."""

import sys
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench"))

from backstay.core.account import fold
from backstay.core.contexts import Phase
from backstay.core.cover import stop_armed
from backstay.core.decisions import Act, Converged
from backstay.core.engine import decide
from backstay.core.records import Decided
from backstay.core.state import AccountState, pack
from backstay.core.types import Role
from backstay.ledger.disk import FileDisk
from backstay.ledger.reader import entries, records
from backstay.ledger.replay import replay_account
from engine import ENGINE, build, evidence, populated
from story import T0, history, scope

SCOPES, LIVES = 4, 14


def told():
    account = AccountState()
    for at, body in history(SCOPES, LIVES):
        if not isinstance(body, Decided):
            account = fold(account, body, at)
    return account


def test_every_life_of_the_story_begins_is_covered_and_ends():
    account = told()
    assert account.hydrated
    assert set(account.scopes) == {scope(i) for i in range(SCOPES)}
    for i, key in enumerate(sorted(account.scopes)):
        s = account.scopes[key]
        lives = len([n for n in range(1, LIVES + 1) if n % SCOPES == i])
        assert (s.trusted, s.matched, s.epoch) == (True, True, lives)
        assert not s.position.quantity
        assert not s.naked_since
        assert not s.pendings
        assert not s.blocks
        assert len(s.results) == lives - 1
        assert all(result == Decimal("14.4570") for _, result in s.results)
        assert {c.role: c.phase for c in s.contexts.values()} == {
            Role.ENTRY: Phase.FILLED,
            Role.SL: Phase.EXPIRED,
            Role.TP: Phase.FILLED,
        }


def test_a_position_of_the_story_has_its_stop_and_the_engine_decides_about_it():
    account, _ = populated(SCOPES, 2)
    for key in account.scopes:
        s = account.scopes[key]
        assert s.position.quantity
        assert stop_armed(s)
    todo = evidence(SCOPES, 2, number=SCOPES * 2)
    decisions = set()
    for at, key, event in todo:
        before = account
        account = fold(account, event, at)
        assert account is not before, f"no news: {event}"
        decisions.add(type(decide(account, key, ENGINE, at).decision))
    assert {Act, Converged} <= decisions


def test_every_event_of_a_life_is_news():
    account, idle = AccountState(), []
    for at, body in history(SCOPES, LIVES):
        before = account
        if not isinstance(body, Decided):
            account = fold(account, body, at)
        if account is before and at > T0 and not isinstance(body, Decided):
            idle.append(body)
    assert not idle


def test_a_ledger_of_the_story_replays_to_the_state_that_was_told(tmp_path):
    end = build(tmp_path, 500, 100)
    disk, path = FileDisk(tmp_path), "ledger/events.jsonl"
    account, replayed = replay_account(entries(disk, path))
    written = list(records(disk, path))
    assert (replayed.records, replayed.last_seq, end.seq) == (500, 500, 500)
    assert replayed.decisions == sum(isinstance(r.body, Decided) for r in written)
    folded = AccountState()
    for record in written:
        if not isinstance(record.body, Decided):
            folded = fold(folded, record.body, record.at)
    assert pack(account) == pack(folded)
