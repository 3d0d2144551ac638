"""The news of one process: scheduled windows and the headlines that came lately. Where they come from is not
known here; without any, every outlook is quiet.
"""

from collections import deque
from collections.abc import Iterable, Sequence

from backstay.core.types import TimeNs
from backstay.signals.news import QUIET, Headline, NewsWindow, Outlook, outlook

KEPT = 500


class NewsDesk:
    """Windows are fixed; headlines are added as they come, the same text once."""

    def __init__(self, windows: Sequence[NewsWindow] = ()) -> None:
        self._windows = tuple(windows)
        self._headlines: deque[Headline] = deque(maxlen=KEPT)

    def add(self, headlines: Iterable[Headline]) -> int:
        """Take headlines in; returns how many were new."""
        known = {(h.text, h.source) for h in self._headlines}
        new = [h for h in headlines if (h.text, h.source) not in known]
        self._headlines.extend(new)
        return len(new)

    def outlook(self, symbol: str, at: TimeNs) -> Outlook:
        """What news mean for the symbol at `at`, by what was known then."""
        if not self._windows and not self._headlines:
            return QUIET
        return outlook(at, symbol, self._windows, tuple(self._headlines))


NO_NEWS = NewsDesk()
