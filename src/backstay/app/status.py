"""The account state as people see it: rows of `positions list`, the document of `positions status`.

Pure functions of the state, the figures of the run and the prices that are known; amounts are exact text,
durations are seconds, times are ISO in UTC.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from backstay.app.words import number
from backstay.core.contexts import Phase
from backstay.core.cover import uncovered
from backstay.core.decisions import Decision, Wait
from backstay.core.engine import Engine, decide
from backstay.core.grades import VENUE_HALT, review_of
from backstay.core.names import counted, position_name
from backstay.core.reviews import review
from backstay.core.state import AccountState, ScopeState
from backstay.core.types import SECOND, ZERO, Product, Role, Scope, TimeNs, Trust
from backstay.ledger.projections.position_rows import live, price_of

COLUMNS = (
    "id",
    "symbol",
    "product",
    "side",
    "quantity",
    "entry_price",
    "entry_time",
    "mark_price",
    "unrealised_pnl",
    "age",
    "stop",
    "take_profit",
    "dca",
    "distance_to_liquidation",
    "protected",
    "status",
)
STATUSES = ("GUARDED", "UNPROTECTED", "UNMANAGED", "RECOVERING", "CLOSING", "REVIEW", "MANUAL_REVIEW")
LOT_STATUSES = ("WAITING_FOR_PROFIT", "SELL_PLACED", "COMPLETED", "UNSELLABLE", "CLOSED_BY_HAND")
ADVICE = {
    "REVIEW": "not opened by this program; `backstay ack {scope}` and it will be guarded",
    "MANUAL_REVIEW": "compare with the exchange, then `backstay ack {scope}`",
}
"""What the operator has to do about a position, by its status."""
KILL_SWITCH = "kill_switch"
OPENED = {
    VENUE_HALT: "nothing can be sent; mend that, then `backstay ack`",
    KILL_SWITCH: "`backstay resume` ends it",
    "operator_pause": "`backstay resume` ends it",
}
"""How a gate that stays shut until somebody speaks is opened."""
SORTS = ("symbol", "age", "pnl")
PLACES = 12
"""Of an entry price as it is shown: an average of trades may have no end."""


def position_id(s: ScopeState) -> str:
    """`BTCUSDT-BOTH-3`: symbol, position side, and the how-manieth position of its scope it is."""
    return position_name(s.scope, s.epoch)


def iso(at: TimeNs) -> str | None:
    return datetime.fromtimestamp(at / SECOND, UTC).isoformat(timespec="seconds") if at else None


def rows(
    account: AccountState,
    engine: Engine,
    now: TimeNs,
    *,
    marks: Mapping[str, Decimal] | None = None,
    liquidations: Mapping[Scope, Decimal] | None = None,
) -> list[dict[str, Any]]:
    """One row for each open position, by symbol. `now` is local time in ns.

    What spot holds to be sold lot by lot, or by nobody, is no position: lots have rows of their own.
    """
    prices, known = {**account.marks, **(marks or {})}, liquidations or {}
    return [
        _row(s, status_of(account, s, engine, now), engine, now, prices.get(key.symbol), known.get(key))
        for key, s in sorted(account.scopes.items())
        if is_position(s, engine)
    ]


def is_position(s: ScopeState, engine: Engine) -> bool:
    """Something is open, and it is one position."""
    if not s.position.quantity:
        return False
    if s.scope.product is not Product.SPOT:
        return True
    manager = engine.manager(s.scope)
    return manager is not None and not manager.by_lot


def _row(
    s: ScopeState,
    status: str,
    engine: Engine,
    now: TimeNs,
    mark: Decimal | None,
    liquidation: Decimal | None,
) -> dict[str, Any]:
    position = s.position
    bare = uncovered(s)
    protected = not bare
    armed_at = [c.updated_at for c in live(s, Role.SL) if c.phase is Phase.ARMED and c.updated_at]
    since = (min(armed_at) if armed_at else 0) if protected else s.naked_since
    return {
        "id": position_id(s),
        "symbol": s.scope.symbol,
        "product": s.scope.product.value,
        "side": position.direction.value if position.direction is not None else "FLAT",
        "quantity": number(abs(position.quantity)),
        "entry_price": number(round(position.entry_price, PLACES)),
        "entry_time": iso(s.opened_at),
        "mark_price": number(mark) if mark is not None else None,
        "unrealised_pnl": _pnl(s, mark),
        "age": max(0, now - s.opened_at) // SECOND if s.opened_at else None,
        "stop": _stop(s),
        "take_profit": _take_profit(s),
        "dca": _dca(s, engine),
        "distance_to_liquidation": _distance(mark, liquidation),
        "protected": "yes" if protected else "no",
        "protected_since": iso(since) if protected else None,
        "unprotected_since": None if protected else iso(since),
        "uncovered": number(bare),
        "status": status,
        "trusted": s.trusted,
        "todo": ADVICE.get(status, "").format(scope=s.scope),
    }


def status_of(account: AccountState, s: ScopeState, engine: Engine, now: TimeNs) -> str:
    """One word for a scope, the most urgent first (see STATUSES)."""
    manager = engine.manager(s.scope)
    if manager is None or (s.direction is not None and s.direction not in manager.directions):
        return "UNMANAGED"
    if s.trust is Trust.MANUAL_REVIEW:
        return "MANUAL_REVIEW"
    if s.flatten_since:
        return "CLOSING"
    if not s.trusted:
        return "RECOVERING"
    if review(s):
        return "MANUAL_REVIEW"
    if not uncovered(s):
        return "GUARDED"
    decision = decide(account, s.scope, engine, now).decision
    if not review_of(decision):
        return "UNPROTECTED"
    by_hand = isinstance(decision, Wait) and decision.until is None
    return "REVIEW" if by_hand else "MANUAL_REVIEW"


def _stop(s: ScopeState) -> dict[str, Any]:
    held = live(s, Role.SL)
    if not held:
        return {"price": None, "state": "NONE"}
    trigger = price_of(s, held[0])
    return {"price": number(trigger) if trigger is not None else None, "state": held[0].phase.value}


def _take_profit(s: ScopeState) -> dict[str, Any]:
    held = live(s, Role.TP)
    if not held:
        return {"price": None, "state": "NONE", "levels": 0}
    price = price_of(s, held[0])
    return {
        "price": number(price) if price is not None else None,
        "state": held[0].phase.value,
        "levels": len(held),
    }


def _dca(s: ScopeState, engine: Engine) -> dict[str, Any]:
    manager = engine.manager(s.scope)
    ladder = getattr(manager.policy, "dca", None) if manager is not None else None
    filled: dict[int, Decimal] = {}
    for c in s.contexts.values():
        if c.role is Role.DCA and c.epoch == s.epoch and c.filled and c.is_terminal:
            filled[c.key.step] = filled.get(c.key.step, ZERO) + c.filled
    waiting = live(s, Role.DCA)
    price = price_of(s, waiting[0]) if waiting else None
    return {
        "done": len(filled),
        "total": ladder.steps if ladder is not None else 0,
        "next_price": number(price) if price is not None else None,
    }


def _pnl(s: ScopeState, mark: Decimal | None) -> dict[str, str | None]:
    entry = s.position.entry_price
    if mark is None or not entry:
        return {"quote": None, "percent": None}
    quote = (mark - entry) * s.position.quantity
    share = quote / (entry * abs(s.position.quantity)) * 100
    return {"quote": number(quote.quantize(Decimal("0.0001"))), "percent": f"{share:.2f}"}


def _distance(mark: Decimal | None, liquidation: Decimal | None) -> str | None:
    """How far the mark price is from liquidation, in percent of it."""
    if mark is None or not mark or liquidation is None or not liquidation:
        return None
    return f"{abs(mark - liquidation) / mark * 100:.2f}"


def chosen(
    table: Sequence[dict[str, Any]],
    *,
    symbol: str = "",
    status: str = "",
    min_age: TimeNs = 0,
    sort: str = "symbol",
) -> list[dict[str, Any]]:
    """The rows that are asked for, in the order that is asked for (oldest first, worst first)."""
    found = [
        row
        for row in table
        if (not symbol or row["symbol"] == symbol.upper())
        and (not status or row["status"] == status.upper())
        and (not min_age or (row["age"] or 0) * SECOND >= min_age)
    ]
    if sort == "age":
        return sorted(found, key=lambda row: -(row["age"] or 0))
    if sort == "pnl":
        return sorted(found, key=lambda row: Decimal(row["unrealised_pnl"]["quote"] or 0))
    return found


def scope_of_id(table: Sequence[dict[str, Any]], wanted: str) -> dict[str, Any] | None:
    """The row that `wanted` names: its id, or its symbol (with side) where that is only one."""
    for row in table:
        if row["id"].lower() == wanted.lower():
            return row
    near = [row for row in table if row["id"].lower().startswith(wanted.lower() + "-")]
    return near[0] if len(near) == 1 else None


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """p50, p99 and max; zeros for no values."""
    if not values:
        return {"p50": 0.0, "p99": 0.0, "max": 0.0}
    ordered = sorted(values)

    def at(share: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3)

    return {"p50": at(0.5), "p99": at(0.99), "max": round(ordered[-1], 3)}


def counts(table: Sequence[dict[str, Any]]) -> dict[str, int]:
    """How many positions are open, and how they stand."""
    by_status = Counter(str(row["status"]) for row in table)
    managed = [row for row in table if row["status"] != "UNMANAGED"]
    return {
        "open": len(table),
        "protected": sum(1 for row in managed if row["protected"] == "yes"),
        "unprotected": sum(1 for row in managed if row["protected"] == "no" and row["status"] != "REVIEW"),
        **{word.lower(): by_status.get(word, 0) for word in STATUSES if word != "UNPROTECTED"},
    }


def gates(account: AccountState) -> list[dict[str, Any]]:
    """The doors that are shut for the whole account, and the symbols that a kill keeps flat."""
    shut = [
        {
            "gate": gate,
            "reason": g.reason,
            "since": iso(g.since),
            "until": iso(g.until),
            "todo": OPENED.get(gate.partition(" ")[0], ""),
        }
        for gate, g in sorted(account.gates.items())
    ]
    return shut + [
        {
            "gate": f"kill_switch {s.scope}",
            "reason": s.flatten_reason,
            "since": iso(s.flatten_since),
            "until": None,
            "todo": f"`backstay resume {s.scope}` ends it",
        }
        for s in killed(account)
    ]


def killed(account: AccountState) -> list[ScopeState]:
    """What a kill of its symbol alone keeps flat: a position that is opened there is closed at once."""
    if KILL_SWITCH in account.gates:
        return []
    scopes = (s for _, s in sorted(account.scopes.items()))
    return [s for s in scopes if s.flatten_since and s.flatten_reason.startswith("kill")]


def reviews(account: AccountState, last: Mapping[Scope, Decision]) -> list[dict[str, Any]]:
    """Every scope that waits for a person, why, and what to do; `last` is the last decision of each scope."""
    found = []
    for key, s in sorted(account.scopes.items()):
        why = review(s) or (review_of(last.get(key)) if s.trusted else "")
        if why:
            found.append({"scope": str(key), "why": why, "todo": ADVICE["MANUAL_REVIEW"].format(scope=key)})
    return found


def health(
    account: AccountState, table: Sequence[dict[str, Any]], waiting: Sequence[dict[str, Any]] = ()
) -> tuple[str, str]:
    """(`ok` | `attention` | `alarm`, why) of the state; whether the process lives is told by others."""
    told = {"UNMANAGED", "REVIEW"}
    naked = [row["id"] for row in table if row["protected"] == "no" and row["status"] not in told]
    unseen = [row["id"] for row in table if row["status"] == "REVIEW"]
    review = [s for s in account.scopes.values() if s.trust is Trust.MANUAL_REVIEW]
    halt = account.gates.get(VENUE_HALT)
    alarms = [f"{', '.join(naked)} without a stop"] if naked else []
    alarms += [f"nothing can be sent: {halt.reason}"] if halt is not None else []
    if alarms:
        return "alarm", "; ".join(alarms)
    if review:
        return "alarm", f"{', '.join(str(s.scope) for s in review)} needs a manual review"
    if unseen or waiting:
        names = unseen or [one["scope"] for one in waiting]
        return "attention", f"{', '.join(names)} waits for your `backstay ack`"
    if not account.connected:
        return "attention", "the private stream is down"
    blocked = [
        f"{s.scope} ({b.effect.replace('_', ' ')})"
        for s in account.scopes.values()
        for b in s.blocks
        if b.key is None and not b.until
    ]
    if blocked:
        return "attention", f"no exposure until your `backstay ack`: {', '.join(blocked)}"
    if shut := [gate["gate"] for gate in gates(account)]:
        return "attention", f"shut: {', '.join(shut)}"
    doubtful = [s for s in account.scopes.values() if not s.trusted]
    if doubtful:
        return "attention", f"{counted(len(doubtful), 'scope is', 'scopes are')} being recovered"
    return "ok", "all as it should be"
