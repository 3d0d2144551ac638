"""Which build this is, and whether the conformance suite has passed for it (exchange-state 6.4).

What decides and what sends is hashed file by file; `conformance.txt` holds the hash for which all cases of
tests/conformance held, by the core and through the wire. Whoever changes a rule changes the hash, and real
accounts are traded by it only after the cases held again (tools/write_conformance.py; decision 0032).
"""

from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

PACKAGE = Path(__file__).resolve().parent.parent
STAMP = PACKAGE / "conformance.txt"
PARTS = ("binance", "core", "ledger", "runtime", "strategies")
HERE = frozenset({"127.0.0.1", "::1", "localhost"})


def sources() -> Iterator[Path]:
    """The files that make the build what it is, in their order."""
    for part in PARTS:
        yield from sorted((PACKAGE / part).rglob("*.py"))


@cache
def build() -> str:
    """SHA-256 of the sources, 64 hex digits; line ends do not count."""
    found = sha256(usedforsecurity=False)
    for path in sources():
        text = path.read_bytes().replace(b"\r\n", b"\n")
        found.update(f"{path.relative_to(PACKAGE).as_posix()} {len(text)}\n".encode())
        found.update(text)
    return found.hexdigest()


def is_proven() -> bool:
    """The conformance suite has passed for this very build."""
    try:
        return STAMP.read_text(encoding="ascii").split()[:1] == [build()]
    except (OSError, UnicodeDecodeError):
        return False


def is_here(url: str) -> bool:
    """An address on this machine, as a simulated exchange has it."""
    return urlsplit(url).hostname in HERE
