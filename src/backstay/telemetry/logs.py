"""The log files: JSON lines by structlog, rotating; a second file takes errors with their stack traces.

A log is for people; the ledger is the truth. Lines about records are written by a reader that follows the
ledger (`RecordLog`), so nothing between a fill and its stop writes a line.
"""

import contextlib
import logging
import logging.handlers
import sys
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import Any

import structlog

from backstay.core.events import (
    AccountReport,
    AlgoReport,
    AnswerReceived,
    FillNotice,
    OrderReport,
    RequestSent,
    RequestsRegistered,
)
from backstay.core.grades import grade
from backstay.core.records import Body, Noted, Record
from backstay.telemetry.redaction import redacted
from backstay.telemetry.traces import Traces

ROOT = "backstay"
MB = 1 << 20
LEVELS = {"info": logging.INFO, "warn": logging.WARNING, "bad": logging.ERROR, "": logging.DEBUG}

FOLLOWED = (
    AccountReport,
    AlgoReport,
    AnswerReceived,
    FillNotice,
    OrderReport,
    RequestSent,
    RequestsRegistered,
)
"""No news by themselves, and yet the links of the chain from a fill to its stop."""

ORDER_REQUEST = "order_request"
"""A candidate of a dry run; its line bears the whole document."""

type Event = MutableMapping[str, Any]


def _clean(_logger: object, _method: str, event: Event) -> Event:
    """The last step before a line is made: no value of it keeps a secret."""
    return {key: redacted(value) for key, value in event.items()}


def _formatter() -> logging.Formatter:
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _clean,
            structlog.processors.JSONRenderer(ensure_ascii=False, sort_keys=False),
        ],
    )


class LogFile(logging.handlers.RotatingFileHandler):
    """A file that cannot be written, as on a full disk, is told of once, in a line, and stops nobody."""

    told = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (the library's name)
        error = sys.exception()
        if not isinstance(error, OSError):
            super().handleError(record)
        elif not LogFile.told:
            LogFile.told = True
            sys.stderr.write(f"backstay: {self.baseFilename} cannot be written: {error.strerror}\n")

    def close(self) -> None:
        with contextlib.suppress(OSError):  # what is left of the last lines has no room either
            super().close()


def set_up(main: Path, errors: Path, *, level: str, rotate_mb: int, keep: int) -> logging.Logger:
    """Log to these two files; returns the program's logger. Raises OSError with the file's name.

    Files are readable by their user alone, `rotate_mb` MB each, `keep` older ones are kept of both.
    """
    tear_down()
    LogFile.told = False
    logger = logging.getLogger(ROOT)
    logger.setLevel(level)
    logger.propagate = False
    for path, least in ((main, level), (errors, "ERROR")):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        handler = LogFile(path, maxBytes=rotate_mb * MB, backupCount=keep, encoding="utf-8")
        handler.setLevel(least)
        handler.setFormatter(_formatter())
        logger.addHandler(handler)
    return logger


def tear_down() -> None:
    """Close the files."""
    logger = logging.getLogger(ROOT)
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()


class RecordLog:
    """A line for every record that is news; `words` makes a sentence of a body."""

    def __init__(self, words: Callable[[Body], str], *, ledger: str = "usdm") -> None:
        self._logger = logging.getLogger(f"{ROOT}.ledger")
        self._words = words
        self._ledger = ledger
        self._traces = Traces()

    def take(self, record: Record) -> None:
        """Write the record's line: `seq`, `cause` and `trace` (see `Traces`) lead into the ledger."""
        trace = self._traces.of(record)
        matters = grade(record.body)
        level = LEVELS[matters] if matters or not isinstance(record.body, FOLLOWED) else logging.INFO
        if not self._logger.isEnabledFor(level):
            return
        scope = getattr(record.body, "scope", None)
        fields = {
            "ledger": self._ledger,
            "seq": record.seq,
            "cause": record.cause,
            "trace": trace,
            "record_at": record.at,
            "type": str(type(record.body).__struct_config__.tag),
        }
        if scope is not None:
            fields["scope"] = str(scope)
        if isinstance(record.body, Noted) and record.body.what == ORDER_REQUEST:
            fields[ORDER_REQUEST] = record.body.detail
        self._logger.log(level, "%s", self._words(record.body), extra=fields)
