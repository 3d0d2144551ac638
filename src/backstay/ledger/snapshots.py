"""Snapshots: the folded state at one record, so that a restart reads only the ledger's tail.

A snapshot is a shortcut and never a source: one that is damaged, of another shape, or does not belong
to the ledger's lines is passed over with a report, and an older one or the whole ledger is folded. Besides
the newest ones, which a start needs, one of every `MILE` records is kept for good: between those a replay may
work side by side (`backstay.ledger.parts`), and a reader that is far behind has less to fold.
"""

from collections.abc import Callable, Iterable
from hashlib import sha256

import msgspec

from backstay.ledger.chain import line_matches
from backstay.ledger.codec import Head
from backstay.ledger.disk import Disk

FORMAT = 2
KEEP = 3
MILE = 50_000
SUFFIX = ".snap"


class Snapshot[T](msgspec.Struct, frozen=True):
    """The state after record `head.seq`."""

    head: Head
    state: T
    digest: str
    """SHA-256 of the state as stored, in hex."""


class Seam(msgspec.Struct, frozen=True):
    """A snapshot as a claim: the records up to `head` fold to a state of this digest."""

    head: Head
    digest: str
    path: str


class _Stored(msgspec.Struct, frozen=True, array_like=True):
    format: int
    head: Head
    seal: str
    """SHA-256 over the head and the state's digest."""
    state: bytes


def _seal(head: Head, digest: str) -> str:
    return sha256(repr((FORMAT, head, digest)).encode(), usedforsecurity=False).hexdigest()


class SnapshotStore[T]:
    """Snapshots of one kind of state beside the ledger at `path`: the newest `keep` and the milestones.

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
        older = self._names()[: -self._keep]
        for name in set(older).difference(_milestones(older)):
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

    def seams(self) -> list[Seam]:
        """The milestones and the newest one, oldest first, without those that are not whole or do not fit."""
        names = self._names()
        return [seam for name in (*_milestones(names[:-1]), *names[-1:]) if (seam := self._seam(name))]

    def at(self, seam: Seam) -> Snapshot[T] | None:
        """The snapshot that makes this claim; None when it is gone or of another version."""
        found = self._load(seam.path)
        return found if not isinstance(found, str) and found.digest == seam.digest else None

    def newest_seq(self) -> int:
        """The highest record number that an intact snapshot was taken at; 0 for none."""
        for name in reversed(self._names()):
            stored = self._stored(f"{self.folder}/{name}")
            if not isinstance(stored, str):
                return stored[0].head.seq
        return 0

    def _names(self) -> list[str]:
        found = self._disk.list(self.folder)
        return [name for name in found if name.endswith(SUFFIX) and name.removesuffix(SUFFIX).isdigit()]

    def _seam(self, name: str) -> Seam | None:
        path = f"{self.folder}/{name}"
        found = self._stored(path)
        if isinstance(found, str) or not line_matches(self._disk, self._path, found[0].head):
            return None
        return Seam(found[0].head, found[1], path)

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


def _milestones(names: Iterable[str]) -> list[str]:
    """Of snapshots in their order those that lie `MILE` records or more behind the one before."""
    found, last = [], 0
    for name in names:
        seq = int(name.removesuffix(SUFFIX))
        if seq - last >= MILE:
            found.append(name)
            last = seq
    return found
