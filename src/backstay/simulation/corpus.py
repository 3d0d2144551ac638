"""The corpus: seeds that failed once, kept and always run; and fault plans in files."""

from pathlib import Path

import msgspec

from backstay.simulation.errors import SimulationError
from backstay.simulation.fault_check import check
from backstay.simulation.faults import Fault
from backstay.simulation.setup import scenario


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A run that failed once, and what it found. Its faults are kept: a seed draws others some day."""

    seed: int
    scenario: str
    fault_rate: float
    why: str
    faults: tuple[Fault, ...] | None = None


def read_corpus(path: Path) -> tuple[Entry, ...]:
    """Raises SimulationError that names the file and what is wrong with it."""
    entries = _read(path, tuple[Entry, ...], "a list of {seed, scenario, fault_rate, why, faults}")
    for entry in entries:
        scenario(entry.scenario)
        for number, fault in enumerate(entry.faults or (), 1):
            check(fault, f"{path}, seed {entry.seed}, fault {number}")
    return entries


def read_plan(path: Path) -> tuple[Fault, ...]:
    """A fault plan as `simulate` prints it: a list of {kind, at_ms, for_ms, args}. Raises SimulationError."""
    faults = _read(path, tuple[Fault, ...], "a list of {kind, at_ms, for_ms, args}")
    for number, fault in enumerate(faults, 1):
        check(fault, f"{path}, fault {number}")
    return tuple(sorted(faults, key=lambda f: f.at_ms))


def _read[T](path: Path, kind: type[T], form: str) -> T:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SimulationError(f"{path} cannot be read: {error.strerror}") from None
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SimulationError(f"{path} is not {form}: {error}") from None
