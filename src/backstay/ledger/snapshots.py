"""Snapshots: the folded state at one record, so that a restart reads only the ledger's tail.

A snapshot is a shortcut and never a source: one that is damaged, of another shape, or does not belong
to the ledger's lines is passed over with a report, and an older one or the whole ledger is folded.
"""

from collections.abc import Callable
from hashlib import sha256

import msgspec

from backstay.ledger.chain import line_matches
from backstay.ledger.codec import Head
from backstay.ledger.disk import Disk

FORMAT = 2
KEEP = 3
SUFFIX = ".snap"


class Snapshot[T](msgspec.Struct, frozen=True):
    """The state after record `head.seq`."""

    head: Head
    state: T
    digest: str
    """SHA-256 of the state as stored, in hex."""


class _Stored(msgspec.Struct, frozen=True, array_like=True):
    format: int
    head: Head
    seal: str
    """SHA-256 over the head and the state's digest."""
    state: bytes


def _seal(head: Head, digest: str) -> str:
    return sha256(repr((FORMAT, head, digest)).encode(), usedforsecurity=False).hexdigest()


class SnapshotStore[T]:
    """Snapshots of one kind of state beside the ledger at `path`, the newest `keep` of them.

    `pack` and `unpack` turn a state into bytes and back; `unpack` raises msgspec.DecodeError or
    ValueError for bytes of another version. A file is ``snapshots/<seq>.snap``, the seq in 12 digits.
    """

    def __init__(
        self,
        disk: Disk,
        path: str,
        *,
        pack: Callable[[T], bytes],
        unpack: Callable[[bytes], T],
        keep: int = KEEP,
    ) -> None:
        self._disk = disk
        self._path = path
        self.folder = f"{path.rpartition('/')[0]}/snapshots".lstrip("/")
        self._pack = pack
        self._unpack = unpack
        self._decode_stored = msgspec.msgpack.Decoder(_Stored).decode
        self._keep = keep

    def save(self, state: T, head: Head) -> str:
        """Keep `state`, which is the fold up to and with `head`; returns the file's path.

        `head` must be durable (`Journal.durable_now` gives one that is). Raises OSError.
        """
        data = self._pack(state)
        digest = sha256(data, usedforsecurity=False).hexdigest()
        stored = _Stored(FORMAT, head, _seal(head, digest), data)
        path = f"{self.folder}/{head.seq:012d}{SUFFIX}"
        self._disk.replace(path, msgspec.msgpack.encode(stored))
        for name in self._names()[: -self._keep]:
            self._disk.delete(f"{self.folder}/{name}")
        return path

    def newest(self, *, at_most: int | None = None) -> tuple[Snapshot[T] | None, tuple[str, ...]]:
        """The newest snapshot that is whole and fits the ledger, and why newer ones were passed over.

        With `at_most` only those of this record or an earlier one are looked at.
        """
        reports: list[str] = []
        for name in reversed(self._names()):
            if at_most is not None and name > f"{at_most:012d}{SUFFIX}":
                continue
            path = f"{self.folder}/{name}"
            found = self._load(path)
            if not isinstance(found, str):
                return found, tuple(reports)
            reports.append(f"snapshot {path} was passed over: {found}")
        return None, tuple(reports)

    def newest_seq(self) -> int:
        """The highest record number that an intact snapshot was taken at; 0 for none."""
        for name in reversed(self._names()):
            stored = self._stored(f"{self.folder}/{name}")
            if not isinstance(stored, str):
                return stored[0].head.seq
        return 0

    def _names(self) -> list[str]:
        return [name for name in self._disk.list(self.folder) if name.endswith(SUFFIX)]

    def _stored(self, path: str) -> tuple[_Stored, str] | str:
        """What is in a file, with the digest of its state; or why it cannot be used."""
        try:
            stored = self._decode_stored(self._disk.read(path))
        except (msgspec.DecodeError, OSError) as error:
            return f"it cannot be read ({error})"
        if stored.format != FORMAT:
            return f"its format is {stored.format}, and this version reads {FORMAT}"
        digest = sha256(stored.state, usedforsecurity=False).hexdigest()
        if stored.seal != _seal(stored.head, digest):
            return "its contents do not match its digest"
        return stored, digest

    def _load(self, path: str) -> Snapshot[T] | str:
        found = self._stored(path)
        if isinstance(found, str):
            return found
        stored, digest = found
        if not line_matches(self._disk, self._path, stored.head):
            return f"the ledger does not have its record {stored.head.seq} at byte {stored.head.offset}"
        try:
            state = self._unpack(stored.state)
        except (msgspec.DecodeError, ValueError) as error:
            return f"its state is of another version ({error})"
        return Snapshot(stored.head, state, digest)
