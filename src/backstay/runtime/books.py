"""Order books: subscribed while a strategy or a limit asks for one, evidence at most once a second."""

from collections.abc import Callable, Sequence
from typing import Protocol

from backstay.core.events import AnyEvent
from backstay.core.scored import Book, BookSeen
from backstay.core.types import SECOND, Scope, TimeNs

EVERY = SECOND
"""A book says nothing after five seconds (`limits.BOOK_FRESH`); one a second keeps it fresh."""


class Host(Protocol):
    """What books need of the owner."""

    @property
    def live(self) -> bool: ...

    def on_event(self, event: AnyEvent) -> None: ...


class Books:
    """Who wants which book. Who can bring them sets `subscribe`, and gives them to `heard`."""

    def __init__(self, owner: Host) -> None:
        self._owner = owner
        self._wanted: dict[str, set[Scope]] = {}
        self._recorded: dict[str, TimeNs] = {}
        self.subscribe: Callable[[Sequence[str]], None] | None = None
        """Told the symbols whenever they change; None: nobody brings books."""

    def follow(self, key: Scope, *, wanted: bool) -> None:
        """The latest plan of a scope wants its book, or does not."""
        if not wanted and not self._wanted:
            return
        scopes = self._wanted.get(key.symbol)
        if wanted:
            if scopes is None:
                self._wanted[key.symbol] = {key}
                self._tell()
            else:
                scopes.add(key)
        elif scopes is not None and key in scopes:
            scopes.discard(key)
            if not scopes:
                del self._wanted[key.symbol]
                self._recorded.pop(key.symbol, None)
                self._tell()

    def heard(self, symbol: str, book: Book) -> None:
        """The top of an order book: evidence while a plan asks for it, once a second; else thrown away."""
        scopes = self._wanted.get(symbol)
        if not scopes or not self._owner.live:
            return
        if book.at >= self._recorded.get(symbol, 0) + EVERY:
            self._recorded[symbol] = book.at
            self._owner.on_event(BookSeen(symbol=symbol, book=book, product=next(iter(scopes)).product))

    def _tell(self) -> None:
        if self.subscribe is not None:
            self.subscribe(sorted(self._wanted))
