"""Every request the venue received, bounded, without secrets: the evidence of tests and of the control
side.
"""

from collections import deque
from typing import Any

import msgspec

_SECRET = frozenset({"signature", "apiKey", "listenKey"})


class Entry(msgspec.Struct):
    """`at`: venue ns of arrival. `status`, `code`: the answer (0: none was sent). `fault`: effects that
    applied.
    """

    seq: int
    at: int
    conn: int
    surface: str
    method: str
    endpoint: str
    params: dict[str, str]
    peer: str
    account: str = ""
    status: int = 0
    code: int = 0
    executed: bool = False
    fault: list[str] = msgspec.field(default_factory=list)


class RequestLog:
    def __init__(self, size: int) -> None:
        self._entries: deque[Entry] = deque(maxlen=size)
        self.count = 0

    def add(
        self,
        at: int,
        conn: int,
        surface: str,
        method: str,
        endpoint: str,
        params: dict[str, str],
        peer: str,
    ) -> Entry:
        self.count += 1
        entry = Entry(self.count, at, conn, surface, method, endpoint, params, peer)
        self._entries.append(entry)
        return entry

    def after(self, seq: int = 0, limit: int | None = None) -> list[dict[str, Any]]:
        """Entries with a number above `seq`, oldest first, secrets cut to four characters."""
        rows = [_public(entry) for entry in self._entries if entry.seq > seq]
        return rows if limit is None else rows[:limit]


def redact(text: str) -> str:
    return f"{text[:4]}..." if len(text) > 8 else "..."


def _public(entry: Entry) -> dict[str, Any]:
    row: dict[str, Any] = msgspec.structs.asdict(entry)
    row["params"] = {k: redact(v) if k in _SECRET else v for k, v in entry.params.items()}
    return row
