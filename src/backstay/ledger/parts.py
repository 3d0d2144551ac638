"""Replaying a whole ledger from one snapshot to the next, side by side, each snapshot against its records.

What a part ends with has to be, byte for byte, what the next one begins with. The first begins with nothing,
so all of them together say the same as one replay from the first record to the last. A snapshot that is not
what its records fold to is told of, and nothing follows from it: the ledger is replayed in one go then.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from signal import SIG_DFL, SIGINT, signal
from time import perf_counter

import msgspec

from backstay.core.account import fold_in_place
from backstay.core.state import AccountState, pack, unpack
from backstay.ledger.disk import Disk
from backstay.ledger.errors import LedgerError
from backstay.ledger.reader import entries
from backstay.ledger.replay import Decide, DecisionsDigest, Replayed, replay
from backstay.ledger.snapshots import Seam, SnapshotStore


class ProcessLostError(LedgerError):
    """One of the processes that share a replay was ended from outside."""


class Whole(msgspec.Struct, frozen=True):
    """What a replay of all parts found."""

    state: AccountState
    replayed: Replayed
    bad_snapshot: str
    """The first snapshot that is not what the records before it fold to; empty: there is none."""
    processes: int


def replay_in_parts(
    disk: Disk, path: str, *, decide: Decide[AccountState] | None = None, jobs: int = 0
) -> Whole:
    """Replay the ledger at `path` (see `replay`) in up to `jobs` processes; 0: one for each core.

    More than one needs a ledger that is long enough to have milestones, and a `disk` and a `decide` that
    another process can get. Raises what reading raises, and ProcessLostError.
    """
    started = perf_counter()
    store = SnapshotStore(disk, path, pack=pack, unpack=unpack)
    seams = store.seams()
    processes = min(jobs or os.cpu_count() or 1, len(seams))
    found = _side_by_side(disk, path, seams, decide, processes) if processes > 1 else None
    if found is None:
        processes = 1
        found = _one_by_one(disk, path, seams, decide)
    state, parts = found
    differing = (s for s, p in zip(seams, parts, strict=False) if s.digest != p.state_digest)
    bad = next((seam.path for seam in differing if store.at(seam) is not None), "")
    return Whole(state, _together(parts, perf_counter() - started), bad, processes)


type _Found = tuple[AccountState, list[Replayed]]


def _side_by_side(
    disk: Disk, path: str, seams: Sequence[Seam], decide: Decide[AccountState] | None, processes: int
) -> _Found | None:
    """None: the parts do not join, or a snapshot cannot be unpacked by this version."""
    play = partial(_part, disk, path, decide)
    try:
        with ProcessPoolExecutor(processes, initializer=_begin) as pool:
            played = list(pool.map(play, (None, *seams), (*seams, None)))
    except BrokenProcessPool:
        raise ProcessLostError(
            f"a process that replayed a part of {path} was ended from outside, by want of memory perhaps; "
            "--jobs 1 needs the least"
        ) from None
    parts = [part for part, _ in played if part is not None]
    if len(parts) < len(played):
        return None
    if any(seam.digest != part.state_digest for seam, part in zip(seams, parts, strict=False)):
        return None
    return unpack(played[-1][1]), parts


def _begin() -> None:
    """A guard on the same machine goes first; Ctrl-C ends this process at once, not after its part."""
    os.nice(10)
    signal(SIGINT, SIG_DFL)


def _part(
    disk: Disk, path: str, decide: Decide[AccountState] | None, begin: Seam | None, end: Seam | None
) -> tuple[Replayed | None, bytes]:
    """Replay from one snapshot to another; with the packed state when there is no other."""
    state, offset = AccountState(), 0
    if begin is not None:
        snapshot = SnapshotStore(disk, path, pack=pack, unpack=unpack).at(begin)
        if snapshot is None:
            return None, b""
        state, offset = snapshot.state, begin.head.offset
    state, replayed = _between(disk, path, decide, state, offset, end)
    return replayed, b"" if end is not None else pack(state)


def _one_by_one(disk: Disk, path: str, seams: Sequence[Seam], decide: Decide[AccountState] | None) -> _Found:
    state, offset, parts = AccountState(), 0, []
    for end in (*seams, None):
        state, replayed = _between(disk, path, decide, state, offset, end)
        parts.append(replayed)
        offset = end.head.offset if end is not None else 0
    return state, parts


def _between(
    disk: Disk,
    path: str,
    decide: Decide[AccountState] | None,
    state: AccountState,
    offset: int,
    end: Seam | None,
) -> tuple[AccountState, Replayed]:
    chunks = entries(disk, path, offset, end.head.offset if end is not None else None)
    return replay(chunks, initial=state, fold=fold_in_place, pack=pack, decide=decide)


def _together(parts: Sequence[Replayed], elapsed: float) -> Replayed:
    digest = DecisionsDigest()
    for part in parts:
        digest.join(part.decisions_digest, part.decisions)
    records = sum(part.records for part in parts)
    return Replayed(
        records=records,
        last_seq=max(part.last_seq for part in parts),
        decisions=sum(part.decisions for part in parts),
        state_digest=parts[-1].state_digest,
        decisions_digest=digest.hexdigest(),
        records_per_s=round(records / elapsed) if elapsed > 0 else 0,
        mismatch=next((part.mismatch for part in parts if part.mismatch is not None), None),
    )
