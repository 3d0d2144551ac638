"""Ledger records in plain words: one sentence for each, for screens, `ledger tail` and `ledger why`."""

from decimal import Decimal

from backstay.core.account_settings import AccountSettingUpdated
from backstay.core.decisions import Act, Converged, Decision, Intent, Recover, Wait
from backstay.core.events import (
    AccountReport,
    AlgoReport,
    AlgosSnapshot,
    AnswerReceived,
    FillNotice,
    FillsSnapshot,
    GateChanged,
    ListReport,
    OperatorCommand,
    OrderReport,
    OrdersSnapshot,
    PositionsSnapshot,
    PriceReached,
    RecoveryEnded,
    RecoveryStarted,
    RequestDropped,
    RequestSent,
    RequestsRegistered,
    RunStarted,
    RunStopped,
    StreamChanged,
    TrustLost,
    Unidentified,
)
from backstay.core.names import counted
from backstay.core.records import Body, Decided, Noted
from backstay.core.scored import BookSeen, SignalScored
from backstay.core.slots import BRIDGE, Slot
from backstay.core.types import Action, ExecutionType, Family, Role, Scope

ROLES = {
    Role.ENTRY: "entry",
    Role.DCA: "DCA step",
    Role.TP: "take-profit",
    Role.SL: "stop",
    Role.EXIT: "closing order",
}
FAMILIES = {
    Family.RECOVER: "recovers",
    Family.FLATTEN: "closes",
    Family.CLEANUP: "tidies up",
    Family.PROTECT: "protects",
    Family.EXPOSURE: "adds",
    Family.NOOP: "does nothing",
    Family.WAIT: "waits",
}
ACTIONS = {Action.PLACE: "place", Action.AMEND: "amend", Action.CANCEL: "cancel"}


def name(scope: Scope) -> str:
    """`BTCUSDT`, or `BTCUSDT LONG` in hedge mode."""
    return scope.symbol if scope.position_side == "BOTH" else f"{scope.symbol} {scope.position_side}"


def number(value: Decimal) -> str:
    """A decimal without trailing zeros and without an exponent."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def plain(text: str) -> str:
    """A reason's name as words."""
    return text.replace("_", " ")


UNSAID = frozenset({"type", "action", "slot", "ctx_id"})
"""Of an `order_request` document: what its sentence does not repeat."""


def _noted(body: Noted) -> str:
    detail = body.detail
    match body.what:
        case "protected":
            return f"protected, after {_ms(int(detail['naked_us']) / 1000)} without a stop"
        case "unprotected":
            what = "WITHOUT A STOP"
            if "uncovered" in detail:
                bare, size = (number(Decimal(detail[k])) for k in ("uncovered", "of"))
                what = f"{bare} of {size} WITHOUT A STOP"
            return f"{what} for {_ms(float(detail['naked_ms']))}: {detail.get('reason', '')}"
        case "account_missing":
            return f"the {detail['account']} account is NOT GUARDED: {detail['error']}"
        case "start_delayed":
            again, end = _ms(float(detail["next_attempt_in_ms"])), _ms(float(detail["gives_up_in_ms"]))
            return (
                f"the start waits: {detail['what']} failed ({detail['reason']}). Attempt "
                f"{int(detail['attempt']) + 1} in {again}, given up in {end}"
            )
        case "rest_call":
            answer = f"answered {detail['status']}" if detail["status"] else "was not answered"
            trouble = " ".join(str(detail[k]) for k in ("code", "message") if k in detail)
            took = _ms(int(detail["latency_us"]) / 1000)
            return (
                f"{detail['method']} {detail['path']} {answer} in {took}{': ' + trouble if trouble else ''}"
            )
        case "position_opened":
            if "side" not in detail:
                return f"position {detail['position']} opened, and was closed before it could be told"
            size = f"{detail['side']} {detail['quantity']}"
            return f"position {detail['position']} opened: {size} at {detail['entry']}"
        case "position_closed":
            return f"position {detail['position']} closed"
        case "lot_alert":
            return str(detail["text"])
        case "order_request":
            shown = ", ".join(f"{plain(k)} {v}" for k, v in detail.items() if k not in UNSAID and v != "")
            return f"would {detail.get('action', 'send')} (nothing was sent): {shown}"
    shown = ", ".join(f"{plain(k)} {v}" for k, v in detail.items())
    return f"{plain(body.what)}{f' ({shown})' if shown else ''}"


def _ms(value: float) -> str:
    return f"{value / 1000:.1f} s" if value >= 1000 else f"{value:.3g} ms"


