"""The writer of the audit files of one ledger.

`orders.csv`, `calls.csv` and `thinking.jsonl` only grow. In `trades.csv` the trades that can still change, at
most two of a scope, stand at the end and are written anew; the others stand above them for good. What is
written, and where the ledger goes on, stands in a cursor beside the files: whatever is behind it is cut off
and made again, and files that are not those of the cursor are made again from the first record.
"""

import contextlib
import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from backstay.core.records import Body, Decided, Noted, Record
from backstay.core.state import AccountState
from backstay.core.types import TimeNs
from backstay.ledger.audit.book import Book
from backstay.ledger.audit.lines import (
    CALLS,
    ORDERS,
    TRADES,
    call_line,
    order_lines,
    row,
    thinking,
    trade_line,
)
from backstay.ledger.chain import line_matches
from backstay.ledger.codec import GENESIS, Head, decode_line, hash_line
from backstay.ledger.disk import Disk
from backstay.ledger.errors import DamagedLedgerError
from backstay.ledger.past import account_at
from backstay.ledger.projections.errors import StoreError
from backstay.ledger.reader import lines
from backstay.ledger.shared import SharedAccounts

THINKING, ORDERS_FILE, CALLS_FILE, TRADES_FILE = "thinking.jsonl", "orders.csv", "calls.csv", "trades.csv"
FILES = (THINKING, ORDERS_FILE, CALLS_FILE, TRADES_FILE)
CURSOR = ".audit.json"
LOCK = ".audit.lock"
HEADERS = {ORDERS_FILE: row(ORDERS), CALLS_FILE: row(CALLS), TRADES_FILE: row(TRADES), THINKING: ""}
FORMAT = 3
"""Files of another format are made again."""
BATCH = 256
UNWRITTEN_MOST = 1024
"""Records taken in before the files are written although there are more: each write has all open trades."""


class Cursor(msgspec.Struct):
    """Up to which record the files are, how long they are, and what the next record needs."""

    format: int
    head: Head
    sizes: dict[str, int]
    """Bytes; of trades.csv those that stand for good."""
    book: Book
    sent: dict[str, TimeNs]


def _no_pause() -> None:
    pass


