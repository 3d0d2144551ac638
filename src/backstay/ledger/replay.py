"""Replay: folding the ledger again, and taking every recorded decision again.

The rules are given, not imported: replay works for any fold over the same records. A decision that
does not come out byte for byte as it was recorded is a defect, or another version of the rules.
"""

from collections.abc import Callable, Iterable
from hashlib import sha256
from time import perf_counter

import msgspec

from backstay.core.events import AnyEvent
from backstay.core.records import Decided, Noted, Record
from backstay.core.state import AccountState
from backstay.core.types import Scope, TimeNs
from backstay.ledger.codec import encode_body
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
    """SHA-256 over all decisions as JSON lines: recomputed ones, or recorded ones without `decide`."""
    records_per_s: int
    mismatch: Mismatch | None


def replay[S](
    chunks: Iterable[list[Record]],
    *,
    initial: S,
    fold: Fold[S],
    pack: Callable[[S], bytes],
    decide: Decide[S] | None = None,
) -> tuple[S, Replayed]:
    """Fold `chunks` (see `reader.chunks`) over `initial`; with `decide`, recompute each decision.

    `pack` gives a state's canonical bytes, for its digest. A `Decided` record is recomputed from the
    state after all records before it. The first difference is kept, and the replay goes on with the
    recorded evidence. Raises what reading raises.
    """
    started = perf_counter()
    state = initial
    count = last_seq = decisions = 0
    said = sha256(usedforsecurity=False)
    mismatch: Mismatch | None = None
    with no_collections():
        for chunk in chunks:
            for record in chunk:
                body = record.body
                if isinstance(body, Decided):
                    decisions += 1
                    recorded = recomputed = encode_body(body)
                    if decide is not None:
                        recomputed = encode_body(decide(state, body.scope, record.at))
                        if mismatch is None and recomputed != recorded:
                            mismatch = Mismatch(record.seq, recorded.decode(), recomputed.decode())
                    said.update(recomputed)
                    said.update(b"\n")
                elif not isinstance(body, Noted):
                    state = fold(state, body, record.at)
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
    chunks: Iterable[list[Record]], *, decide: Decide[AccountState] | None = None
) -> tuple[AccountState, Replayed]:
    """`replay` with the account's own fold, from an empty account."""
    from backstay.core.account import fold
    from backstay.core.state import pack

    return replay(chunks, initial=AccountState(), fold=fold, pack=pack, decide=decide)
