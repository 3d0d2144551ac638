"""One line of `events.jsonl`, there and back, and the hash that chains it to the next.

A line is ``{"seq":1,"prev":"<64 hex>","at":..,"type":"..","cause":0,"body":{..}}`` in exactly this order
and without spaces; `prev` is the SHA-256 of the whole previous line without its newline, 64 zeros for
the first. The fixed order is what lets a chain be checked without parsing JSON.
"""

from hashlib import sha256
from typing import Any, get_args

import msgspec
from msgspec import Raw

from backstay.core.events import AnyEvent
from backstay.core.records import Body, Record
from backstay.core.types import Scope, TimeNs

GENESIS_HASH = b"0" * 64

_encode_body = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(Record)
_type_names: dict[type, bytes] = {}


class Entry(msgspec.Struct, frozen=True, gc=False, tag_field="type"):
    """A record as a fold needs it: evidence is decoded, what no fold reads stands as it was written.

    `chunks` decodes a decision into some thirty objects, of which replay then makes the same bytes again.
    """

    seq: int
    at: TimeNs
    body: Any
    """An event, or the JSON text of a decision or of a note as msgspec.Raw."""


class DecidedEntry(Entry, frozen=True, tag="Decided"):
    body: Raw


class NotedEntry(Entry, frozen=True, tag="Noted"):
    body: Raw


def _entry_of(event: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """The line of one kind of event: by its `type` field msgspec knows what the body is."""
    tag = event.__struct_config__.tag
    return msgspec.defstruct(
        f"{event.__name__}Entry", [("body", event)], bases=(Entry,), frozen=True, tag=tag
    )


_entries: Any = DecidedEntry | NotedEntry
for _event in get_args(AnyEvent.__value__):
    _entries |= _entry_of(_event)
_entry_decoder: msgspec.json.Decoder[Entry] = msgspec.json.Decoder(_entries)


class _OfScope(msgspec.Struct):
    scope: Scope


_scope_decoder = msgspec.json.Decoder(_OfScope)


class Head(msgspec.Struct, frozen=True):
    """A place in the ledger: just behind the line of record `seq`."""

    seq: int
    hash: bytes
    """Hash of that line, 64 hex digits."""
    offset: int
    """Bytes from the beginning of the file up to and with that line's newline."""
    line_bytes: int
    """Length of that line with its newline: it begins at ``offset - line_bytes``."""


GENESIS = Head(0, GENESIS_HASH, 0, 0)


def hash_line(line: bytes) -> bytes:
    """SHA-256 of a line without its newline, as 64 hex digits."""
    return sha256(line, usedforsecurity=False).hexdigest().encode()


def encode_body(body: Body) -> bytes:
    """A body as JSON: the same value always gives the same bytes."""
    return _encode_body(body)


def encode_line(seq: int, prev: bytes, at: TimeNs, cause: int, body: Body) -> bytes:
    """The line of a record, without newline. Raises what msgspec raises for a value it cannot carry."""
    kind = type(body)
    name = _type_names.get(kind)
    if name is None:
        name = _type_names[kind] = str(kind.__struct_config__.tag).encode()
    return b'{"seq":%d,"prev":"%b","at":%d,"type":"%b","cause":%d,"body":%b}' % (
        seq,
        prev,
        at,
        name,
        cause,
        _encode_body(body),
    )


def line_start(seq: int, prev: bytes) -> bytes:
    """How the line of record `seq` begins, given the hash of the line before it."""
    return b'{"seq":%d,"prev":"%b","at":' % (seq, prev)


def decode_line(line: bytes) -> Record:
    """A record from its line. Raises msgspec.DecodeError or msgspec.ValidationError."""
    return _decoder.decode(line)


def decode_lines(lines: bytes) -> list[Record]:
    """Records from whole lines, each ended by a newline, in one typed pass. Raises as `decode_line`."""
    return _decoder.decode_lines(lines)


def decode_entries(lines: bytes) -> list[Entry]:
    """As `decode_lines`, for folding: nothing but evidence is decoded."""
    return _entry_decoder.decode_lines(lines)


def scope_of_decision(body: Raw) -> Scope:
    """Whose decision this is. Raises as `decode_line`."""
    return _scope_decoder.decode(body).scope


def seq_of(line: bytes) -> int:
    """The number that a line states, read from its first bytes alone. Raises ValueError."""
    if not line.startswith(b'{"seq":'):
        raise ValueError("a ledger line begins with its seq")
    return int(line[7 : line.index(b",", 7, 32)])


def prev_of(line: bytes) -> bytes:
    """The hash of the previous line that a line states; empty when it states none."""
    start = line.find(b'"prev":"', 0, 48)
    return line[start + 8 : start + 72] if start >= 0 else b""