class AuditFiles:
    """One ledger's audit files in `folder`. `step` until it returns 0; later again. One writer at a time."""

    def __init__(
        self,
        folder: Path,
        disk: Disk,
        path: str,
        words: Callable[[Body], str],
        shared: SharedAccounts | None = None,
    ) -> None:
        self.reports: list[str] = []
        """What was found at the beginning and is worth telling."""
        self._folder = folder
        self._disk = disk
        self._path = path
        self._words = words
        self._cursor: Cursor | None = None
        self._account = AccountState()
        self._shared = shared if shared is not None else SharedAccounts()
        self._lock: int | None = None
        self._texts: dict[str, list[str]] = {}
        self._unwritten = 0

    # --- following ----------------------------------------------------------------------------------

    def step(self, most: int = BATCH, pause: Callable[[], None] = _no_pause) -> int:
        """Take in at most `most` records; returns how many. `pause` is called behind each of them.

        Raises DamagedLedgerError, StoreError; the next call begins where the files stand.
        """
        if self._disk.size(self._path) is None:
            return 0
        try:
            cursor = self._cursor if self._cursor is not None else self._begin()
            self._cursor = None
            taken = self._take(cursor, most, pause)
        except OSError as error:
            raise StoreError(f"{self._folder}: the audit files cannot be written: {error.strerror}") from None
        self._cursor = cursor
        return taken

    def catch_up(self) -> int:
        """Take in everything that there is; returns how many records."""
        total = 0
        while taken := self.step(BATCH * 16):
            total += taken
        return total

    def clear(self) -> None:
        """Delete the files, so that the next step begins at the first record. Raises StoreError."""
        try:
            self._own()
            for name in (CURSOR, *FILES):
                (self._folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"{self._folder}: {error.strerror}") from None
        self._cursor = None

    def sizes(self) -> dict[str, int]:
        """Bytes of each file that there is."""
        found = {name: self._folder / name for name in FILES}
        return {name: path.stat().st_size for name, path in found.items() if path.exists()}

    def close(self) -> None:
        """Write what is not written yet, and let another process write the files. Raises StoreError."""
        cursor, self._cursor = self._cursor, None
        try:
            if cursor is not None and self._unwritten:
                self._write(cursor)
        except OSError as error:
            raise StoreError(f"{self._folder}: the audit files cannot be written: {error.strerror}") from None
        finally:
            self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _take(self, cursor: Cursor, most: int, pause: Callable[[], None]) -> int:
        texts = self._texts
        head, taken = cursor.head, 0
        for offset, line in lines(self._disk, self._path, head.offset, most):
            record = self._decode(line, offset, head.seq + 1)
            self._feed(record, cursor, texts)
            self._account = self._shared.adopted(record.seq, self._account)
            size = len(line) + 1
            head, taken = Head(record.seq, hash_line(line), offset + size, size), taken + 1
            pause()
        cursor.head = head
        self._unwritten += taken
        if self._unwritten and (taken < most or self._unwritten >= UNWRITTEN_MOST):
            self._write(cursor)
        return taken

    def _write(self, cursor: Cursor) -> None:
        texts, book = self._texts, cursor.book
        for name in (THINKING, ORDERS_FILE, CALLS_FILE):
            self._append(name, "".join(texts[name]), cursor)
        if book.dirty or book.sealed:
            self._trades(cursor)
        self._save(cursor)
        self._unwritten = 0
        texts.update((name, []) for name in FILES)

    def _feed(self, record: Record, cursor: Cursor, texts: dict[str, list[str]]) -> None:
        before, body = self._account, record.body
        if isinstance(body, Decided):
            texts[THINKING].append(thinking(record, self._words))
            return
        if isinstance(body, Noted):
            texts[CALLS_FILE].append(call_line(record))
            return
        self._account = self._shared.fold(before, record)
        texts[THINKING].append(thinking(record, self._words))
        texts[ORDERS_FILE].extend(order_lines(record, before, self._account, cursor.sent))
        cursor.book.feed(record, before, self._account)

    def _decode(self, line: bytes, offset: int, seq: int) -> Record:
        try:
            return decode_line(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise DamagedLedgerError(self._path, str(error), seq=seq, offset=offset) from None

    # --- the files ------------------------------------------------------------------------------------

    def _append(self, name: str, text: str, cursor: Cursor) -> None:
        if text:
            data = text.encode()
            _write(self._folder / name, cursor.sizes[name], data)
            cursor.sizes[name] += len(data)

    def _trades(self, cursor: Cursor) -> None:
        book = cursor.book
        above = "".join(map(trade_line, book.sealed)).encode()
        below = "".join(map(trade_line, book.unsealed(self._account))).encode()
        _write(self._folder / TRADES_FILE, cursor.sizes[TRADES_FILE], above + below)
        cursor.sizes[TRADES_FILE] += len(above)
        book.sealed, book.dirty = [], False

    def _save(self, cursor: Cursor) -> None:
        path = self._folder / CURSOR
        partial = path.with_name(f"{CURSOR}.partial")
        partial.write_bytes(msgspec.json.encode(cursor))
        partial.replace(path)

    # --- the beginning ------------------------------------------------------------------------------

    def _begin(self) -> Cursor:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._own()
        self._texts, self._unwritten = {name: [] for name in FILES}, 0
        cursor = self._found()
        if cursor is not None:
            self._account = account_at(self._disk, self._path, cursor.head, self._shared)
            for name in (THINKING, ORDERS_FILE, CALLS_FILE):
                os.truncate(self._folder / name, cursor.sizes[name])
            self._trades(cursor)
            return cursor
        sizes = {name: len(HEADERS[name].encode()) for name in FILES}
        for name in FILES:
            (self._folder / name).write_text(HEADERS[name], encoding="utf-8")
        self._account = AccountState()
        return Cursor(FORMAT, GENESIS, sizes, Book(), {})

    def _found(self) -> Cursor | None:
        """What the cursor says, if it is of this ledger and the files are what it says; else None."""
        path = self._folder / CURSOR
        try:
            cursor = msgspec.json.decode(path.read_bytes(), type=Cursor)
        except FileNotFoundError:
            return None
        except (msgspec.DecodeError, UnicodeDecodeError):
            self.reports.append(f"{path} cannot be read: the audit files are made anew from the ledger")
            return None
        if cursor.format != FORMAT:
            return None
        for name in FILES:
            with contextlib.suppress(OSError):
                if (self._folder / name).stat().st_size >= cursor.sizes[name]:
                    continue
            self.reports.append(f"{self._folder / name} is not whole: the audit files are made anew")
            return None
        if not line_matches(self._disk, self._path, cursor.head):
            self.reports.append(
                f"the audit files in {self._folder} are of another ledger: they are made anew"
            )
            return None
        return cursor

    def _own(self) -> None:
        """Be the one writer until `close`. Raises StoreError."""
        if self._lock is not None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(self._folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise StoreError(
                f"another process writes the audit files in {self._folder}; logs.dir names another folder"
            ) from None
        self._lock = lock


def _write(path: Path, offset: int, data: bytes) -> None:
    """Put `data` at `offset`, and end the file behind it."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        done = 0
        while done < len(data):
            done += os.pwrite(descriptor, data[done:], offset + done)
        os.ftruncate(descriptor, offset + len(data))
    finally:
        os.close(descriptor)
