"""Readers of one ledger share the accounts that they fold, and write what they would write alone."""

import pytest

from backstay.app.ledger_paths import LEDGER
from backstay.app.words import words
from backstay.core.account import fold_in_place
from backstay.core.state import AccountState, pack
from backstay.ledger.audit.files import FILES, AuditFiles
from backstay.ledger.codec import Head
from backstay.ledger.past import account_at
from backstay.ledger.projections.keeper import Keeper
from backstay.ledger.reader import chunks, entries
from backstay.ledger.replay import fold_entries
from backstay.ledger.shared import PUBLISHED_KEPT, STEPS_KEPT, SharedAccounts

from tests.ledger.projections.lives import dumped, store_at, troubled


@pytest.fixture(scope="module")
def disk():
    return troubled()


@pytest.fixture(scope="module")
def ledger(disk):
    return [record for chunk in chunks(disk, LEDGER) for record in chunk]


def owned(disk, seq):
    """The account after record `seq` as its owner has it."""
    past = ([e for e in chunk if e.seq <= seq] for chunk in entries(disk, LEDGER))
    return fold_entries(past, AccountState(), fold_in_place)


def alone(disk, tmp_path):
    store = store_at(tmp_path, "alone.db")
    Keeper(store, "usdm", disk, LEDGER).catch_up()
    files = AuditFiles(tmp_path / "alone", disk, LEDGER, words)
    files.catch_up()
    files.close()
    return dumped(store), {name: (tmp_path / "alone" / name).read_bytes() for name in FILES}


@pytest.mark.parametrize("portions", [(64, 64), (64, 17), (10, 90), (10_000, 64)])
def test_two_readers_that_share_write_what_each_writes_alone(disk, ledger, tmp_path, portions):
    shared = SharedAccounts()
    for seq in (40, 120, len(ledger)):
        shared.publish(seq, owned(disk, seq))
    store = store_at(tmp_path)
    keeper = Keeper(store, "usdm", disk, LEDGER, shared)
    files = AuditFiles(tmp_path / "files", disk, LEDGER, words, shared)
    while keeper.step(portions[0]) + files.step(portions[1]):
        pass
    files.close()
    written = {name: (tmp_path / "files" / name).read_bytes() for name in FILES}
    assert (dumped(store), written) == alone(disk, tmp_path)


def test_readers_go_on_with_the_account_of_the_owner(disk, ledger, tmp_path):
    shared, last = SharedAccounts(), len(ledger)
    account = owned(disk, last)
    shared.publish(last, account)
    keeper = Keeper(store_at(tmp_path), "usdm", disk, LEDGER, shared)
    keeper.catch_up()
    assert shared.at(last) is account
    assert account_at(disk, LEDGER, Head(last, "", 0, 0), shared) is account
    assert shared.adopted(last, owned(disk, last)) is account
    assert pack(account) == pack(owned(disk, last)), "and leave it as it is"


def test_one_who_follows_another_holds_the_very_same_accounts(ledger):
    shared = SharedAccounts()
    first = second = AccountState()
    for record in ledger:
        first = shared.fold(first, record)
    # Its steps are remembered for a while only: who is that far behind folds for himself.
    assert shared.at(ledger[-STEPS_KEPT // 4].seq) is not None
    assert shared.at(ledger[0].seq) is None
    for record in ledger:
        second = shared.adopted(record.seq, shared.fold(second, record))
    assert second is first


def test_a_step_is_taken_from_the_same_account_only(ledger):
    shared = SharedAccounts()
    mine, other = AccountState(), AccountState()
    after = shared.fold(mine, ledger[0])
    assert shared.fold(mine, ledger[0]) is after
    apart = shared.fold(other, ledger[0])
    assert apart is not after
    assert pack(apart) == pack(after)


def test_only_the_latest_published_ones_are_kept():
    shared = SharedAccounts()
    for seq in range(PUBLISHED_KEPT + 2):
        shared.publish(seq, AccountState())
    assert [seq for seq in range(PUBLISHED_KEPT + 2) if shared.at(seq) is not None] == [2, 3]
