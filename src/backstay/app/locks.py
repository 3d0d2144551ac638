"""The locks of a configuration: one process owns a data folder, and one runs a mode."""

from pathlib import Path

from backstay.app.config import Settings
from backstay.runtime.lock import InstanceLock, holder_of

DATA_LOCK = "backstay.lock"


def lock_paths(settings: Settings) -> tuple[Path, Path]:
    """The lock of the data folder, then the one of the mode."""
    return settings.data_dir / DATA_LOCK, settings.logs_dir / f"backstay.{settings.mode.value}.lock"


def make_lock(settings: Settings) -> InstanceLock:
    return InstanceLock(lock_paths(settings), mode=settings.mode.value)


def is_owned(settings: Settings) -> bool:
    """A process owns the data folder now."""
    return holder_of(lock_paths(settings)[0]) is not None
