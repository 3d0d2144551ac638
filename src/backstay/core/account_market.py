"""How the account takes in what the market side tells: scored signals and tops of order books."""

from msgspec.structs import replace

from backstay.core.account_scopes import each, gate, of_symbol, scope_of
from backstay.core.account_settings import AccountSettingUpdated, SettingOutcome
from backstay.core.scored import Book, BookSeen, Signal, SignalScored
from backstay.core.state import AccountState, ScopeState
from backstay.core.types import PositionMode, PositionSide, Role, TimeNs


def scored(account: AccountState, e: SignalScored, now: TimeNs) -> AccountState:
    """Keep the newest signal of every scope of the symbol; an older one is no news."""
    mode = account.position_mode or (account.run.position_mode if account.run is not None else None)
    sides = (PositionSide.LONG, PositionSide.SHORT) if mode is PositionMode.HEDGE else (PositionSide.BOTH,)
    keys = [scope_of(e.product, e.symbol, side) for side in sides]
    return each(account, keys, lambda s: with_signal(s, e.signal, now))


def setting_updated(account: AccountState, e: AccountSettingUpdated, now: TimeNs) -> AccountState:
    """Keep what became of a setting; while one of a symbol is not as it should be, its gate is shut."""
    name = f"{e.setting} {e.symbol}".rstrip()
    told = f"{e.value} {e.outcome} {e.reason}".rstrip()
    if account.settings.get(name) == told:
        return account
    done = e.outcome in (SettingOutcome.APPLIED, SettingOutcome.UNCHANGED)
    account = replace(account, settings={**account.settings, name: told})
    if done and e.setting == "leverage":
        account = replace(account, leverages={**account.leverages, e.symbol: int(e.value)})
    return gate(account, f"account_setting {name}", not done, f"{name} is not {e.value}: {e.reason}", now)


def with_signal(s: ScopeState, signal: Signal, now: TimeNs) -> ScopeState:
    """The scope with a newer signal.

    A position, or an entry that is under way, keeps the signal that it followed: its stop and its targets are
    that signal's plan. Only a scope with neither takes the new one as its plan.
    """
    if s.signal is not None and signal.at <= s.signal.at:
        return s
    if s.position.quantity or entering(s):
        return replace(s, signal=signal)
    direction = signal.kind.direction
    side = s.scope.position_side
    mine = direction is not None and (side is PositionSide.BOTH or side.value == direction.value)
    plan = signal if mine else None
    return replace(s, signal=signal, entry_signal=plan, entry_since=now, plan_is_old=False)


def entering(s: ScopeState) -> bool:
    """An entry order of ours is not ended."""
    return any(c.role is Role.ENTRY and not c.is_terminal for c in s.contexts.values())


def book_seen(account: AccountState, e: BookSeen, now: TimeNs) -> AccountState:
    """Keep the newest book in every known scope of the symbol."""
    return each(account, of_symbol(account, e.symbol), lambda s: _with_book(s, e.book))


def _with_book(s: ScopeState, book: Book) -> ScopeState:
    if s.book is not None and book.at <= s.book.at:
        return s
    return replace(s, book=book)
