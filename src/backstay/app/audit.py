"""The audit files of a configuration: where they are, who keeps them, and how they are made anew."""

from collections.abc import Callable
from pathlib import Path

from backstay.app.config import Settings
from backstay.app.ledger_paths import LEDGER, SPOT_LEDGER
from backstay.app.words import words
from backstay.ledger.audit.files import AuditFiles
from backstay.ledger.disk import Disk, FileDisk
from backstay.ledger.shared import SharedAccounts


def audit_folder(settings: Settings, ledger: str) -> Path:
    """Where the files of a ledger are: those of spot, a ledger of its own, have a folder of their own."""
    return folder_of(settings.logs_dir, ledger)


def folder_of(logs_dir: Path, ledger: str) -> Path:
    return logs_dir if ledger == "usdm" else logs_dir / ledger


class AuditReader:
    """Keeps the audit files of one ledger up to date (implements `readers.Reader`)."""

    def __init__(
        self,
        ledger: str,
        folder: Path,
        disk: Disk,
        path: str,
        *,
        told: Callable[[str], object],
        shared: SharedAccounts | None = None,
    ) -> None:
        self.name = f"audit files of {ledger}"
        self._files = AuditFiles(folder, disk, path, words, shared)
        self._told = told

    def step(self, most: int, pause: Callable[[], None]) -> int:
        """Raises what the files and the ledger raise; the next step begins where the files stand."""
        taken = self._files.step(most, pause)
        while self._files.reports:
            self._told(self._files.reports.pop())
        return taken

    def close(self) -> None:
        self._files.close()


def rebuild_files(folder: Path, disk: Disk, path: str) -> dict[str, int]:
    """Delete the files of a ledger and make them again; bytes of each.

    Raises StoreError, DamagedLedgerError.
    """
    files = AuditFiles(folder, disk, path, words)
    try:
        files.clear()
        files.catch_up()
        return files.sizes()
    finally:
        files.close()


def write_files(logs_dir: Path, disk: FileDisk) -> None:
    """Bring the files of every ledger that there is up to its end. Raises StoreError, DamagedLedgerError."""
    for name, path in (("usdm", LEDGER), ("spot", SPOT_LEDGER)):
        if disk.size(path) is None:
            continue
        files = AuditFiles(folder_of(logs_dir, name), disk, path, words)
        try:
            files.catch_up()
        finally:
            files.close()
