"""Walking the chain: sequence and hashes of line after line, without parsing JSON."""

from hashlib import sha256

import msgspec

from backstay.ledger.codec import GENESIS, Head, line_start, prev_of, seq_of
from backstay.ledger.disk import Disk

CHUNK = 256 << 10
"""Bytes read at a time where lines are only hashed."""
_NOTHING = sha256(usedforsecurity=False)
"""The hash of no bytes: copying it takes two thirds of the time of making one."""


class Flaw(msgspec.Struct, frozen=True):
    """The first place where the chain does not hold."""

    seq: int
    """The record that is wrong or missing."""
    line: int
    """Line number counted from where the walk began, from 1."""
    offset: int
    """Where the offending line begins, in bytes."""
    detail: str
    text: bytes
    """That line, without newline."""


class ChainWalker:
    """Checks chunks of the file one after the other, from `start` on.

    `head` is the last good record and `before` the one before it. After a flaw nothing more is read.
    """

    def __init__(self, start: Head = GENESIS) -> None:
        self.head = start
        self.before = start
        self.last_line = b""
        """The line of `head`, once one was walked."""
        self.walked = 0
        self.flaw: Flaw | None = None
        self.rest = b""
        """What follows the last newline."""

    def feed(self, data: bytes) -> bool:
        """Check the next bytes of the file; False once there is a flaw."""
        if self.flaw is not None:
            return False
        data = self.rest + data
        start, seq, prev = self.head, self.head.seq, self.head.hash
        earlier, before, last, begin = prev, 0, 0, 0
        hasher = _NOTHING.copy
        # One line at a time: the next one takes the same memory, which never leaves the processor's cache.
        while (end := data.find(b"\n", begin)) >= 0:
            line = data[begin:end]
            if not line.startswith(b'{"seq":%d,"prev":"%b","at":' % (seq + 1, prev)):
                break
            seq += 1
            sha = hasher()
            sha.update(line)
            earlier, prev = prev, sha.hexdigest().encode()
            before, last, begin = last, begin, end + 1
        if good := seq - start.seq:
            offset = start.offset + begin
            size = begin - last
            self.last_line = data[last : begin - 1]
            self.before = start if good == 1 else Head(seq - 1, earlier, offset - size, last - before)
            self.head = Head(seq, prev, offset, size)
            self.walked += good
        if end >= 0:
            self.flaw = self._explain(line)
            begin = data.rfind(b"\n") + 1
        self.rest = data[begin:]
        return self.flaw is None

    def _explain(self, line: bytes) -> Flaw:
        expected = self.head.seq + 1
        offset, at_line = self.head.offset, self.walked + 1
        try:
            stated = seq_of(line)
        except ValueError:
            stated = -1
        if stated != expected:
            if self.walked and not is_json(self.last_line):  # a line break too few or too many
                return Flaw(
                    self.head.seq, at_line - 1, self.before.offset, "its line is broken", self.last_line
                )
            says = f"the line says {stated}" if stated >= 0 else "the line is no ledger record"
            return Flaw(expected, at_line, offset, f"record {expected} is expected here, and {says}", line)
        stated_prev = prev_of(line)
        differing = sum(a != b for a, b in zip(stated_prev, self.head.hash, strict=False))
        # A changed line gives a wholly different hash; a changed hash field differs in a few digits.
        is_hash = len(stated_prev) == len(self.head.hash) and not stated_prev.strip(b"0123456789abcdef")
        if not is_hash or differing <= 16 or not self.walked:
            return Flaw(expected, at_line, offset, "its line does not begin as it must", line)
        start = self.before.offset
        detail = "its line is not the one whose hash follows it"
        return Flaw(self.head.seq, at_line - 1, start, detail, self.last_line)


def is_json(line: bytes) -> bool:
    try:
        msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True


def walk(disk: Disk, path: str, start: Head = GENESIS) -> ChainWalker:
    """Walk the file from `start` to its end or to its first flaw."""
    walker = ChainWalker(start)
    offset = start.offset
    while data := disk.read(path, offset, CHUNK):
        offset += len(data)
        if not walker.feed(data):
            break
    return walker


def line_matches(disk: Disk, path: str, head: Head) -> bool:
    """Whether the line that ends at `head.offset` is the one that `head` was taken from."""
    if head.seq == 0:
        return head == GENESIS
    line = disk.read(path, head.offset - head.line_bytes, head.line_bytes)
    if len(line) != head.line_bytes or not line.endswith(b"\n"):
        return False
    body = line[:-1]
    known = sha256(body, usedforsecurity=False).hexdigest().encode() == head.hash
    return known and body.startswith(line_start(head.seq, prev_of(body)))
