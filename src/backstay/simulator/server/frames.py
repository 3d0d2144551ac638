"""WebSocket frames of a server (RFC 6455), bytes in and out. No extensions, no I/O."""

import struct
from enum import IntEnum

MAX_MESSAGE = 4 * 1024 * 1024


class Op(IntEnum):
    CONTINUE = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


class FrameError(Exception):
    """The client broke the protocol; `code` is the close code to answer with."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class FrameReader:
    """Collects bytes and hands out whole messages and control frames as `(op, payload)`."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._parts: list[bytes] = []
        self._kind = Op.TEXT

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def next(self) -> tuple[Op, bytes] | None:
        """The next message or control frame, or None until more bytes come. Raises `FrameError`."""
        while True:
            frame = self._frame()
            if frame is None:
                return None
            final, op, payload = frame
            if op >= Op.CLOSE:
                if not final or len(payload) > 125:
                    raise FrameError(1002, "bad control frame")
                return op, payload
            if op is not Op.CONTINUE:
                if self._parts:
                    raise FrameError(1002, "a new message inside another")
                self._kind = op
            elif not self._parts:
                raise FrameError(1002, "continuation of nothing")
            self._parts.append(payload)
            if sum(map(len, self._parts)) > MAX_MESSAGE:
                raise FrameError(1009, "message too large")
            if final:
                whole = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
                self._parts = []
                return self._kind, whole

    def _frame(self) -> tuple[bool, Op, bytes] | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        first, second = buffer[0], buffer[1]
        if first & 0x70 or not second & 0x80:
            raise FrameError(1002, "reserved bits set, or a frame without a mask")
        try:
            op = Op(first & 0x0F)
        except ValueError as error:
            raise FrameError(1002, "unknown opcode") from error
        length, start = second & 0x7F, 2
        if length == 126:
            if len(buffer) < 4:
                return None
            length, start = struct.unpack_from("!H", buffer, 2)[0], 4
        elif length == 127:
            if len(buffer) < 10:
                return None
            length, start = struct.unpack_from("!Q", buffer, 2)[0], 10
        if length > MAX_MESSAGE:
            raise FrameError(1009, "message too large")
        end = start + 4 + length
        if len(buffer) < end:
            return None
        payload = _unmask(bytes(buffer[start : start + 4]), bytes(buffer[start + 4 : end]))
        del buffer[:end]
        return bool(first & 0x80), op, payload


def _unmask(mask: bytes, payload: bytes) -> bytes:
    size = len(payload)
    if not size:
        return b""
    # One XOR of two long integers: the fastest way in plain Python.
    key = int.from_bytes((mask * (size // 4 + 1))[:size], "big")
    return (int.from_bytes(payload, "big") ^ key).to_bytes(size, "big")


def frame(op: Op, payload: bytes) -> bytes:
    """One whole, unmasked frame."""
    size = len(payload)
    if size < 126:
        head = bytes((0x80 | op, size))
    elif size < 65536:
        head = struct.pack("!BBH", 0x80 | op, 126, size)
    else:
        head = struct.pack("!BBQ", 0x80 | op, 127, size)
    return head + payload


def close_frame(code: int, reason: str = "") -> bytes:
    return frame(Op.CLOSE, struct.pack("!H", code) + reason.encode()[:120])
