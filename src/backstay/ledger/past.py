"""The account as it was after a record: from the newest snapshot that is not later, and what follows it."""

from collections.abc import Iterator

from backstay.core.account import fold_in_place
from backstay.core.records import Decided, Noted, Record
from backstay.core.state import AccountState, pack, unpack
from backstay.ledger.codec import Head
from backstay.ledger.disk import Disk
from backstay.ledger.reader import chunks
from backstay.ledger.shared import SharedAccounts
from backstay.ledger.snapshots import SnapshotStore


def account_at(disk: Disk, path: str, head: Head, shared: SharedAccounts | None = None) -> AccountState:
    """The account after record `head.seq`: a shared one, else from the newest snapshot that is not later."""
    if not head.seq:
        return AccountState()
    if shared is not None and (known := shared.at(head.seq)) is not None:
        return known
    snapshots = SnapshotStore(disk, path, pack=pack, unpack=unpack)
    found, _ = snapshots.newest(at_most=head.seq)
    account = found.state if found is not None else AccountState()
    start = found.head.offset if found is not None else 0
    for record in _until(chunks(disk, path, start), head.seq):
        if not isinstance(record.body, (Decided, Noted)):
            account = fold_in_place(account, record.body, record.at)
    return account


def _until(found: Iterator[list[Record]], seq: int) -> Iterator[Record]:
    for chunk in found:
        for record in chunk:
            if record.seq > seq:
                return
            yield record
