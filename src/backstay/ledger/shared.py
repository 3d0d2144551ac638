"""The accounts that the readers of one ledger have in common.

The account after a record is the same for everybody who folds the ledger, and it is never changed in place.
So the process that writes it and its readers need not hold one each, which with ten thousand lots would be
44 MB apiece: whoever has folded a record shares what came of it, and who arrives at the same record goes on
with that instead of his own.

What a record changed is told by comparing identities before and after it, so nobody changes over in the
middle of a record: a shared step is taken only from the very account that one holds, and `adopted` is asked
behind it.
"""

from backstay.core.account import fold
from backstay.core.records import Decided, Noted, Record
from backstay.core.state import AccountState

STEPS_KEPT = 128
"""Two portions of a reader: so far one is ahead of the next one."""
PUBLISHED_KEPT = 2


class SharedAccounts:
    """Of one ledger. Used by the owner's thread (`publish`) and that of the readers (everything else)."""

    def __init__(self) -> None:
        self._published: dict[int, AccountState] = {}
        self._steps: dict[int, tuple[AccountState, AccountState]] = {}
        """By record: the account before and after it, as the foremost reader folded it."""
        self._newest = 0

    def publish(self, seq: int, account: AccountState) -> None:
        """The account after record `seq`, as its owner has it; the owner never changes it in place."""
        kept = {**self._published, seq: account}
        self._published = dict(list(kept.items())[-PUBLISHED_KEPT:])

    def at(self, seq: int) -> AccountState | None:
        """The account after record `seq`, if somebody has it."""
        if (published := self._published.get(seq)) is not None:
            return published
        step = self._steps.get(seq)
        return step[1] if step is not None else None

    def fold(self, before: AccountState, record: Record) -> AccountState:
        """The account after `record`: folded, unless somebody did so from this very account."""
        if isinstance(record.body, (Decided, Noted)):
            return before
        known = self._steps.get(record.seq)
        if known is not None and known[0] is before:
            return known[1]
        after = fold(before, record.body, record.at)
        if record.seq > self._newest:
            self._newest = record.seq
            self._steps[record.seq] = before, after
            if len(self._steps) > STEPS_KEPT:
                del self._steps[next(iter(self._steps))]
        return after

    def adopted(self, seq: int, mine: AccountState) -> AccountState:
        """What to go on with behind record `seq`: what the others have, or else `mine`."""
        return self.at(seq) or mine
