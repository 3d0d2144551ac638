"""Reading records: from any place, by number, as they come, and along their causes.

All of it reads `events.jsonl` alone and takes no lock, so it works beside a running journal: a line
that is not complete yet is simply not there yet.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator

import msgspec

from backstay.core.records import Record
from backstay.ledger.chain import CHUNK
from backstay.ledger.codec import Entry, decode_entries, decode_lines, seq_of
from backstay.ledger.disk import Disk
from backstay.ledger.errors import DamagedLedgerError, RecordNotFoundError

READ_BYTES = 256 << 10
DECODE_CHUNK = 16 << 10
"""Bytes decoded in one go: the records of one chunk still lie in the processor's cache when folded."""
POLL_S = 0.05
READ_STEP = 16 << 10


class Located(msgspec.Struct, frozen=True):
    """A record and where its line stands."""

    record: Record
    offset: int
    line: bytes
    """Without its newline."""


def chunks(disk: Disk, path: str, offset: int = 0) -> Iterator[list[Record]]:
    """Records from byte `offset` (a line's beginning) on, in lists. Raises DamagedLedgerError."""
    return _decoded(disk, path, offset, decode_lines)


def entries(disk: Disk, path: str, offset: int = 0, end: int | None = None) -> Iterator[list[Entry]]:
    """As `chunks`, for folding: decisions and notes stay undecoded. Up to byte `end`, where a line begins."""
    return _decoded(disk, path, offset, decode_entries, end)


def _decoded[R](
    disk: Disk, path: str, offset: int, decode: Callable[[bytes], list[R]], stop: int | None = None
) -> Iterator[list[R]]:
    rest = b""
    position = offset
    while data := disk.read(path, position, READ_BYTES if stop is None else min(READ_BYTES, stop - position)):
        start = position - len(rest)
        position += len(data)
        data = rest + data
        begin = 0
        while end := _end_of_chunk(data, begin):
            yield _decode_chunk(path, data[begin:end], start + begin, decode)
            begin = end
        rest = data[begin:]


def _end_of_chunk(data: bytes, begin: int) -> int:
    """Behind the last line that a chunk from `begin` on holds whole, or a longer line; 0: no line ends."""
    return data.rfind(b"\n", begin, begin + DECODE_CHUNK) + 1 or data.find(b"\n", begin) + 1


def lines(disk: Disk, path: str, offset: int, most: int) -> Iterator[tuple[int, bytes]]:
    """(beginning, line without newline) of at most `most` complete lines from byte `offset` on."""
    data = b""
    step = READ_STEP
    while most > 0:
        end = data.find(b"\n")
        if end >= 0:
            yield offset, data[:end]
            offset += end + 1
            data = data[end + 1 :]
            most -= 1
            step = READ_STEP
            continue
        more = disk.read(path, offset + len(data), step)
        if not more:
            return
        data += more
        step *= 2


def records(disk: Disk, path: str, offset: int = 0) -> Iterator[Record]:
    """As `chunks`, one by one."""
    for chunk in chunks(disk, path, offset):
        yield from chunk


def _decode_chunk[R](path: str, data: bytes, offset: int, decode: Callable[[bytes], list[R]]) -> list[R]:
    try:
        return decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        for line in data.split(b"\n"):
            try:
                decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise DamagedLedgerError(path, str(error), seq=_stated(line), offset=offset) from None
            offset += len(line) + 1
        raise


def _stated(line: bytes) -> int:
    try:
        return seq_of(line)
    except ValueError:
        return 0


def find(disk: Disk, path: str, seq: int) -> Located:
    """The record `seq`, by halving the file. Raises RecordNotFoundError, DamagedLedgerError."""
    size = disk.size(path) or 0
    low, high = 0, size
    """Beginnings of lines: the record wanted begins at or after `low` and before `high`."""
    while low < high:
        middle = _line_begin(disk, path, (low + high) // 2, low)
        line = _line_at(disk, path, middle)
        if not line:
            break
        try:
            here = seq_of(line)
        except ValueError:
            raise DamagedLedgerError(path, "the line is not a ledger record", seq=0, offset=middle) from None
        if here == seq:
            return Located(_decode_chunk(path, line + b"\n", middle, decode_lines)[0], middle, line)
        if here < seq:
            low = middle + len(line) + 1
        else:
            high = middle
    raise RecordNotFoundError(f"{path} has no record {seq}; `backstay ledger tail` shows the newest ones")


def _line_begin(disk: Disk, path: str, offset: int, lowest: int) -> int:
    """Where the line that byte `offset` belongs to begins."""
    step = 4096
    end = offset
    while end > lowest:
        start = max(lowest, end - step)
        newline = disk.read(path, start, end - start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end, step = start, step * 2
    return lowest


def _line_at(disk: Disk, path: str, offset: int) -> bytes:
    """The whole line that begins at `offset`; empty when it is not complete."""
    data, step = b"", 4096
    while piece := disk.read(path, offset + len(data), step):
        data += piece
        newline = data.find(b"\n")
        if newline >= 0:
            return data[:newline]
        step = CHUNK
    return b""


def last(disk: Disk, path: str, count: int) -> list[Record]:
    """The newest `count` records, oldest first (`ledger tail`)."""
    size = disk.size(path) or 0
    want, data = 4096, b""
    start = size
    while start > 0 and data.count(b"\n") <= count:
        start = max(0, start - want)
        data = disk.read(path, start, size - start)
        want *= 2
    complete = data[: data.rfind(b"\n") + 1]
    lines = complete.split(b"\n")[:-1][-count:] if count else []
    joined = b"".join(line + b"\n" for line in lines)
    return _decode_chunk(path, joined, start + len(complete) - len(joined), decode_lines) if lines else []


async def follow(disk: Disk, path: str, *, offset: int = 0, poll_s: float = POLL_S) -> AsyncIterator[Record]:
    """Records from `offset` on, and then the new ones as they come. Ends only when cancelled."""
    while True:
        size = disk.size(path) or 0
        moved = False
        while offset < size:
            data = disk.read(path, offset, READ_BYTES)
            end = data.rfind(b"\n") + 1
            if not end and len(data) == READ_BYTES:  # a line longer than a chunk
                line = _line_at(disk, path, offset)
                data, end = line + b"\n", len(line) + 1 if line else 0
            if not end:
                break
            for record in _decode_chunk(path, data[:end], offset, decode_lines):
                yield record
            offset += end
            moved = True
        if not moved:
            await asyncio.sleep(poll_s)


def causes(disk: Disk, path: str, seq: int) -> list[Record]:
    """The record `seq`, the record that caused it, and so on back to the outside world."""
    chain: list[Record] = []
    while seq:
        record = find(disk, path, seq).record
        chain.append(record)
        if record.cause >= seq:
            detail = f"record {seq} names the later record {record.cause} as its cause"
            raise DamagedLedgerError(path, detail, seq=seq, offset=0)
        seq = record.cause
    return chain


def consequences(disk: Disk, path: str, seq: int, *, within: int = 10_000) -> list[Record]:
    """Records that `seq` caused, directly or not, among the `within` records after it."""
    family = {seq}
    found: list[Record] = []
    for record in records(disk, path, find(disk, path, seq).offset):
        if record.seq > seq + within:
            break
        if record.cause in family:
            family.add(record.seq)
            found.append(record)
    return found
