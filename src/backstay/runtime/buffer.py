"""Private events that arrive while the account is read, kept for the replay behind the snapshots (5.1)."""

from collections.abc import Callable

from backstay.core.events import AnswerReceived, AnyEvent, StreamChanged, StreamState


class Buffer:
    """Open while the account is read. What it keeps comes back in the order of arrival."""

    __slots__ = ("_events", "_hear", "is_open")

    def __init__(self, hear: Callable[[AnyEvent], None]) -> None:
        """`hear` is told of every event that is kept."""
        self._hear = hear
        self._events: list[AnyEvent] = []
        self.is_open = False

    def open(self) -> None:
        """Keep what comes from now on; what is kept already stays."""
        self.is_open = True

    def keeps(self, event: AnyEvent) -> bool:
        """Whether `event` waits for the replay; answers and changes of the stream are news at once.

        A new gap makes what was kept worthless (R-11).
        """
        if isinstance(event, AnswerReceived):
            return False
        if isinstance(event, StreamChanged) and event.state is not StreamState.OVERLAP:
            if event.state is not StreamState.CONNECTED:
                self._events.clear()
            return False
        self._events.append(event)
        self._hear(event)
        return True

    def close(self) -> list[AnyEvent]:
        """Stop keeping, and give out what was kept."""
        kept, self._events = self._events, []
        self.is_open = False
        return kept
