"""What every run is held against: the venue's truth, the auditor, the ledger and its replay."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from backstay.app.auditor import Auditor
from backstay.app.ledger_paths import LEDGER
from backstay.core import orders
from backstay.core.account import fold
from backstay.core.engine import Engine, decide
from backstay.core.records import Decided
from backstay.core.state import AccountState, pack
from backstay.core.types import MS, AlgoStatus
from backstay.ledger.disk import Disk
from backstay.ledger.reader import entries
from backstay.ledger.replay import replay
from backstay.ledger.verify import verify

from tests.system.stand_ins import D
from tests.system.venue_side import PREFIX


def same_again(disk: Disk, ledger: str, engine: Engine, account: AccountState) -> None:
    """The ledger verifies, and its replay by `engine` gives the same decisions and this state (I-38)."""
    checked = verify(disk, ledger)
    assert checked.ok, checked
    state, outcome = replay(
        entries(disk, ledger),
        initial=AccountState(),
        fold=fold,
        pack=pack,
        decide=lambda account, key, now: Decided.of(decide(account, key, engine, now)),
    )
    assert outcome.mismatch is None, outcome.mismatch
    assert pack(state) == pack(account), "the replayed state differs from the living one"


class Judge:
    """Part of a world: its promises."""

    clock: Any
    disk: Any
    owner: Any
    running: Any
    exchange: Any
    auditor: Auditor
    managed: tuple[str, ...]

    def coherent(self) -> None:
        """What the guard believes is what the venue knows; every position is covered by a stop of ours.

        Of orders only ours are compared: a lost report about somebody else's leaves no trace.
        """
        truth = self.truth()
        account = self.owner.account
        held = {(p["symbol"], p["positionSide"]): D(p["positionAmt"]) for p in truth["positions"]}
        believed = {
            (k.symbol, str(k.position_side)): s.position.quantity
            for k, s in account.scopes.items()
            if s.position.quantity
        }
        assert believed == held, (believed, held)
        regular = {
            o["orderId"]: (D(o["price"]), D(o["origQty"]), D(o["executedQty"]))
            for o in truth["orders"]
            if o["status"] in {"NEW", "PARTIALLY_FILLED"} and o["clientOrderId"].startswith(PREFIX)
        }
        rows = {
            i: (r.price, r.quantity, r.filled)
            for s in account.scopes.values()
            for i, r in s.orders.items()
            if orders.is_open(r) and r.client_id.startswith(PREFIX)
        }
        assert rows == regular, (rows, regular)
        algos = {
            a["algoId"]: D(a["triggerPrice"])
            for a in truth["algo_orders"]
            if a["algoStatus"] == "NEW" and a["clientAlgoId"].startswith(PREFIX)
        }
        arms = {
            i: r.trigger
            for s in account.scopes.values()
            for i, r in s.algos.items()
            if r.status is AlgoStatus.NEW and r.client_id.startswith(PREFIX)
        }
        assert arms.keys() == algos.keys(), (arms, algos)
        self._covered(truth, held)

    def _covered(self, truth: dict[str, Any], held: Mapping[tuple[str, str], Decimal]) -> None:
        ours = [
            a
            for a in truth["algo_orders"]
            if a["algoStatus"] == "NEW" and a["clientAlgoId"].startswith(PREFIX)
        ]
        for (symbol, side), quantity in held.items():
            if symbol not in self.managed:
                continue
            closing = "SELL" if quantity > 0 else "BUY"
            stops = [
                a
                for a in ours
                if (a["symbol"], a["positionSide"], a["side"]) == (symbol, side, closing)
                and a["orderType"] in {"STOP_MARKET", "STOP", "TRAILING_STOP_MARKET"}
            ]
            assert len(stops) == 1, (symbol, side, quantity, stops, self.describe())
            size = D(stops[0]["quantity"] or 0)
            assert stops[0]["closePosition"] or abs(size - abs(quantity)) <= abs(quantity) / 10, stops
        flat = [a for a in ours if (a["symbol"], a["positionSide"]) not in held]
        assert not flat, flat

    def audit(self) -> None:
        """Nothing twice, nothing foreign touched, the ledger sound, its replay the same (I-38)."""
        self.auditor.finish(self.clock.now_ns() // MS)
        self.auditor.read_requests(self.exchange.requests())
        assert not self.auditor.duplicates, self.auditor.duplicates
        assert not self.auditor.foreign_touched, self.auditor.foreign_touched
        if self.has_a_sound_ledger():
            self.running.journal.durable_now()
            self.replayed()

    def replayed(self) -> None:
        same_again(self.disk, LEDGER, self.engine(), self.owner.account)

    def naked_ms(self) -> list[int]:
        """Lengths of the closed windows in which a position had no stop at the venue."""
        return [w.ms for w in self.auditor.windows]
