"""Replay: folding the ledger again, and taking every recorded decision again.

The rules are given, not imported: replay works for any fold over the same records. A decision that
does not come out byte for byte as it was recorded is a defect, or another version of the rules.
"""

from collections.abc import Callable, Iterable
from hashlib import sha256
from time import perf_counter

import msgspec
from msgspec import Raw

from backstay.core.account import fold_in_place
from backstay.core.events import AnyEvent
from backstay.core.records import Decided
from backstay.core.state import AccountState, pack
from backstay.core.types import Scope, TimeNs
from backstay.ledger.codec import DecidedEntry, Entry, encode_body, scope_of_decision
from backstay.ledger.pause import no_collections

type Fold[S] = Callable[[S, AnyEvent, TimeNs], S]
"""(state, event, at) -> state; `at` is the record's local time."""
type Decide[S] = Callable[[S, Scope, TimeNs], Decided]
"""(state, scope, now) -> what a pass of that scope decides at that time."""


class Mismatch(msgspec.Struct, frozen=True):
    """The first decision that came out differently."""

    seq: int
    recorded: str
    """The body as JSON."""
    recomputed: str


class Replayed(msgspec.Struct, frozen=True):
    records: int
    last_seq: int
    decisions: int
    state_digest: str
    """SHA-256 of the final state, packed."""
    decisions_digest: str
    """See `DecisionsDigest`: of the recomputed ones, or of the recorded ones without `decide`."""
    records_per_s: int
    mismatch: Mismatch | None


PRIME = 2**255 - 19
BASE = 1 << 128 | 0xB5
"""Of the polynomial that a digest of decisions is: any numbers will do that are no secret of an adversary."""


class DecisionsDigest:
    """Decisions in their order: a polynomial whose coefficients are the SHA-256 of each.

    That of a ledger follows from those of its parts, wherever it is divided.
    """

    def __init__(self) -> None:
        self._value = 0

    def add(self, body: bytes | Raw) -> None:
        """One more decision, as JSON."""
        hashed = int.from_bytes(sha256(body, usedforsecurity=False).digest())
        self._value = (self._value * BASE + hashed) % PRIME

    def join(self, digest: str, decisions: int) -> None:
        """So many more decisions, which have this digest by themselves."""
        self._value = (self._value * pow(BASE, decisions, PRIME) + int(digest, 16)) % PRIME

    def hexdigest(self) -> str:
        return f"{self._value:064x}"


def fold_entries[S](chunks: Iterable[list[Entry]], state: S, fold: Fold[S]) -> S:
    """Fold the evidence in `chunks` (see `reader.entries`) over `state`. Raises what reading raises."""
    with no_collections():
        for chunk in chunks:
            for entry in chunk:
                if type(entry.body) is not Raw:
                    state = fold(state, entry.body, entry.at)
    return state


def replay[S](
    chunks: Iterable[list[Entry]],
    *,
    initial: S,
    fold: Fold[S],
    pack: Callable[[S], bytes],
    decide: Decide[S] | None = None,
) -> tuple[S, Replayed]:
    """Fold `chunks` (see `reader.entries`) over `initial`; with `decide`, recompute each decision.

    `pack` gives a state's canonical bytes, for its digest. A `Decided` record is recomputed from the
    state after all records before it. The first difference is kept, and the replay goes on with the
    recorded evidence. Raises what reading raises.
    """
    started = perf_counter()
    state = initial
    count = last_seq = decisions = 0
    said = DecisionsDigest()
    digest = said.add
    mismatch: Mismatch | None = None
    with no_collections():
        for chunk in chunks:
            for entry in chunk:
                body = entry.body
                if type(body) is not Raw:
                    state = fold(state, body, entry.at)
                elif type(entry) is DecidedEntry:
                    decisions += 1
                    recomputed: bytes | Raw = body
                    if decide is not None:
                        recomputed = encode_body(decide(state, scope_of_decision(body), entry.at))
                        if mismatch is None and recomputed != bytes(body):
                            mismatch = Mismatch(entry.seq, bytes(body).decode(), recomputed.decode())
                    digest(recomputed)
            if chunk:
                count += len(chunk)
                last_seq = chunk[-1].seq
    elapsed = perf_counter() - started
    return state, Replayed(
        records=count,
        last_seq=last_seq,
        decisions=decisions,
        state_digest=sha256(pack(state), usedforsecurity=False).hexdigest(),
        decisions_digest=said.hexdigest(),
        records_per_s=round(count / elapsed) if elapsed > 0 else 0,
        mismatch=mismatch,
    )


def replay_account(
    chunks: Iterable[list[Entry]], *, decide: Decide[AccountState] | None = None
) -> tuple[AccountState, Replayed]:
    """`replay` with the account's own fold, from an empty account."""
    return replay(chunks, initial=AccountState(), fold=fold_in_place, pack=pack, decide=decide)
