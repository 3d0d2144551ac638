"""How a command ends: the exit codes of docs/reference/exit-codes.md, and which error means which.

Errors are matched by the layer they come from, and only when one was raised, so that no command pays for
importing layers that it does not use.
"""

import sys
from enum import IntEnum

from backstay.telemetry.redaction import redact


class Exit(IntEnum):
    """Stable for scripts."""

    DONE = 0
    DEFECT = 1
    USAGE = 2
    REFUSED = 3
    REVIEW = 4
    EXCHANGE = 5
    DAMAGED = 6


MEANINGS = {
    Exit.DONE: "done",
    Exit.DEFECT: "a defect of ours",
    Exit.USAGE: "usage or configuration",
    Exit.REFUSED: "refused by a gate (mode, risk, confirmation)",
    Exit.REVIEW: "manual review is needed",
    Exit.EXCHANGE: "exchange unreachable, or it refused the keys",
    Exit.DAMAGED: "data or ledger damaged",
}

# Errors of the layers below, by package and class, so that none of them is imported here.
_BY_NAME = {
    ("backstay.core", "VenueUnavailable"): Exit.EXCHANGE,
    ("backstay.simulator", "FeedError"): Exit.USAGE,
    ("backstay.simulator", "ServeError"): Exit.USAGE,
    ("backstay.simulator", "FaultPlanError"): Exit.USAGE,
}


def exit_of(error: BaseException) -> Exit | None:
    """The exit code of an expected error; None for a defect."""
    code = getattr(error, "exit_code", None)
    if isinstance(code, int):
        return Exit(code)
    for kind in type(error).__mro__:
        known = _BY_NAME.get((".".join(kind.__module__.split(".")[:2]), kind.__qualname__))
        if known is not None:
            return known
    if isinstance(error, PermissionError):
        return Exit.USAGE
    return None


def complain(message: str) -> None:
    """One diagnostic on stderr: stdout belongs to results."""
    print(f"backstay: {redact(message)}", file=sys.stderr)
