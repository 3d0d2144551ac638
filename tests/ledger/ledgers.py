"""Ledgers in memory for the tests of this folder."""

from itertools import pairwise

from backstay.core.records import Body
from backstay.ledger.codec import GENESIS, Head, encode_line, hash_line
from backstay.ledger.journal import Journal
from backstay.ledger.memory_disk import MemoryDisk
from backstay.ledger.opening import open_ledger
from backstay.ledger.reader import records
from backstay.ledger.writers import InlineWriter

from tests.ledger.bodies import T0, body

PATH = "ledger/events.jsonl"
SIDE = "ledger/events.wal"
SMALL = 64 << 10


def start(disk, *, writer=None, side_bytes=SMALL) -> Journal:
    opened = open_ledger(disk, PATH)
    return Journal(disk, PATH, start=opened.head, writer=writer or InlineWriter(), side_bytes=side_bytes)


def fill(journal: Journal, count: int) -> None:
    for _ in range(count):
        number = journal.seq + 1
        journal.append(body(number), at=T0 + number, cause=number - 1)


def written(count: int, *, side_bytes=SMALL) -> MemoryDisk:
    """A disk with a cleanly closed ledger of `count` records."""
    disk = MemoryDisk()
    journal = start(disk, side_bytes=side_bytes)
    fill(journal, count)
    journal.close()
    return disk


def only_ledger(data: bytes) -> MemoryDisk:
    disk = MemoryDisk()
    disk.replace(PATH, data)
    return disk


def lines_of(bodies: list[Body]) -> list[bytes]:
    lines, prev = [], GENESIS.hash
    for seq, each in enumerate(bodies, 1):
        lines.append(encode_line(seq, prev, T0 + seq, seq - 1, each))
        prev = hash_line(lines[-1])
    return lines


def joined(lines: list[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)


def seqs(disk) -> list[int]:
    return [record.seq for record in records(disk, PATH)]


def head_after(lines: list[bytes]) -> Head:
    data = joined(lines)
    return Head(len(lines), hash_line(lines[-1]), len(data), len(lines[-1]) + 1)


def is_sound(disk) -> bool:
    """Numbers from 1 without a gap, each line naming the hash of the one before it."""
    lines = disk.read(PATH).split(b"\n")
    if lines.pop():
        return False
    return all(b'"prev":"%b"' % hash_line(a) in b for a, b in pairwise(lines)) and seqs(disk) == list(
        range(1, len(lines) + 1)
    )
