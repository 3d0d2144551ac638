"""What a record changes in the tables: values that a store applies in order."""

from typing import Any

import msgspec


class Put(msgspec.Struct, frozen=True):
    """Make the row `key` of `table`, or change it.

    `values` are written in both cases, `first` only when the row is new. Without `values` a row that is there
    stays as it is.
    """

    table: str
    key: str
    values: dict[str, Any]
    first: dict[str, Any] = {}


class Leave(msgspec.Struct, frozen=True):
    """The ledger goes on with another account: orders, fills, positions and pairs of the last one go."""

    product: str


type Change = Put | Leave


def merged(earlier: Put, later: Put) -> Put:
    """One Put that does what the two do one after the other."""
    if not later.values:
        return earlier
    # A row that `earlier` makes has its `first`; one that was there before has neither.
    values = {**earlier.values, **later.values}
    first = {k: v for k, v in {**later.first, **earlier.first}.items() if k not in values}
    return Put(earlier.table, earlier.key, values, first)
