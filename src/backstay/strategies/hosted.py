"""A user's strategy as the engine calls it: what it raises or answers wrongly becomes "unknown", no crash.

With an unknown answer nothing is placed and everything that rests stays (`Wanted.unknown`).
"""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import msgspec
from msgspec.structs import replace

from backstay.core.slots import Slot, SlotKey, Watch, WatchSide
from backstay.core.types import SECOND, OrderType, Role, Side, TimeNs
from backstay.core.view import PositionView
from backstay.core.wanted import DEFECT
from backstay.strategies.interface import Wanted

PLAIN: Mapping[str, type] = {
    "unknown": str, "exit_reason": str, "repair_delay": int, "bridge": bool, "retry_cancelled": bool,
    "accept_external_stop": bool, "book": bool, "allow_waived": bool,
}  # fmt: skip
"""Fields of an answer that are one value of a type."""
NUMBERS = ("price", "trigger", "quantity", "callback_rate", "activate_price", "total")
LEAST_SLEEP: TimeNs = SECOND
"""An answer may not ask to be woken sooner."""
DETAIL_MOST = 200
_ADDRESS = re.compile(r"0x[0-9a-f]+")


class Code(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which code a strategy is, as the ledger names it."""

    path: str
    """The file that it stands in."""
    sha256: str
    """Of that file."""
    package: str = ""
    """Name and version of the distribution that registered it; empty: it is named by its path."""


class Hosted:
    """`backstay.core.wanted.AnyStrategy` over an instance of a user's class."""

    def __init__(self, strategy: Any, name: str, code: Code | None = None) -> None:
        self.name = name
        """As in the configuration."""
        self.code = code
        self.user = strategy
        self._validate = getattr(strategy, "validate", None)

    def wanted(self, view: PositionView, policy: Any, now: TimeNs) -> Wanted:
        validate = self._validate
        try:
            answer = self.user.wanted(view, policy, now)
            flaw = flaw_of(answer)
            if not flaw and validate is not None:
                answer = _passed(answer, lambda slot: validate(slot, view, policy), self.name)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a user's defect stops no other scope
            return Wanted(unknown=f"{DEFECT}{self.name} failed: {_words(error)}")
        if flaw:
            return Wanted(unknown=f"{DEFECT}{self.name} answered wrongly: {flaw}")
        found: Wanted = answer
        if found.wake_at is not None and found.wake_at < now + LEAST_SLEEP:
            return replace(found, wake_at=now + LEAST_SLEEP)
        return found


def _passed(answer: Wanted, refusal: Callable[[Slot], str], name: str) -> Wanted:
    """Without the slots that a rule of the user's own refuses."""
    slots, notes = [], list(answer.notes)
    for slot in answer.slots:
        reason = refusal(slot)
        if reason:
            notes.append(f"{slot.key}: refused by a rule of {name} ({reason})")
        else:
            slots.append(slot)
    if len(slots) == len(answer.slots):
        return answer
    return replace(answer, slots=tuple(slots), notes=tuple(notes))


def _words(error: BaseException) -> str:
    """What was raised, the same in every process: the decision is compared in a replay."""
    text = _ADDRESS.sub("0x..", f"{type(error).__name__}: {error}")
    return text if len(text) <= DETAIL_MOST else f"{text[:DETAIL_MOST]}.."


def flaw_of(answer: Any) -> str:
    """What is wrong with the form of an answer; empty: nothing. The planner's types are not checked again."""
    if not isinstance(answer, Wanted):
        return f"it returned {type(answer).__name__}, not Wanted"
    for name in ("slots", "watches", "notes"):
        if type(getattr(answer, name)) is not tuple:
            return f"{name} is a {type(getattr(answer, name)).__name__}, not a tuple"
    keys: set[SlotKey] = set()
    for slot in answer.slots:
        flaw = slot_flaw(slot)
        if flaw:
            return flaw
        if slot.key in keys:
            return f"two slots have the key {slot.key}"
        keys.add(slot.key)
    watches: tuple[Any, ...] = answer.watches
    for watch in watches:
        if not isinstance(watch, Watch) or watch.side not in WatchSide or not _is_number(watch.price):
            return f"a watch is {watch!r}; it needs a side and a price as Decimal"
    if not all(isinstance(note, str) for note in answer.notes):
        return "a note is not a text"
    for name, kind in PLAIN.items():
        if not isinstance(getattr(answer, name), kind):
            return f"{name} is {getattr(answer, name)!r}, not {kind.__name__}"
    if answer.wake_at is not None and type(answer.wake_at) is not int:
        return f"wake_at is {answer.wake_at!r}, not integer nanoseconds"
    return ""


def slot_flaw(slot: Any) -> str:
    """What is wrong with the form of a slot; empty: nothing."""
    if not isinstance(slot, Slot):
        return f"a slot is a {type(slot).__name__}, not Slot"
    key: Any = slot.key
    side: Any = slot.side
    kind: Any = slot.kind
    if not isinstance(key, SlotKey) or not _is_key(key.role, key.step):
        return f"a slot's key is {key!r}, not SlotKey(Role, int)"
    if not isinstance(side, Side) or not isinstance(kind, OrderType):
        return f"{key}: side and kind are {side!r} and {kind!r}, not Side and OrderType"
    for name in NUMBERS:
        value = getattr(slot, name)
        if value is not None and not _is_number(value):
            return f"{key}: {name} is {value!r}, not a finite Decimal"
    if type(slot.lots) is not tuple:
        return f"{key}: lots is not a tuple"
    return slot_flaw(slot.leg) if slot.leg is not None else ""


def _is_number(value: object) -> bool:
    return type(value) is Decimal and value.is_finite()


def _is_key(role: object, step: object) -> bool:
    return isinstance(role, Role) and type(step) is int
