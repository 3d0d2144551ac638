"""Order books: subscribed while a strategy or a limit asks for one, recorded at most once a second."""

from collections.abc import Callable, Sequence

from backstay.core.scored import Book
from backstay.core.types import SECOND, Scope, TimeNs

EVERY = SECOND
"""A book says nothing after five seconds (`limits.BOOK_FRESH`); one a second keeps it fresh."""


class Books:
    """Who wants which book. `subscribe` is told the symbols whenever they change."""

    def __init__(self, subscribe: Callable[[Sequence[str]], None]) -> None:
        self._subscribe = subscribe
        self._wanted: dict[str, set[Scope]] = {}
        self._recorded: dict[str, TimeNs] = {}

    def __bool__(self) -> bool:
        """Any book is wanted."""
        return bool(self._wanted)

    def follow(self, key: Scope, *, wanted: bool) -> None:
        """The latest plan of a scope wants its book, or does not."""
        scopes = self._wanted.get(key.symbol)
        if wanted:
            if scopes is None:
                self._wanted[key.symbol] = {key}
                self._subscribe(sorted(self._wanted))
            else:
                scopes.add(key)
        elif scopes is not None and key in scopes:
            scopes.discard(key)
            if not scopes:
                del self._wanted[key.symbol]
                self._recorded.pop(key.symbol, None)
                self._subscribe(sorted(self._wanted))

    def is_due(self, symbol: str, book: Book) -> bool:
        """Whether this book is to be recorded; then it counts as recorded."""
        if symbol not in self._wanted or book.at < self._recorded.get(symbol, 0) + EVERY:
            return False
        self._recorded[symbol] = book.at
        return True
