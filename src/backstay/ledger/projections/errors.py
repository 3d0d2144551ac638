"""What can go wrong with the store, split by what the caller can do about it."""

from typing import ClassVar

from backstay.ledger.errors import LedgerError


class StoreError(LedgerError):
    """The store cannot be used now: no permission, no room, locked, a server that does not answer."""


class StoreUrlError(LedgerError):
    """`store.url` names no database that this program can use."""

    exit_code: ClassVar[int] = 2


class NewerStoreError(LedgerError):
    """A newer version of the program made this database; this one would misread it."""


class DamagedStoreError(LedgerError):
    """The database is not what was written. The ledger has everything: it can be rebuilt."""
