"""Earlier versions of a record, so that a query can lag behind what has already happened."""

import copy
from typing import Self, cast

_KEPT = 16


class Versioned:
    """Keeps shallow copies of itself with their times (ns)."""

    __slots__ = ("past",)

    def __init__(self) -> None:
        self.past: list[tuple[int, Self]] = []

    def remember(self, at: int) -> None:
        """Note the present state as the one that holds from `at` on. Call after every change."""
        twin = cast("Self", copy.copy(self))
        twin.past = []
        if self.past and self.past[-1][0] == at:
            self.past[-1] = (at, twin)
            return
        self.past.append((at, twin))
        if len(self.past) > _KEPT:
            # The oldest entry answers for everything before the kept ones: it must stay.
            del self.past[1]

    def seen(self, at: int) -> Self | None:
        """The state as of `at`; None where it did not exist yet."""
        for when, twin in reversed(self.past):
            if when <= at:
                return twin
        return None
