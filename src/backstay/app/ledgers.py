"""The ledgers of a data folder: USD-M and spot are two accounts, each with its own."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from backstay.app.errors import ConfigError
from backstay.app.replaying import replay
from backstay.app.store import LEDGERS
from backstay.ledger.disk import Disk, FileDisk
from backstay.ledger.errors import LedgerError
from backstay.ledger.parts import Whole
from backstay.ledger.verify import Verified, verify


class Ledger(msgspec.Struct, frozen=True, eq=False):
    """One of them."""

    product: str
    disk: Disk
    path: str
    """On the disk."""


def ledgers(root: Path, product: str | None = None) -> list[Ledger]:
    """Those that there are, USD-M first; or the one of `product`. Raises ConfigError when there is none."""
    disk = FileDisk(root)
    meant = LEDGERS if product is None else {product: LEDGERS[product]}
    found = [Ledger(name, disk, path) for name, path in meant.items() if disk.size(path) is not None]
    if not found:
        where = " or ".join(str(root / path) for path in meant.values())
        raise ConfigError(f"there is no ledger at {where}; `backstay run` or `demo` makes one")
    return found


def verified(found: list[Ledger]) -> tuple[dict[str, Any], list[tuple[Ledger, Verified]]]:
    """Check each chain; the document of `ledger verify` and the findings."""
    results = [(ledger, verify(ledger.disk, ledger.path)) for ledger in found]
    bad = next((result for _, result in results if not result.ok), None)
    shown = bad or results[0][1]
    document: dict[str, Any] = {
        "records": sum(result.records for _, result in results),
        "ok": bad is None,
        "first_bad": shown.first_bad,
        "detail": shown.detail,
        "ledgers": {ledger.product: msgspec.to_builtins(result) for ledger, result in results},
    }
    return document, results


def replayed(found: list[Ledger], jobs: int = 0) -> tuple[dict[str, Any], list[str]]:
    """Fold and decide each again; the document of `ledger replay`, and in words what came out differently.

    The digests of two ledgers together are the SHA-256 over theirs, one after the other. The chain is checked
    first: what replays need not be what was written.
    Raises LedgerError, DamagedLedgerError, UnknownPolicyError, OtherCodeError, ProcessLostError.
    """
    each: dict[str, dict[str, Any]] = {}
    differing: list[str] = []
    for ledger in found:
        checked = verify(ledger.disk, ledger.path)
        if not checked.ok:
            raise LedgerError(f"{ledger.path} is damaged at record {checked.first_bad}: {checked.detail}")
        whole = replay(ledger.disk, ledger.path, jobs)
        state, result = whole.state, whole.replayed
        differing += _differing(ledger, whole)
        each[ledger.product] = {
            "records": result.records,
            "state_digest": result.state_digest,
            "decisions_digest": result.decisions_digest,
            "records_per_s": result.records_per_s,
            "decisions": result.decisions,
            "decisions_agree": result.mismatch is None,
            "first_different": result.mismatch.seq if result.mismatch is not None else None,
            "bad_snapshot": whole.bad_snapshot or None,
            "positions": sum(bool(s.position.quantity and s.lots is None) for s in state.scopes.values()),
            "lots": sum(s.lots.count for s in state.scopes.values() if s.lots is not None),
        }
    return {**_together(list(each.values())), "ledgers": each}, differing


def _differing(ledger: Ledger, whole: Whole) -> Iterator[str]:
    mismatch = whole.replayed.mismatch
    if mismatch is not None:
        yield (
            f"{ledger.path}: record {mismatch.seq} was decided differently:\n"
            f"  then: {mismatch.recorded}\n  now:  {mismatch.recomputed}"
        )
    if whole.bad_snapshot:
        yield (
            f"{whole.bad_snapshot} is not what the records before it fold to. A start reads the newest "
            f"snapshot: move this and all later ones away while no process runs; {ledger.path} has everything"
        )


def _together(parts: list[dict[str, Any]]) -> dict[str, Any]:
    if len(parts) == 1:
        return dict(parts[0])
    records = sum(part["records"] for part in parts)
    seconds = sum(part["records"] / part["records_per_s"] for part in parts if part["records_per_s"])
    return {
        "records": records,
        "state_digest": _digest([part["state_digest"] for part in parts]),
        "decisions_digest": _digest([part["decisions_digest"] for part in parts]),
        "records_per_s": round(records / seconds) if seconds else 0,
        "decisions": sum(part["decisions"] for part in parts),
        "decisions_agree": all(part["decisions_agree"] for part in parts),
        "first_different": next((p["first_different"] for p in parts if not p["decisions_agree"]), None),
        "bad_snapshot": next((p["bad_snapshot"] for p in parts if p["bad_snapshot"]), None),
        "positions": sum(part["positions"] for part in parts),
        "lots": sum(part["lots"] for part in parts),
    }


def _digest(parts: list[str]) -> str:
    return sha256("".join(parts).encode()).hexdigest()
