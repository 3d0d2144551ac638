"""A disk in memory that can lose what was not synced, tear a write, be full, and fail.

For tests and for the virtual world. It keeps for each file what would survive a power cut, and the
writes since. `crash` throws the machine away and keeps the platter.
"""

import errno
import threading
from collections.abc import Callable

SECTOR = 512
"""What a drive writes whole or not at all, in bytes."""


class PowerCut(BaseException):
    """The machine went dark in the middle of a disk operation (`MemoryDisk.cut_after`)."""


class _Content:
    """Bytes as programs see them, bytes as the platter holds them, and the writes in between."""

    def __init__(self, data: bytes = b"") -> None:
        self.seen = bytearray(data)
        self.kept = bytearray(data)
        self.unsynced: list[tuple[int, bytes]] = []
        """(offset, data); a truncation is (size, b"")."""

    def write(self, offset: int, data: bytes) -> None:
        _apply(self.seen, offset, data)
        self.unsynced.append((offset, data))

    def truncate(self, size: int) -> None:
        del self.seen[size:]
        self.unsynced.append((size, b""))

    def sync(self) -> None:
        for offset, data in self.unsynced:
            if data:
                _apply(self.kept, offset, data)
            else:
                del self.kept[offset:]
        self.unsynced.clear()


def _apply(into: bytearray, offset: int, data: bytes) -> None:
    if offset > len(into):
        into.extend(bytes(offset - len(into)))
    into[offset : offset + len(data)] = data


class MemoryDisk:
    """The `Disk` port without a disk.

    `room`: bytes that may still be added to files, None for no limit; a write that does not fit leaves
    what did and raises ENOSPC. `fail_write`, `fail_sync`: raised by every following write or sync.
    `syncs` counts the syncs that were done. `cut_after`: this many more writes, syncs and truncations
    are done, the next write reaches the drive unsynced, and from there on all raise `PowerCut`.
    """

    def __init__(self) -> None:
        self._files: dict[str, _Content] = {}
        self.lock = threading.RLock()
        self.room: int | None = None
        self.fail_write: OSError | None = None
        self.fail_sync: OSError | None = None
        self.syncs = 0
        self.cut_after: int | None = None

    def crash(self, choose: Callable[[int], int] | None = None) -> "MemoryDisk":
        """The disk as it is found after a power cut; this one stays as it was.

        Without `choose`, exactly what was synced survives. With it (``choose(n)`` gives 0 .. n-1, so
        `random.Random(seed).randrange` fits), of each file some first writes survive as well, the
        one after them in an arbitrary subset of its sectors, cut anywhere at the end.
        """
        after = MemoryDisk()
        for path, content in self._files.items():
            data = bytearray(content.kept)
            if choose is not None:
                whole = choose(len(content.unsynced) + 1)
                for offset, piece in content.unsynced[:whole]:
                    if piece:
                        _apply(data, offset, piece)
                    else:
                        del data[offset:]
                if whole < len(content.unsynced):
                    _tear(data, *content.unsynced[whole], choose)
            after._files[path] = _Content(bytes(data))
        return after

    def copy(self) -> "MemoryDisk":
        """Everything as programs see it: what a killed process leaves behind on a healthy machine."""
        after = MemoryDisk()
        after._files = {path: _Content(bytes(content.seen)) for path, content in self._files.items()}
        return after

    def open_append(self, path: str) -> "_MemoryFile":
        return _MemoryFile(self, self._files.setdefault(path, _Content()))

    def open_fixed(self, path: str, size: int) -> "_MemoryFile":
        if path not in self._files:
            self.replace(path, bytes(size))
        return _MemoryFile(self, self._files[path])

    def read(self, path: str, offset: int = 0, length: int | None = None) -> bytes:
        seen = self._content(path).seen
        return bytes(seen[offset:] if length is None else seen[offset : offset + length])

    def size(self, path: str) -> int | None:
        return len(self._files[path].seen) if path in self._files else None

    def replace(self, path: str, data: bytes) -> None:
        with self.lock:
            if self.is_cut():
                raise PowerCut
            if self.take_room(len(data)) < len(data):
                raise OSError(errno.ENOSPC, "No space left on device", path)
            self._files[path] = _Content(data)

    def list(self, folder: str) -> list[str]:
        start = f"{folder}/" if folder else ""
        names = (path[len(start) :] for path in self._files if path.startswith(start))
        return sorted(name for name in names if "/" not in name)

    def delete(self, path: str) -> None:
        self._content(path)
        del self._files[path]

    def _content(self, path: str) -> _Content:
        try:
            return self._files[path]
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", path) from None

    def is_cut(self) -> bool:
        """Count one operation; True when it is the one in which the power goes. Raises PowerCut after."""
        if self.cut_after is None:
            return False
        if self.cut_after < 0:
            raise PowerCut
        self.cut_after -= 1
        return self.cut_after < 0

    def take_room(self, wanted: int) -> int:
        """How many of `wanted` bytes may be written; raises what writes are to fail with."""
        if self.fail_write is not None:
            raise self.fail_write
        if self.room is None:
            return wanted
        granted = min(wanted, self.room)
        self.room -= granted
        return granted


def _tear(data: bytearray, offset: int, piece: bytes, choose: Callable[[int], int]) -> None:
    cut = choose(len(piece) + 1)
    for start in range(0, cut, SECTOR):
        if choose(2):
            _apply(data, offset + start, piece[start : min(start + SECTOR, cut)])


class _MemoryFile:
    """Both kinds of open file."""

    block = SECTOR

    def __init__(self, disk: MemoryDisk, content: _Content) -> None:
        self._disk = disk
        self._content = content

    def write(self, data: bytes) -> None:
        self._write_at(len(self._content.seen), data)

    def put(self, offset: int, data: bytes) -> None:
        self._write_at(offset, data)
        self.sync()

    def _write_at(self, offset: int, data: bytes) -> None:
        disk = self._disk
        with disk.lock:
            is_cut = disk.is_cut()
            growth = max(0, offset + len(data) - len(self._content.seen))
            missing = growth - disk.take_room(growth)
            if fitting := data[: len(data) - missing]:
                self._content.write(offset, fitting)
            if is_cut:
                raise PowerCut
            if missing:
                raise OSError(errno.ENOSPC, "No space left on device")

    def sync(self) -> None:
        disk = self._disk
        with disk.lock:
            if disk.is_cut():
                raise PowerCut
            if disk.fail_sync is not None:
                raise disk.fail_sync
            self._content.sync()
            disk.syncs += 1

    def size(self) -> int:
        return len(self._content.seen)

    def truncate(self, size: int) -> None:
        with self._disk.lock:
            if self._disk.is_cut():
                raise PowerCut
            self._content.truncate(size)

    def close(self) -> None:
        """Nothing is held."""
