"""The nearest known name, for messages about unknown ones."""

import difflib
from collections.abc import Iterable

NAMED_MOST = 50
"""Known names that a message lists."""


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that `name` was probably meant to be; empty when none is near."""
    names = list(known)
    if name in names:
        return name
    plain = {n.lower().replace("-", "_"): n for n in names}
    close = difflib.get_close_matches(name.lower().replace("-", "_"), plain, 1, 0.5)
    return plain[close[0]] if close else ""


def suggestion(name: str, known: Iterable[str], *, prefix: str = "") -> str:
    """What follows "... is not known": a near name, or all of them (the first of very many)."""
    names = list(known)
    near = nearest(name, names)
    if near:
        return f"did you mean {prefix}{near}?"
    if not names:
        return "nothing is known there"
    more = f" and {len(names) - NAMED_MOST} more" if len(names) > NAMED_MOST else ""
    return f"known are {', '.join(names[:NAMED_MOST])}{more}"
