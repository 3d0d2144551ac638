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
from itertools import pairwise
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

SHARES = 2
"""For each process: one that is done early goes on with another, and few snapshots have to be unpacked."""


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
    ends = (*seams, None)
    processes = min(jobs or os.cpu_count() or 1, len(seams))
    found = _side_by_side(disk, path, ends, decide, processes) if processes > 1 else None
    if found is None:
        processes = 1
        found = _through(disk, path, decide, AccountState(), 0, ends)
    state, parts = found
    differing = (s for s, p in zip(seams, parts, strict=False) if s.digest != p.state_digest)
    bad = next((seam.path for seam in differing if store.at(seam) is not None), "")
    return Whole(state, _together(parts, perf_counter() - started), bad, processes)


type _Found = tuple[AccountState, list[Replayed]]


def _side_by_side(
    disk: Disk,
    path: str,
    ends: Sequence[Seam | None],
    decide: Decide[AccountState] | None,
    processes: int,
) -> _Found | None:
    """None: the parts do not join, or a snapshot cannot be unpacked by this version."""
    shares = min(SHARES * processes, len(ends))
    cuts = [len(ends) * n // shares for n in range(shares + 1)]
    begins = [ends[cut - 1] if cut else None for cut in cuts[:-1]]
    play = partial(_share, disk, path, decide)
    try:
        with ProcessPoolExecutor(processes, initializer=_begin) as pool:
            played = list(pool.map(play, begins, [ends[a:b] for a, b in pairwise(cuts)]))
    except BrokenProcessPool:
        raise ProcessLostError(
            f"a process that replayed a part of {path} was ended from outside, by want of memory perhaps; "
            "--jobs 1 needs the least"
        ) from None
    parts = [part for share, _ in played for part in share]
    if len(parts) < len(ends):
        return None
    if any(end is not None and end.digest != p.state_digest for end, p in zip(ends, parts, strict=True)):
        return None
    return unpack(played[-1][1]), parts


def _begin() -> None:
    """A guard on the same machine goes first; Ctrl-C ends this process at once, not after its part."""
    os.nice(10)
    signal(SIGINT, SIG_DFL)


def _share(
    disk: Disk,
    path: str,
    decide: Decide[AccountState] | None,
    begin: Seam | None,
    ends: Sequence[Seam | None],
) -> tuple[list[Replayed], bytes]:
    """What one process replays in a row; with the packed state when it is the ledger's end. No part: its
    first snapshot cannot be had.
    """
    state, offset = AccountState(), 0
    if begin is not None:
        snapshot = SnapshotStore(disk, path, pack=pack, unpack=unpack).at(begin)
        if snapshot is None:
            return [], b""
        state, offset = snapshot.state, begin.head.offset
    state, parts = _through(disk, path, decide, state, offset, ends)
    return parts, b"" if ends[-1] is not None else pack(state)


def _through(
    disk: Disk,
    path: str,
    decide: Decide[AccountState] | None,
    state: AccountState,
    offset: int,
    ends: Sequence[Seam | None],
) -> _Found:
    """From a state to each of these ends in turn; None is the ledger's."""
    parts = []
    for end in ends:
        stop = end.head.offset if end is not None else None
        chunks = entries(disk, path, offset, stop)
        state, part = replay(chunks, initial=state, fold=fold_in_place, pack=pack, decide=decide)
        parts.append(part)
        offset = stop or offset
    return state, parts


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
