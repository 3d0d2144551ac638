"""Which scopes an event touched: read off the event where it names them, compared where it does not."""

from backstay.core.account import scope_of
from backstay.core.account_scopes import of_symbol
from backstay.core.events import (
    AccountReport,
    AlgoReport,
    AnswerReceived,
    AnyEvent,
    BalancesSnapshot,
    FillNotice,
    Ignored,
    OrderReport,
)
from backstay.core.scored import BookSeen, SignalScored
from backstay.core.state import AccountState
from backstay.core.types import PositionMode, PositionSide, Product, Scope


def _moved(event: AccountReport, account: AccountState, key: Scope) -> bool:
    """Spot: a balance of the scope's base asset changed, which its lots are checked against."""
    instrument = account.instruments.get(key.symbol)
    return instrument is not None and any(row.asset == instrument.base for row in event.balances)


def affected(event: AnyEvent, before: AccountState, after: AccountState) -> list[Scope]:
    """The scopes that may have to be planned after `event` turned `before` into `after`.

    The frequent events of the private stream name theirs; looking through all scopes would make the way
    from a fill to its stop longer with every further symbol.
    """
    if isinstance(event, (OrderReport, AlgoReport)):
        return [scope_of(event.product, event.symbol, event.position_side)]
    if isinstance(event, AccountReport) and len(event.positions) == 1:
        row = event.positions[0]
        return [scope_of(event.product, row.symbol, row.position_side)]
    if isinstance(event, AnswerReceived) and after.gates is before.gates:
        return [event.scope]
    if isinstance(event, FillNotice) and after.position_mode is PositionMode.ONE_WAY:
        return [scope_of(event.product, event.symbol, PositionSide.BOTH)]
    if isinstance(event, (SignalScored, BookSeen)):
        return of_symbol(after, event.symbol)
    if isinstance(event, Ignored):
        return []
    if after.gates is not before.gates or after.instruments is not before.instruments:
        return list(after.scopes)
    if isinstance(event, BalancesSnapshot) and event.product is Product.SPOT:
        return list(after.scopes)  # lots are held against balances, and by the time that these are of
    old = before.scopes
    if isinstance(event, AccountReport) and event.product is Product.SPOT:
        return [key for key, s in after.scopes.items() if old.get(key) is not s or _moved(event, after, key)]
    return [key for key, s in after.scopes.items() if old.get(key) is not s]