def words(body: Body) -> str:
    """The record as a sentence; its type's name where there is nothing to add."""
    match body:
        case Decided():
            return f"{name(body.scope)}: {_decided(body)}"
        case Noted():
            where = f"{name(body.scope)}: " if body.scope is not None else ""
            return f"{where}{_noted(body)}"
        case OrderReport():
            return _order(body)
        case AlgoReport():
            what = f"{body.side} {body.kind} at {number(body.trigger)}"
            return f"{body.symbol}: conditional order {body.algo_id} is {body.status} ({what})"
        case FillNotice():
            return f"{body.symbol}: filled {number(body.last_qty)} at {number(body.last_price)}"
        case AccountReport():
            rows = ", ".join(
                f"{r.symbol} {number(r.quantity)} at {number(r.entry_price)}" for r in body.positions
            )
            return f"account update ({body.reason}){': ' + rows if rows else ''}"
        case AnswerReceived():
            said = f" {body.code} {body.message}".rstrip() if body.code or body.message else ""
            return f"{name(body.scope)}: the venue's answer to {ACTIONS[body.action]}: {body.answer}{said}"
        case OperatorCommand():
            where = f" {body.scope}" if body.scope is not None else " everything"
            if body.lot:
                where += f", lot {body.lot}" + (f" at {number(body.price)}" if body.price else "")
            return f"{body.who}: {body.action}{where}{f' ({body.reason})' if body.reason else ''}"
        case _:
            return _more(body)


def _more(body: Body) -> str:
    match body:
        case RequestsRegistered():
            what = ", ".join(f"{ACTIONS[r.action]} {r.key}" for r in body.requests)
            armed = "armed in advance" if body.pre_armed else "written down before sending"
            return f"{name(body.requests[0].scope) if body.requests else ''}: {what} ({armed})"
        case RequestSent():
            return f"{name(body.scope)}: {ACTIONS[body.action]} sent"
        case RequestDropped():
            return f"{name(body.scope)}: {ACTIONS[body.action]} not sent after all: {body.reason}"
        case GateChanged():
            return f"gate {body.gate} {'shut: ' + body.reason if body.active else 'open again'}"
        case StreamChanged():
            return f"private stream {body.state}{f' ({body.detail})' if body.detail else ''}"
        case RecoveryStarted():
            return f"recovery of {_scopes(body.scopes)} began"
        case RecoveryEnded():
            return (
                f"recovery of {_scopes(body.scopes)} {'failed: ' + body.failure if body.failure else 'done'}"
            )
        case TrustLost():
            return f"trust in {_scopes(body.scopes)} lost: {body.reason}"
        case PriceReached():
            return f"{body.symbol}: mark price reached {number(body.price)}"
        case AccountSettingUpdated():
            where = f"{body.symbol}: " if body.symbol else ""
            why = f" ({body.reason})" if body.reason else ""
            return f"{where}{plain(body.setting)} {body.value}: {plain(body.outcome)}{why}"
        case SignalScored():
            return f"{body.symbol}: {body.signal.reason}"
        case BookSeen():
            return f"{body.symbol}: the order book was looked at"
        case ListReport():
            return f"{body.symbol}: order list {body.list_id} ({body.contingency}) is {body.status}"
        case RunStarted():
            return f"run started: {body.account}, {body.mode}, {'armed' if body.armed else 'not armed'}"
        case RunStopped():
            return f"run stopped: {body.reason}"
        case OrdersSnapshot() | AlgosSnapshot() | PositionsSnapshot():
            return f"{type(body).__name__}: {counted(len(body.rows), 'row')} read"
        case FillsSnapshot():
            return f"{body.symbol}: {counted(len(body.rows), 'trade')} read"
        case Unidentified():
            return f"a private event that cannot be read: {body.kind}"
        case _:
            return type(body).__name__


def _scopes(scopes: tuple[Scope, ...]) -> str:
    return ", ".join(name(s) for s in scopes) if scopes else "the whole account"


def _order(r: OrderReport) -> str:
    if r.execution is ExecutionType.TRADE:
        return (
            f"{r.symbol}: {r.side} {r.kind} {r.order_id} filled {number(r.last_qty)} "
            f"at {number(r.last_price)} ({number(r.filled)} of {number(r.quantity)})"
        )
    return f"{r.symbol}: {r.side} {r.kind} {r.order_id} is {r.status}"


def _decided(body: Decided) -> str:
    text = decision(body.decision)
    refused = "; ".join(f"{_intent(r.intent)} refused by {r.gate}: {r.reason}" for r in body.refused)
    return f"{text}; {refused}" if refused else text


def decision(made: Decision) -> str:
    """What a pass decided."""
    match made:
        case Act():
            what = ", ".join(_intent(i) for i in made.intents)
            return f"{FAMILIES[made.family]}: {what} ({plain(made.reason)})"
        case Wait():
            return f"waits: {plain(made.reason)}"
        case Recover():
            return f"recovers: {plain(', '.join(made.reasons))}"
        case Converged():
            return f"all as it should be{': ' + plain(', '.join(made.notes)) if made.notes else ''}"


def _intent(intent: Intent) -> str:
    if intent.key == BRIDGE:
        what = f"{ACTIONS[intent.action]} bridge stop"
    else:
        what = f"{ACTIONS[intent.action]} {ROLES[intent.key.role]}"
        what += f" {intent.key.step}" if intent.key.step else ""
    return f"{what} {_slot(intent.slot)}".rstrip() if intent.slot is not None else what


def _slot(slot: Slot) -> str:
    parts = [slot.side.value, number(slot.quantity) if slot.quantity is not None else "whole position"]
    at = slot.trigger if slot.trigger is not None else slot.price
    if at is not None:
        parts.append(f"at {number(at)}")
    if slot.leg is not None:
        parts.append(f"and {ROLES[slot.leg.key.role]} {_slot(slot.leg)} as one order list")
    return " ".join(parts)
