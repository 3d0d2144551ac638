"""What observers see, and how they tell what they saw."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from backstay.simulation.machine import CrashDisk, Machine
from backstay.simulation.scene import LegKey, Scene
from backstay.simulation.setup import Setup
from backstay.strategies.position_manager.policy import StopKind

D = Decimal
PREFIX = "bs-"
READS = frozenset({"positionRisk", "openOrders", "openAlgoOrders"})
PLACES = {"POST /fapi/v1/order": "regular", "POST /fapi/v1/algoOrder": "algo"}
CANCELS = {"DELETE /fapi/v1/order": "regular", "DELETE /fapi/v1/algoOrder": "algo"}
AMENDS = {"PUT /fapi/v1/order": "regular"}


class Violation(msgspec.Struct, frozen=True):
    """A broken promise."""

    observer: str
    at_ms: int
    text: str


HELD_UP_MS = 3_000


class Sent(msgspec.Struct):
    """A mutation of ours at the moment of its arrival; `code` and `status` follow when it is answered."""

    machine: Machine
    at_ms: int
    action: str
    surface: str
    client_id: str
    params: dict[str, str]
    endpoint: str
    entry: Any
    key: LegKey
    """The leg: by the request itself, or by the order that it is about."""

    @property
    def held_up(self) -> bool:
        """The network kept it for seconds: what it was based on may have passed (clocks differ by less)."""
        return self.at_ms - int(self.params.get("timestamp", self.at_ms)) > HELD_UP_MS

    @property
    def quantity(self) -> Decimal:
        return D(self.params.get("quantity", "0"))

    @property
    def price(self) -> Decimal:
        return D(self.params.get("price", "0"))

    def opens(self, amount: Decimal) -> bool:
        """It may increase a position of `amount` (signed; flat: any order without reduce-only)."""
        if self.action != "place" or self.surface == "algo":
            return False
        if self.params.get("reduceOnly") == "true":
            return False
        side = self.params.get("positionSide", "BOTH")
        buys = self.params.get("side") == "BUY"
        if side != "BOTH":
            return buys == (side == "LONG")
        return not amount or buys == (amount > 0)


class Watch:
    """The world as observers see it. `truth` is the venue's, `told` is what the running process heard."""

    def __init__(self, setup: Setup, start_ms: int, now_ms: Callable[[], int]) -> None:
        self.setup = setup
        self.start_ms = start_ms
        self.now_ms = now_ms
        self.sent: dict[str, Sent] = {}
        """Every id that we ever placed an order with."""
        self.all_sent: list[Sent] = []
        self.truth = self.new_scene()
        self.told = self.new_scene()
        self.machine: Machine | None = None
        self.ready_ms = 0
        """Since when the running process is ready; 0: none is."""
        self.flattening_ms = 0
        """When the operator threw the kill switch; 0: not."""
        self.closing: dict[LegKey, int] = {}
        """Legs that the operator closes, since when."""
        self.unread: dict[int, set[str]] = {}
        """By process: what it has not read yet since its private stream was lost (or never came)."""
        self.lost_ms: dict[int, int] = {}
        self.acks: list[str] = []
        """Symbols that the operator has acknowledged; empty: everything (decision 0028)."""
        self.alarms: dict[str, list[int]] = {}
        """When readers of the ledger were told of an unprotected position, by scope; ms."""
        self.violations: list[Violation] = []
        self.troubles: list[tuple[int, int]] = []
        """(from, until) in ms: something was being done to the system or the venue."""
        self.faults_over_ms = 0
        """When the last fault was taken away; 0: not yet."""
        self.disk: Callable[[], CrashDisk] = _no_disk
        self.filters_changed: set[str] = set()
        self.rounds = False
        """Whether the account is read once in a while though it rests."""

    def new_scene(self) -> Scene:
        """An account of which nothing is known yet."""
        stop = self.setup.policy.stop_loss
        # A venue's trail is worth a small difference in size (trail_resize_fraction).
        tolerance = stop.trail_resize_fraction if stop.kind is StopKind.TRAILING else D(0)
        return Scene(self.sent.__contains__, tolerance)

    def report(self, observer: str, text: str, at_ms: int | None = None) -> None:
        """A promise was broken."""
        if len(self.violations) < 50:
            self.violations.append(Violation(observer, (at_ms or self.now_ms()) - self.start_ms, text))

    def forget(self) -> None:
        """A new process has been told nothing."""
        self.told = self.new_scene()

    def is_blind(self, machine: Machine) -> bool:
        """The process lost its stream and has not read everything anew."""
        return bool(self.unread.get(machine.number))

    def stream_lost(self, machine: Machine) -> None:
        self.unread[machine.number] = set(READS)
        self.lost_ms[machine.number] = self.now_ms()

    def was_read(self, machine: Machine, path: str) -> None:
        self.unread.get(machine.number, set()).discard(path.rpartition("/")[2])

    def managed(self, key: LegKey) -> bool:
        return key[0] in self.setup.symbols

    def hindered(self, key: LegKey) -> bool:
        """An order by hand uses up the reduce-only capacity: the venue refuses ours until it goes (R-9)."""
        amount = self.truth.amount(key)
        return any(o.closes(amount) and not o.is_stop for o in self.truth.resting(key, ours=False))

    def in_trouble(self, from_ms: int, to_ms: int) -> bool:
        """Any fault was at work at some time in between."""
        return any(from_ms <= end and to_ms >= begin for begin, end in self.troubles)


def _no_disk() -> CrashDisk:
    raise RuntimeError("no process has been started")


class Observer:
    """Watches one promise; subclasses override what they need."""

    name = ""
    words = ""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch

    def arrived(self, sent: Sent) -> None:
        """A mutation reached the venue (before it is carried out)."""

    def requested(self, machine: Machine, endpoint: str) -> None:
        """Any other request reached the venue."""

    def happened(self, frame: dict[str, Any], legs: set[LegKey]) -> None:
        """The venue made a private event; `watch.truth` has it already."""

    def heard(self, legs: set[LegKey]) -> None:
        """The running process was told something; `watch.told` has it already."""

    def died(self, machine: Machine) -> None:
        """A process ended."""

    def over(self, world: Any) -> None:
        """The run has come to rest: judge it. `world` is the `World`."""

    def say(self, text: str, at_ms: int | None = None) -> None:
        self.watch.report(self.name, text, at_ms)


def leg_name(key: LegKey) -> str:
    return key[0] if key[1] == "BOTH" else f"{key[0]} {key[1]}"
