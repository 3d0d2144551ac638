"""Where the log files are and what they may not tell, from the configuration."""

import logging
from pathlib import Path

from backstay.app.config_sections import LogSettings
from backstay.app.errors import ConfigError
from backstay.telemetry import logs

ROOT = logs.ROOT
tear_down = logs.tear_down


def paths(settings: LogSettings) -> tuple[Path, Path]:
    """The log and the error log."""
    folder = settings.dir.expanduser()
    return (
        (settings.file or folder / "backstay.log").expanduser(),
        (settings.error_file or folder / "error.log").expanduser(),
    )


def set_up(settings: LogSettings) -> logging.Logger:
    """Log to the configured files; returns the program's logger. Raises ConfigError."""
    main, errors = paths(settings)
    try:
        return logs.set_up(
            main, errors, level=settings.level, rotate_mb=settings.rotate_mb, keep=settings.keep
        )
    except OSError as error:
        where = error.filename or main
        raise ConfigError(f"the log {where} cannot be written: {error.strerror}; see logs.dir") from None
