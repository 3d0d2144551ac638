"""The log files `backstay.log` and `error.log`: JSON lines, rotating.

A log is for people; the ledger is the truth.
"""

import json
import logging
import logging.handlers
import re
from datetime import UTC, datetime
from pathlib import Path

from backstay.app.config import LogSettings
from backstay.app.errors import ConfigError

ROOT = "backstay"
_SECRET = re.compile(r"(?i)(signature|listenKey|apiKey|secret)(\"?[=:]\s*\"?)[\w%+/=-]{6,}")


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "from": record.name,
            "text": _SECRET.sub(r"\1\2<redacted>", record.getMessage()),
        }
        if record.exc_info:
            line["trace"] = _SECRET.sub(r"\1\2<redacted>", self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)


def set_up(settings: LogSettings) -> logging.Logger:
    """Log to the configured files; returns the program's logger. Raises ConfigError."""
    folder = settings.dir.expanduser()
    logger = logging.getLogger(ROOT)
    tear_down()
    logger.setLevel(settings.level)
    logger.propagate = False
    for path, level in (
        (settings.file or folder / "backstay.log", settings.level),
        (settings.error_file or folder / "error.log", "ERROR"),
    ):
        logger.addHandler(_handler(path, level, settings))
    return logger


def tear_down() -> None:
    """Close the files."""
    logger = logging.getLogger(ROOT)
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()


def _handler(path: Path, level: str, settings: LogSettings) -> logging.Handler:
    try:
        path.expanduser().parent.mkdir(parents=True, exist_ok=True)
        path.expanduser().touch(mode=0o600)
        handler = logging.handlers.RotatingFileHandler(
            path.expanduser(), maxBytes=settings.rotate_mb << 20, backupCount=settings.keep, encoding="utf-8"
        )
    except OSError as error:
        raise ConfigError(f"the log {path} cannot be written: {error.strerror}; see logs.dir") from None
    handler.setLevel(level)
    handler.setFormatter(_Json())
    return handler
