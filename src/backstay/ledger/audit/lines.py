"""Lines of the audit files from records: decisions with their explanation, orders, calls, trades.

Times are ISO with nanoseconds kept to microseconds, UTC; decimals are written with every digit.
"""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from backstay.core.events import (
    AlgoReport,
    AlgosSnapshot,
    AnswerReceived,
    OrderQueried,
    OrderReport,
    OrdersSnapshot,
    RequestDropped,
    RequestSent,
    RequestsRegistered,
)
from backstay.core.records import Body, Decided, Noted, Record
from backstay.core.scored import SignalScored
from backstay.core.slots import Slot
from backstay.core.state import AccountState, ScopeState
from backstay.core.types import ExecutionType, Scope, TimeNs
from backstay.ledger.audit.trade import Trade

ORDERS = (
    *("seq", "time", "event", "symbol", "position_side", "client_order_id", "order_id", "role", "step"),
    *("side", "type", "price", "trigger_price", "quantity", "status", "filled_quantity"),
    *("last_price", "last_quantity", "fee", "fee_asset", "realized_pnl", "latency_ms", "code"),
    *("message", "reason"),
)
CALLS = ("seq", "time", "method", "path", "parameters", "status", "code", "latency_ms", "message")
TRADES = (
    *("id", "symbol", "position_side", "side", "status", "opened_at", "closed_at", "hold_s"),
    *("entry_price", "exit_price", "quantity", "exit_quantity", "fees", "fees_other", "funding"),
    *("gross_pnl", "net_pnl", "stop", "risk", "r_multiple", "score", "reason_in", "reason_out"),
    *("fills_in", "fills_out", "opened_seq", "closed_seq", "signal_seq", "note"),
)
SENT_KEPT = 1_000
REST_CALL = "rest_call"
"""`Noted.what` of one call of the venue's REST interface."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST = Decimal("1e-10")
_json = msgspec.json.Encoder().encode


def iso(at: TimeNs) -> str:
    """`2026-11-21T15:00:00.123456Z`; empty for 0."""
    if not at:
        return ""
    moment = _EPOCH + timedelta(microseconds=at // 1000)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def text(value: Decimal | None) -> str:
    """Every digit, no exponent, no trailing zeros; averages are cut to ten decimals."""
    if value is None:
        return ""
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -10:
        value = value.quantize(_MOST)
    shown = f"{value:f}"
    shown = shown.rstrip("0").rstrip(".") if "." in shown else shown
    return "0" if shown == "-0" else shown


def row(values: Sequence[str]) -> str:
    """One line of CSV with its end. A cell that a spreadsheet would take for a formula is no formula."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow([_inert(v) for v in values])
    return out.getvalue()


def _inert(value: str) -> str:
    if value[:1] in {"=", "+", "@", "\t"} or (value[:1] == "-" and not value[1:2].isdigit()):
        return f"'{value}"
    return value


# --- decisions ------------------------------------------------------------------------------------


def thinking(record: Record, words: Callable[[Body], str]) -> str:
    """The explanation of a decision as one line of JSON; empty for a record that is none."""
    body = record.body
    document: dict[str, Any] = {"seq": record.seq, "at": iso(record.at), "cause": record.cause}
    match body:
        case SignalScored():
            signal = body.signal
            document |= {
                "kind": "score",
                "symbol": body.symbol,
                "decision": signal.kind.value,
                "trades": signal.kind.direction is not None,
                "text": words(body),
                "payload": msgspec.Raw(_json(body)),
            }
        case Decided():
            document |= {
                "kind": "decision",
                "symbol": body.scope.symbol,
                "position_side": body.scope.position_side.value,
                "decision": str(body.decision.__struct_config__.tag),
                "text": words(body),
                "payload": msgspec.Raw(_json(body)),
            }
        case _:
            return ""
    return _json(document).decode() + "\n"


# --- orders ---------------------------------------------------------------------------------------


