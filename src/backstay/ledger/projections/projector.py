"""From records to changes of rows: `project` is pure, `Projector` carries what the next record needs."""

from collections.abc import Iterator

from backstay.core.events import RunStarted
from backstay.core.records import Record
from backstay.core.state import AccountState, ScopeState
from backstay.core.types import Product
from backstay.ledger.projections.changes import Change, Leave
from backstay.ledger.projections.order_rows import fill_puts, order_puts
from backstay.ledger.projections.pair_rows import is_by_lot, pair_puts
from backstay.ledger.projections.position_rows import position_puts
from backstay.ledger.projections.system_rows import System, alert_puts, system_after, system_put
from backstay.ledger.shared import SharedAccounts


def project(ledger: str, before: AccountState, record: Record, after: AccountState) -> Iterator[Change]:
    """What a record changes in the tables, given the account before and after it.

    `ledger` is `usdm` or `spot`. The same record and states always give the same changes.
    """
    yield from alert_puts(ledger, record)
    if after is before:
        return
    if isinstance(record.body, RunStarted) and _another(before, record.body):
        yield Leave(ledger)
        return
    for key, s in after.scopes.items():
        known = before.scopes.get(key)
        if known is s:
            continue
        was = known if known is not None else ScopeState(scope=key)
        yield from order_puts(was, record, s)
        yield from fill_puts(record, s)
        if key.product is not Product.SPOT or not is_by_lot(after, key.symbol):
            yield from position_puts(was, record, s)
    yield from pair_puts(before, record, after)


def _another(before: AccountState, run: RunStarted) -> bool:
    """The ledger goes on with another account: the fold forgets everything (6.4)."""
    old = before.run
    return old is not None and (old.account, old.mode, old.environment) != (
        run.account,
        run.mode,
        run.environment,
    )


class Projector:
    """Feed it every record of one ledger, in order, from where `account` and `system` stand."""

    def __init__(self, ledger: str, account: AccountState, system: System, shared: SharedAccounts) -> None:
        self.ledger = ledger
        self.account = account
        self.system = system
        self._shared = shared

    def feed(self, record: Record) -> Iterator[Change]:
        """The changes of one record; all of them must be taken before the next record is fed."""
        before = self.account
        after = self._shared.fold(before, record)
        self.system = system_after(self.system, record)
        yield from project(self.ledger, before, record, after)
        yield system_put(self.ledger, self.system, record)
        self.account = self._shared.adopted(record.seq, after)
