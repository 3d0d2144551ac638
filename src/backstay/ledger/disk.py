"""The `Disk` port, and files as its real implementation.

Paths are text relative to the disk's root, with ``/`` between the parts. Everything raises OSError as
the operating system does; who calls turns it into a message for people.
"""

import contextlib
import errno
import fcntl
import mmap
import os
import sys
from pathlib import Path
from typing import Protocol


class AppendFile(Protocol):
    """A file that only grows, apart from cutting a tail that nobody was promised."""

    def write(self, data: bytes) -> None:
        """Append all of `data`, or raise OSError; a part of it may be there then."""
        ...

    def sync(self) -> None:
        """Return once everything written so far survives a power cut."""
        ...

    def size(self) -> int: ...

    def truncate(self, size: int) -> None: ...

    def close(self) -> None: ...


class FixedFile(Protocol):
    """A file whose blocks exist already, overwritten in place: making it durable moves no metadata."""

    @property
    def block(self) -> int:
        """Offsets must be multiples of this many bytes."""
        ...

    def put(self, offset: int, data: bytes) -> None:
        """Write, and return once it survives a power cut; what follows up to the block's end is lost."""
        ...

    def size(self) -> int: ...

    def close(self) -> None: ...


class Disk(Protocol):
    """Everything that the ledger asks of storage."""

    def open_append(self, path: str) -> AppendFile:
        """Open for appending; the file and its folders are made when absent."""
        ...

    def open_fixed(self, path: str, size: int) -> FixedFile:
        """Open for overwriting; made of `size` zero bytes when absent, left as it is otherwise."""
        ...

    def read(self, path: str, offset: int = 0, length: int | None = None) -> bytes:
        """Up to `length` bytes from `offset`; fewer only at the end of the file."""
        ...

    def size(self, path: str) -> int | None:
        """Bytes in the file; None when there is no such file."""
        ...

    def replace(self, path: str, data: bytes) -> None:
        """Put `data` in place of the file, durably: afterwards the old or the new one is there, whole."""
        ...

    def list(self, folder: str) -> list[str]:
        """Names of the files in a folder, sorted; none when the folder does not exist."""
        ...

    def delete(self, path: str) -> None: ...


def _sync(fd: int) -> None:
    if sys.platform == "darwin":  # fsync alone leaves the data in the drive's cache there
        fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
    else:
        os.fdatasync(fd)


def _write_all(fd: int, data: bytes) -> None:
    written = os.write(fd, data)
    while written < len(data):
        written += os.write(fd, data[written:])


class _RealAppendFile:
    def __init__(self, fd: int) -> None:
        self._fd = fd

    def write(self, data: bytes) -> None:
        _write_all(self._fd, data)

    def sync(self) -> None:
        _sync(self._fd)

    def size(self) -> int:
        return os.fstat(self._fd).st_size

    def truncate(self, size: int) -> None:
        os.ftruncate(self._fd, size)

    def close(self) -> None:
        os.close(self._fd)


class _BufferedFile:
    """A fixed file through the page cache, where the file system offers nothing shorter."""

    block = 1

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def put(self, offset: int, data: bytes) -> None:
        written = os.pwrite(self._fd, data, offset)
        while written < len(data):
            written += os.pwrite(self._fd, data[written:], offset + written)
        _sync(self._fd)

    def size(self) -> int:
        return os.fstat(self._fd).st_size

    def close(self) -> None:
        os.close(self._fd)


class _DirectFile:
    """A fixed file past the page cache: about 0.8 of the time of a buffered write and a sync."""

    def __init__(self, fd: int, block: int) -> None:
        self.block = block
        self._fd = fd
        self._size = os.fstat(fd).st_size
        self._buffer = mmap.mmap(-1, max(self._size, block))  # O_DIRECT wants aligned memory

    def put(self, offset: int, data: bytes) -> None:
        length = -(-len(data) // self.block) * self.block
        self._buffer[: len(data)] = data
        self._buffer[len(data) : length] = bytes(length - len(data))
        with memoryview(self._buffer) as view, view[:length] as aligned:
            written = os.pwrite(self._fd, aligned, offset)
        if written != length:
            raise OSError(errno.EIO, f"only {written} of {length} bytes were written")

    def size(self) -> int:
        return self._size

    def close(self) -> None:
        self._buffer.close()
        os.close(self._fd)


def _open_direct(path: Path) -> _DirectFile | None:
    """Open for synchronous writes past the page cache; None where that is not to be had."""
    if sys.platform != "linux":
        return None
    try:
        fd = os.open(path, os.O_RDWR | os.O_DIRECT | os.O_DSYNC | os.O_CLOEXEC)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return None
    for block in (512, 4096):
        # A read at an odd block tells whether the device takes blocks of that size.
        with mmap.mmap(-1, 4096) as buffer, memoryview(buffer) as view, view[:block] as aligned:
            try:
                os.preadv(fd, [aligned], block)
            except OSError as error:
                if error.errno != errno.EINVAL:
                    raise
                continue
        return _DirectFile(fd, block)
    os.close(fd)
    return None


class FileDisk:
    """Real files under `root`. Files are readable by their owner only: a ledger tells what one owns."""

    def __init__(self, root: Path | str) -> None:
        self._root = Path(root)

    def open_append(self, path: str) -> AppendFile:
        full = self._root / path
        is_new = not full.exists()
        if is_new:
            full.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(full, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        if is_new:
            self._sync_folder(full.parent)
        return _RealAppendFile(fd)

    def open_fixed(self, path: str, size: int) -> FixedFile:
        full = self._root / path
        if not full.exists():
            # Written zeros and not fallocate: a block that was only reserved costs a metadata commit
            # at its first write, and that write would be somebody's durable order.
            self.replace(path, bytes(size))
        return _open_direct(full) or _BufferedFile(os.open(full, os.O_RDWR | os.O_CLOEXEC))

    def read(self, path: str, offset: int = 0, length: int | None = None) -> bytes:
        fd = os.open(self._root / path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if length is None:
                length = max(0, os.fstat(fd).st_size - offset)
            data = os.pread(fd, length, offset)
            while len(data) < length and (more := os.pread(fd, length - len(data), offset + len(data))):
                data += more
            return data
        finally:
            os.close(fd)

    def size(self, path: str) -> int | None:
        try:
            return (self._root / path).stat().st_size
        except FileNotFoundError:
            return None

    def replace(self, path: str, data: bytes) -> None:
        full = self._root / path
        full.parent.mkdir(parents=True, exist_ok=True)
        draft = full.with_name(f"{full.name}.{os.getpid()}.tmp")
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            try:
                _write_all(fd, data)
                os.fsync(fd)
            finally:
                os.close(fd)
            draft.replace(full)
        except OSError:
            with contextlib.suppress(FileNotFoundError):
                draft.unlink()
            raise
        self._sync_folder(full.parent)

    def list(self, folder: str) -> list[str]:
        try:
            return sorted(entry.name for entry in os.scandir(self._root / folder) if entry.is_file())
        except FileNotFoundError:
            return []

    def delete(self, path: str) -> None:
        (self._root / path).unlink()

    @staticmethod
    def _sync_folder(folder: Path) -> None:
        fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