def order_lines(
    record: Record, before: AccountState, after: AccountState, sent: dict[str, TimeNs]
) -> Iterator[str]:
    """What the record tells of orders, a line each.

    `sent` (custom id -> when its request left, by our clock) is kept here for the latency of its answer.
    """
    body = record.body
    match body:
        case RequestsRegistered():
            event = "prepared" if body.pre_armed else "written_down"
            for request in body.requests:
                cells = _own(after.scopes.get(request.scope), request.ctx_id)
                if request.context is None:
                    cells["price"], cells["quantity"] = text(request.price), text(request.quantity)
                cells["reason"] = request.reason
                yield _order(record, request.scope, f"{event}_{request.action}", cells)
        case RequestSent():
            s = after.scopes.get(body.scope)
            sent[body.ctx_id] = record.at
            while len(sent) > SENT_KEPT:
                del sent[next(iter(sent))]
            yield _order(record, body.scope, f"sent_{body.action}", _own(s, body.ctx_id))
        case RequestDropped():
            cells = _own(after.scopes.get(body.scope), body.ctx_id)
            yield _order(record, body.scope, f"dropped_{body.action}", {**cells, "reason": body.reason})
        case AnswerReceived():
            cells = _own(after.scopes.get(body.scope), body.ctx_id)
            left = sent.pop(body.ctx_id, 0)
            cells |= {
                "latency_ms": text(Decimal(record.at - left) / 1_000_000) if left else "",
                "status": body.answer.value,
                "code": str(body.code) if body.code else "",
                "message": body.message,
                "order_id": str(body.order_id) if body.order_id else cells.get("order_id", ""),
            }
            yield _order(record, body.scope, f"answered_{body.action}", cells)
        case OrderReport():
            filled = body.execution is ExecutionType.TRADE
            yield _order(record, None, "fill" if filled else "report", _reported(body, after))
        case AlgoReport():
            yield _order(record, None, "report", _reported(body, after))
        case OrdersSnapshot() | AlgosSnapshot() | OrderQueried():
            yield from _read(record, before, after)


def _read(record: Record, before: AccountState, after: AccountState) -> Iterator[str]:
    """Orders that a read showed anew or changed."""
    for key, s in after.scopes.items():
        was = before.scopes.get(key)
        if was is s:
            continue
        known = was if was is not None else ScopeState(scope=key)
        for order_id, order in s.orders.items():
            if known.orders.get(order_id) is not order:
                yield _order(record, None, "read", _reported(order, after))
        for algo_id, algo in s.algos.items():
            if known.algos.get(algo_id) is not algo:
                yield _order(record, None, "read", _reported(algo, after))


def _order(record: Record, scope: Scope | None, event: str, cells: dict[str, str]) -> str:
    cells |= {"seq": str(record.seq), "time": iso(record.at), "event": event}
    if scope is not None:
        cells |= {"symbol": scope.symbol, "position_side": scope.position_side.value}
    return row([cells.get(name, "") for name in ORDERS])


def _own(s: ScopeState | None, name: str) -> dict[str, str]:
    """What is meant by a custom id."""
    ctx = s.contexts.get(name) if s is not None else None
    if ctx is None:
        return {"client_order_id": name}
    return {
        "client_order_id": name,
        "order_id": str(ctx.order_id) if ctx.order_id else "",
        "role": ctx.role.value,
        "step": str(ctx.key.step),
        **_slot(ctx.slot),
    }


def _slot(slot: Slot) -> dict[str, str]:
    return {
        "side": slot.side.value,
        "type": slot.kind.value,
        "price": text(slot.price),
        "trigger_price": text(slot.trigger),
        "quantity": text(slot.quantity) if slot.quantity is not None else "all",
    }


