"""Errors that are told in one sentence and end a command, with the exit code that they stand for."""

from typing import ClassVar


class AppError(Exception):
    """What is wrong, where, what to do. `exit_code` is the command's (docs/reference/exit-codes.md)."""

    exit_code: ClassVar[int] = 1


class ConfigError(AppError):
    """The configuration cannot be used; nothing was started."""

    exit_code = 2


class RefusedError(AppError):
    """A gate is shut: a lock on the mode, another process, a confirmation that was not given."""

    exit_code = 3


class ReviewError(AppError):
    """Somebody has to look before this can be done."""

    exit_code = 4


class ExchangeError(AppError):
    """The exchange cannot be reached, or refused the keys."""

    exit_code = 5


class UnreachableError(ExchangeError):
    """It could not be reached for as long as the configuration has patience; a later start may."""
