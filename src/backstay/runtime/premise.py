"""Whether an intent may still leave: its premise against the newest state, right before the bytes (6.3)."""

from backstay.core.contexts import OrderContext, Request
from backstay.core.convergence import row_of
from backstay.core.decisions import Approved, Intent
from backstay.core.events import OrderReport
from backstay.core.requests import premise_of
from backstay.core.risk import RiskLimits, refused_since
from backstay.core.spot import untouchable
from backstay.core.state import AccountState, ScopeState
from backstay.core.types import EXPOSING, Action, Family, Role, TimeNs


def stale(account: AccountState, item: Approved, request: Request, limits: RiskLimits, now: TimeNs) -> str:
    """Why the premise of `item` no longer holds; empty: it holds."""
    s = account.scopes[item.scope]
    if "venue_halt" in account.gates:
        return "venue halted"
    blind = item.intent.blind or (item.family is Family.FLATTEN and s.flatten_since)
    if not s.trusted and not blind:
        return "trust lost"
    exposes = request.key.role in EXPOSING and request.action is not Action.CANCEL
    if exposes and _bare_since(s, request):
        return "protection lost"
    if request.action is not Action.PLACE:
        why = _target_stale(s, item.intent)
    elif request.context is not None and request.context.slot.lots:
        return _lots_stale(s, request.context)
    else:
        why = _position_stale(s, item.intent)
    if why or not exposes:
        return why
    if s.flatten_since or "kill_switch" in account.gates:
        return "flattening"
    return refused_since(account, item, request.ctx_id, limits, now)


def _position_stale(s: ScopeState, intent: Intent) -> str:
    premise = intent.premise
    same = s.position.quantity == premise.position and s.epoch == premise.epoch
    return "" if same else "position changed"


def _bare_since(s: ScopeState, request: Request) -> bool:
    """The position has lost its stop since this exposure was wanted (6.1); without a policy it had none."""
    pending = s.pendings.get(request.ctx_id)
    return pending is not None and s.naked_since > pending.opened_at


def _lots_stale(s: ScopeState, ctx: OrderContext) -> str:
    """A lot's SELL depends on its lots alone: they are open, hold what it sells, and have no other SELL."""
    wanted = ctx.slot.quantity
    if s.lots is None or wanted is None or premise_of(s, ctx.slot) < wanted:
        return "lot changed"
    names = set(ctx.slot.lots)
    for other in s.contexts.values():
        if other.ctx_id != ctx.ctx_id and not other.is_terminal and not names.isdisjoint(other.slot.lots):
            return "lot has an order"
    return ""


def _target_stale(s: ScopeState, intent: Intent) -> str:
    ctx = s.contexts.get(intent.target)
    if ctx is None or ctx.is_terminal:
        return "target ended"
    if untouchable(s, ctx):
        return "hands off"
    row = row_of(s, ctx)
    if intent.action is Action.AMEND and isinstance(row, OrderReport):
        if row.quantity != intent.premise.target_quantity or row.price != intent.premise.target_price:
            return "target changed"
        if intent.new_total is not None and intent.new_total <= row.filled:
            return "target filled"
    if intent.action is Action.CANCEL and intent.key.role is Role.SL and not s.flatten_since:
        # What was surplus may be the only stop that covers what was added meanwhile.
        return _position_stale(s, intent)
    return ""
