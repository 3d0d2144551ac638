"""Replaying a ledger with the rules and the policies that it was written with.

The policies stand in the ledger itself (`RunStarted`), so that a changed configuration does not make old
decisions look wrong. Of a user's strategy the file and its digest stand there: the same code is needed.
"""

import json
from functools import lru_cache
from typing import Any, ClassVar

import msgspec

from backstay.app.errors import ConfigError
from backstay.app.strategies import find_again
from backstay.core.engine import Engine, Manager, decide
from backstay.core.records import Decided
from backstay.core.risk import RiskLimits
from backstay.core.state import AccountState
from backstay.core.types import Direction, Product, Scope, TimeNs
from backstay.ledger.disk import Disk
from backstay.ledger.errors import LedgerError
from backstay.ledger.parts import Whole, replay_in_parts
from backstay.strategies.hosted import Code


class UnknownPolicyError(LedgerError):
    """The ledger was written with a strategy that this version does not have."""


class OtherCodeError(UnknownPolicyError):
    """The ledger was written with a user's strategy that is not there any more, or is another now."""

    exit_code: ClassVar[int] = 2


def replay(disk: Disk, path: str, jobs: int = 1) -> Whole:
    """Fold everything and decide everything again, in up to `jobs` processes (0: one for each core).

    Raises DamagedLedgerError, UnknownPolicyError, OtherCodeError, ProcessLostError.
    """
    return replay_in_parts(disk, path, decide=_decide, jobs=jobs)


def _decide(account: AccountState, scope: Scope, now: TimeNs) -> Decided:
    run = account.run
    engine = engine_of(run.managers, run.limits) if run is not None else Engine(())
    return Decided.of(decide(account, scope, engine, now))


@lru_cache(maxsize=64)
def engine_of(managers: str, limits: str) -> Engine:
    """The engine that `RunStarted` describes. Raises UnknownPolicyError."""
    try:
        return Engine(
            tuple(_manager(entry) for entry in json.loads(managers)),
            msgspec.json.decode(limits, type=RiskLimits),
        )
    except (msgspec.ValidationError, KeyError, ValueError) as error:
        raise UnknownPolicyError(
            f"the ledger's configuration cannot be read by this version ({error}); replay it with the "
            "version that wrote it"
        ) from None


def _manager(entry: dict[str, Any]) -> Manager:
    name = entry["strategy"]
    code = msgspec.convert(entry["code"], Code) if "code" in entry else None
    try:
        kind = find_again(name, code, f"the ledger was written with the strategy {name}")
    except ConfigError as error:
        if code is None:
            raise ValueError(f"strategy {name}") from None
        raise OtherCodeError(f"{error}. A replay needs the very code that decided") from None
    policy = msgspec.convert(entry["policy"], kind.policy)
    made = kind.manager(policy, Product(entry.get("product", kind.products[0])))
    directions = frozenset(map(Direction, entry["directions"]))
    return msgspec.structs.replace(made, symbols=frozenset(entry["symbols"]), directions=directions)