def _reported(r: OrderReport | AlgoReport, account: AccountState) -> dict[str, str]:
    s = account.scopes.get(Scope(r.product, r.symbol, r.position_side))
    ctx = s.contexts.get(r.client_id) if s is not None else None
    cells = {
        "symbol": r.symbol,
        "position_side": r.position_side.value,
        "client_order_id": r.client_id,
        "role": ctx.role.value if ctx is not None else "",
        "step": str(ctx.key.step) if ctx is not None else "",
        "side": r.side.value,
        "type": r.kind.value,
        "price": text(r.price or None),
        "trigger_price": text(r.trigger or None),
        "quantity": text(r.quantity) if r.quantity else "all",
        "status": r.status.value,
    }
    if isinstance(r, AlgoReport):
        return cells | {
            "order_id": str(r.algo_id),
            "filled_quantity": text(r.executed or None),
            "reason": r.failure,
        }
    cells |= {
        "order_id": str(r.order_id),
        "filled_quantity": text(r.filled),
        "reason": r.expiry_reason,
    }
    if r.execution is ExecutionType.TRADE:
        cells |= {
            "last_price": text(r.last_price),
            "last_quantity": text(r.last_qty),
            "fee": text(r.commission),
            "fee_asset": r.commission_asset,
            "realized_pnl": text(r.realized_pnl),
        }
    return cells


# --- calls and trades -----------------------------------------------------------------------------


def call_line(record: Record) -> str:
    """One call of REST with its latency; empty for any other record."""
    body = record.body
    if not isinstance(body, Noted) or body.what != REST_CALL:
        return ""
    detail = body.detail
    cells = {
        "seq": str(record.seq),
        "time": iso(record.at),
        "latency_ms": text(Decimal(int(detail.get("latency_us", 0))) / 1000),
        **{k: str(detail.get(k, "")) for k in ("method", "path", "parameters", "status", "code", "message")},
    }
    return row([cells[name] for name in CALLS])


def trade_line(t: Trade) -> str:
    """One trade as it stands."""
    ended = t.closed_at or None
    notes = [t.guess_note] if t.guess_note else []
    if t.fees_missing:
        notes.append(f"fees of {text(t.fees_missing)} are not known: their fills were told of in a sum")
    if t.funding_shared:
        notes.append("funding is a share of what several positions paid together")
    notes.extend(f"{text(fee)} {asset} counted at recorded prices" for asset, fee in t.converted.items())
    notes.extend(
        f"{text(fee)} {asset} is not in fees and net_pnl: no price of it was recorded within an hour"
        for asset, fee in t.uncounted.items()
    )
    cells = {
        "id": t.id,
        "symbol": t.symbol,
        "position_side": t.position_side,
        "side": t.side,
        "status": t.status,
        "opened_at": iso(t.opened_at),
        "closed_at": iso(t.closed_at),
        "hold_s": text(Decimal(ended - t.opened_at) / 1_000_000_000) if ended else "",
        "entry_price": text(t.entry_price),
        "exit_price": text(t.exit_price),
        "quantity": text(t.entry_quantity),
        "exit_quantity": text(t.exit_quantity),
        "fees": text(t.fee),
        "fees_other": " ".join(f"{text(fee)} {asset}" for asset, fee in t.other_fees.items()),
        "funding": text(t.funding),
        "gross_pnl": text(t.gross),
        "net_pnl": text(t.net),
        "stop": text(t.stop),
        "risk": text(t.risk),
        "r_multiple": text(t.r_multiple.quantize(Decimal("0.0001"))) if t.r_multiple is not None else "",
        "score": text(t.score),
        "reason_in": t.reason_in,
        "reason_out": t.reason_out if t.exits or t.closed_at else "",
        "fills_in": str(t.entries),
        "fills_out": str(t.exits),
        "opened_seq": str(t.opened_seq),
        "closed_seq": str(t.closed_seq) if t.closed_seq else "",
        "signal_seq": str(t.signal_seq) if t.signal_seq else "",
        "note": "; ".join(notes),
    }
    return row([cells[name] for name in TRADES])
