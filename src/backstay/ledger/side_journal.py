"""The side journal `events.wal`: the newest lines once more, in blocks that exist already.

A sync of a growing file has to commit the file's new size; a write into blocks that exist has not, and
takes 0.7 to 0.8 of the time (docs/decisions, "Ledger durability"). So what must be durable at once is
durable here, and `events.jsonl`, written first and in the same bytes, is synced later.

The file is two halves that are filled in turn. A frame is a little-endian length of the payload, its
CRC-32 and the frame's own length in the file, then the payload: whole lines with their newlines. A half
may be overwritten only when `events.jsonl` is durable up to everything in it, so frames left over from
earlier rounds are harmless: their records are in the ledger already and are skipped by their numbers.
"""

import struct
import zlib

from backstay.ledger.codec import Head, hash_line, prev_of, seq_of
from backstay.ledger.disk import Disk, FixedFile
from backstay.ledger.errors import DamagedLedgerError

SIDE_BYTES = 2 << 20
"""Size of a new side journal: room for some 2,000 syncs before `events.jsonl` must be synced."""

ALIGN = 4096
"""Halves begin at multiples of this: the largest block of a drive."""

_frame = struct.Struct("<III")


def side_path(path: str) -> str:
    """Where the side journal of a ledger lies: ``events.jsonl`` -> ``events.wal``."""
    return path.removesuffix(".jsonl") + ".wal"


class SideJournal:
    """The writing end. Not safe against two threads: the journal's lock guards it."""

    def __init__(self, disk: Disk, path: str, size: int = SIDE_BYTES) -> None:
        self._file: FixedFile = disk.open_fixed(path, size)
        self._half_bytes = self._file.size() // 2 // ALIGN * ALIGN
        self._half = _older_half(disk, path, self._half_bytes)
        self._used = 0
        self.other_is_clean = True
        """The half that is not written to may be reused: `events.jsonl` is durable up to its end."""
        self.turns = 0
        """How often the half was changed."""

    def put(self, lines: bytes) -> bool:
        """Make whole lines durable as one frame. False: no room before `events.jsonl` is synced."""
        size = _frame.size + len(lines)
        block = self._file.block
        span = -(-size // block) * block
        if self._used + span > self._half_bytes:
            if span > self._half_bytes or not self.other_is_clean:
                return False
            self._turn()
            self.other_is_clean = False
        frame = _frame.pack(len(lines), zlib.crc32(lines), span) + lines
        self._file.put(self._half * self._half_bytes + self._used, frame)
        self._used += span
        return True

    def restart(self) -> None:
        """`events.jsonl` is durable up to everything written here: both halves are free."""
        self._turn()
        self.other_is_clean = True

    def close(self) -> None:
        self._file.close()

    def _turn(self) -> None:
        self._half = 1 - self._half
        self._used = 0
        self.turns += 1


def _older_half(disk: Disk, path: str, half_bytes: int) -> int:
    """The half to write to first: the newest lines stay where they are, as a witness."""
    firsts = [_first_seq(disk.read(path, half * half_bytes, half_bytes)) for half in (0, 1)]
    return 1 if firsts[0] > firsts[1] else 0


def _first_seq(half: bytes) -> int:
    frames = _frames(half, limit=1)
    return seq_of(frames[0]) if frames else 0


def _frames(half: bytes, limit: int = 1 << 30) -> list[bytes]:
    payloads: list[bytes] = []
    at = 0
    while at + _frame.size <= len(half) and len(payloads) < limit:
        length, crc, span = _frame.unpack_from(half, at)
        payload = half[at + _frame.size : at + _frame.size + length]
        if not length or span < _frame.size + length or zlib.crc32(payload) != crc:
            break
        payloads.append(payload)
        at += span
    return payloads


class SideCopy:
    """What a side journal holds: lines without newline, by their record number."""

    def __init__(self, lines: dict[int, bytes], *, is_there: bool = True) -> None:
        self._lines = lines
        self.is_there = is_there
        self.newest = max(lines, default=0)

    def differs_from(self, head: Head) -> bool:
        """Whether this holds another line for the record of `head`."""
        line = self._lines.get(head.seq)
        return line is not None and hash_line(line) != head.hash

    def joins(self, head: Head) -> bool:
        """Whether this goes on right behind `head`."""
        line = self._lines.get(head.seq + 1)
        return line is not None and prev_of(line) == head.hash

    def lines_after(self, path: str, head: Head) -> list[bytes]:
        """The lines that follow `head`. Raises DamagedLedgerError when they do not join on to it."""
        found: list[bytes] = []
        seq, prev = head.seq, head.hash
        while seq < self.newest:
            seq += 1
            line = self._lines.get(seq)
            if line is None or prev_of(line) != prev:
                detail = (
                    f"the ledger ends with record {head.seq}, and {side_path(path)} goes on to record "
                    f"{self.newest} without joining on to it"
                )
                raise DamagedLedgerError(path, detail, seq=seq, offset=head.offset)
            found.append(line)
            prev = hash_line(line)
        return found


def read_side_journal(disk: Disk, path: str) -> SideCopy:
    """Read the side journal at `path`; an absent one holds nothing."""
    size = disk.size(path)
    if size is None:
        return SideCopy({}, is_there=False)
    data = disk.read(path)
    half_bytes = size // 2 // ALIGN * ALIGN
    lines: dict[int, bytes] = {}
    halves = [_frames(data[:half_bytes]), _frames(data[half_bytes : 2 * half_bytes])]
    # The older half first, so that of two lines with one number the newer one stays.
    for frames in sorted(halves, key=lambda frames: seq_of(frames[0]) if frames else 0):
        found: dict[int, bytes] = {}
        for payload in frames:
            for line in payload.split(b"\n")[:-1]:
                found.setdefault(seq_of(line), line)  # what follows the newest frame is left over
        lines.update(found)
    return SideCopy(lines)
