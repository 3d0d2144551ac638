"""The gate: no intent reaches the executor unless it passes here, and a refusal says which door was shut.

Approved and refused intents are different types. Protection is never stopped by a risk limit; only a halted
venue, a mode that may not send, or missing permission stop it. Exposure is stopped by any doubt (I-25).
"""

from collections.abc import Mapping
from decimal import Decimal

import msgspec
from msgspec.structs import replace

from backstay.core import daily
from backstay.core.contexts import OrderContext
from backstay.core.decisions import Act, Approved, Intent, Refused
from backstay.core.limits import (
    NO_OBJECTION,
    UNKNOWN,
    CorrelationGroup,
    Refusal,
    above,
    after_losses,
    bad_market,
    group_full,
    near_liquidation,
    too_many_orders,
)
from backstay.core.modes import FACTS, may_send
from backstay.core.names import counted
from backstay.core.reviews import review
from backstay.core.slots import Slot
from backstay.core.state import AccountState, Gate, ScopeState
from backstay.core.types import EXPOSING, SECOND, ZERO, Action, Scope, TimeNs


class RiskLimits(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Account-wide caps on exposure; None: no cap. Notional in quote currency, worst case."""

    max_open_positions: int | None = None
    max_notional: Decimal | None = None
    max_leverage: int | None = None
    daily_loss_limit: Decimal | None = None
    """Share of the wallets at the beginning of the day."""
    daily_loss_hour: int = 0
    """Hour of the day, UTC, at which it begins."""
    max_symbol_notional: Decimal | None = None
    """As `max_notional`, of one symbol."""
    loss_streak: int | None = None
    """Lost positions in a row after which exposure waits for `loss_pause`."""
    loss_pause: TimeNs = 3600 * SECOND
    min_liquidation_distance: Decimal | None = None
    """Least estimated distance to liquidation, as a share of price (`limits.near_liquidation`)."""
    max_spread: Decimal | None = None
    """Widest spread that exposure is added in, as a share of price."""
    max_slippage: Decimal | None = None
    """Largest expected slippage of an exposure order, as a share of price."""
    max_orders_per_minute: int | None = None
    """Exposure orders in any minute."""
    groups: tuple[CorrelationGroup, ...] = ()
    pause_on_review: bool = False
    """While any scope waits for a person (`reviews.review`), exposure is added nowhere."""

    @property
    def needs_book(self) -> bool:
        return self.max_spread is not None or self.max_slippage is not None


NO_LIMITS = RiskLimits()


LATCHED = frozenset({"venue_halt"})
"""Gates whose `until` is information only: the ban may be over by then, an operator opens the door (8.1)."""


def open_gate(gates: Mapping[str, Gate], now: TimeNs, *names: str) -> str:
    """The first of the named gates that is shut now, with its reason; empty: none."""
    for name in names:
        gate = gates.get(name)
        if gate is not None and (name in LATCHED or not gate.until or now < gate.until):
            return f"{name}: {gate.reason}"
    return ""


def _doors(key: Scope) -> tuple[str, ...]:
    """Every gate that keeps exposure out of a scope."""
    symbol = key.symbol
    return (
        "kill_switch",
        "venue_halt",
        "operator_pause",
        f"operator_pause {key}",
        "rate_limited",
        "account_mode_mismatch",
        "stale_data",
        f"stale_data {symbol}",
        "account_setting position_mode",
        "account_setting multi_assets",
        f"account_setting margin_type {symbol}",
        f"account_setting leverage {symbol}",
    )


def exposure_refusal(account: AccountState, key: Scope, limits: RiskLimits, now: TimeNs) -> str:
    """Why no exposure-increasing order may be sent in this scope now; empty: it may."""
    shut = open_gate(account.gates, now, *_doors(key)) if account.gates else ""
    if shut:
        return shut
    instrument = account.instruments.get(key.symbol)
    if instrument is None or not instrument.trading:
        return f"symbol_closed: {instrument.status if instrument else 'no filters'}"
    if not account.balances:
        return "balances_unknown"
    if limits.pause_on_review:
        waits = min((k for k, s in account.scopes.items() if review(s)), default=None)
        if waits is not None:
            return f"manual_review: {waits} waits for a person"
    if limits.max_leverage is not None and account.leverages.get(key.symbol, 0) > limits.max_leverage:
        return f"max_leverage: {key.symbol} is at {account.leverages[key.symbol]}x"
    share, hour = limits.daily_loss_limit, limits.daily_loss_hour
    if share is not None and daily.is_used_up(account, share, now, hour):
        return f"daily_loss_limit: {share:%} was lost since {hour}:00 UTC, realised and open together"
    return ""


def worst_notional(account: AccountState, s: ScopeState) -> Decimal:
    """Notional of the scope if every resting or pending exposure order fills (I-25)."""
    total = abs(s.position.quantity) * s.position.entry_price
    for ctx in s.contexts.values():
        if ctx.role in EXPOSING and not ctx.is_terminal:
            total += _worst_order(account, s, ctx)
    return total


def _worst_order(account: AccountState, s: ScopeState, ctx: OrderContext) -> Decimal:
    """What this order may still buy or sell, as it rests or as a pending amendment would have it."""
    price = ctx.slot.price
    left = (ctx.slot.quantity or ZERO) - ctx.filled
    row = s.orders.get(ctx.order_id)
    if row is not None:
        price, left = row.price or price, row.quantity - row.filled
    worst = left * (price or _last_price(account, s, ctx.slot)) if left > 0 else ZERO
    pending = s.pendings.get(ctx.ctx_id)
    if pending is not None and pending.quantity is not None and pending.price is not None:
        worst = max(worst, (pending.quantity - ctx.filled) * pending.price)
    return worst


def _last_price(account: AccountState, s: ScopeState, slot: Slot) -> Decimal:
    """What a unit of an order counts that has no price of its own: its trigger, or what was told last of the
    symbol's price. `UNKNOWN`: nothing was.
    """
    known = []
    if s.signal is not None:
        known.append((s.signal.at, s.signal.price))
    if s.book is not None and (levels := s.book.facing(slot.side)):
        known.append((s.book.at, levels[0].price))
    told = max(known)[1] if known else account.marks.get(s.scope.symbol)
    return slot.trigger or told or s.position.entry_price or UNKNOWN


def gate(
    act: Act, account: AccountState, s: ScopeState, limits: RiskLimits, now: TimeNs
) -> tuple[Approved | Refused, ...]:
    """Pass or refuse each intent of an act; what passes counts against the caps of what follows it."""
    run = account.run
    # 6.4: with another position mode than configured every request would mean something else.
    halted = open_gate(account.gates, now, "venue_halt", "account_mode_mismatch") if account.gates else ""
    out: list[Approved | Refused] = []
    approved, count = ZERO, 0
    for intent in act.intents:
        refusal, added = (halted.partition(":")[0], halted) if halted else ("", ""), ZERO
        if run is None:
            refusal = ("mode_not_armed", "no run has started")
        elif FACTS[run.mode].sends and not may_send(run.mode, run.armed):
            refusal = ("mode_not_armed", f"{run.mode} needs its locks opened")
        elif not halted and intent.action is not Action.CANCEL and intent.key.role in EXPOSING:
            added = _added(intent, account, s)
            refusal = _exposure(intent, account, s, limits, approved + added)
            if not refusal[0]:
                refusal = _limited(intent, account, s, limits, approved + added, count, now)
            count += not refusal[0]
        if refusal[0]:
            out.append(Refused(s.scope, act.family, intent, *refusal))
        else:
            approved += added
            out.append(Approved(s.scope, act.family, intent))
    return tuple(out)


def refused_since(account: AccountState, item: Approved, ctx_id: str, limits: RiskLimits, now: TimeNs) -> str:
    """Why an exposure order that was approved may not leave any more; empty: it may (6.3, I-25).

    Every door once more: while its context became durable, a position may have been opened by hand. Its own
    registration is taken out of what the caps count.
    """
    s = account.scopes[item.scope]
    contexts = {name: c for name, c in s.contexts.items() if name != ctx_id or item.intent.target}
    pendings = {name: p for name, p in s.pendings.items() if name != ctx_id}
    s = replace(s, contexts=contexts, pendings=pendings)
    account = replace(account, scopes={**account.scopes, item.scope: s})
    shut = exposure_refusal(account, item.scope, limits, now)
    if shut:
        return shut
    (verdict,) = gate(Act(item.family, (item.intent,), item.intent.reason), account, s, limits, now)
    return f"{verdict.gate}: {verdict.reason}" if isinstance(verdict, Refused) else ""


def _added(intent: Intent, account: AccountState, s: ScopeState) -> Decimal:
    """Notional that this intent adds to the scope's worst case; an amendment adds its difference."""
    slot = intent.slot
    if slot is None or slot.quantity is None:
        return ZERO
    price = slot.price or _last_price(account, s, slot)
    ctx = s.contexts.get(intent.target) if intent.target else None
    quantity = slot.quantity
    if slot.total is not None and ctx is None:
        # The slices that will follow count from the first one on.
        held = (c for c in s.contexts.values() if c.key == slot.key and c.created_at >= s.entry_since)
        quantity = max(quantity, slot.total - sum((c.filled for c in held), ZERO))
    return quantity * price - (_worst_order(account, s, ctx) if ctx is not None else ZERO)


def _exposure(
    intent: Intent, account: AccountState, s: ScopeState, limits: RiskLimits, added: Decimal
) -> tuple[str, str]:
    if intent.slot is None or intent.slot.quantity is None:
        return "malformed", "an exposure order needs a quantity"
    if limits.max_open_positions is not None and not s.position.quantity:
        held = sum(1 for key, x in account.scopes.items() if key != s.scope and _may_be_open(x))
        if held >= limits.max_open_positions:
            open_ones = counted(held, "position is", "positions are")
            return "max_open_positions", f"{open_ones} open or about to be"
    if limits.max_notional is not None and added > 0:
        total = sum((worst_notional(account, x) for x in account.scopes.values()), ZERO) + added
        return above("max_notional", total, limits.max_notional)
    return "", ""


def _limited(
    intent: Intent,
    account: AccountState,
    s: ScopeState,
    limits: RiskLimits,
    added: Decimal,
    count: int,
    now: TimeNs,
) -> Refusal:
    """The further limits, each asked only where it is set."""
    slot, symbol, refusal = intent.slot, s.scope.symbol, NO_OBJECTION
    if slot is None:
        return refusal
    if limits.loss_streak is not None:
        refusal = after_losses(account, limits.loss_streak, limits.loss_pause, now)
    if not refusal[0] and limits.max_orders_per_minute is not None:
        refusal = too_many_orders(account, limits.max_orders_per_minute, count, now)
    if not refusal[0] and limits.max_symbol_notional is not None and added > 0:
        mine = (worst_notional(account, x) for key, x in account.scopes.items() if key.symbol == symbol)
        refusal = above("max_symbol_notional", sum(mine, ZERO) + added, limits.max_symbol_notional)
    if not refusal[0] and limits.min_liquidation_distance is not None:
        instrument = account.instruments.get(symbol)
        wallet = account.balances.get(instrument.margin_asset) if instrument is not None else None
        whole = sum((worst_notional(account, x) for x in account.scopes.values()), ZERO) + added
        equity = wallet.wallet if wallet is not None else None
        refusal = near_liquidation(account, s, equity, whole, limits.min_liquidation_distance)
    if not refusal[0] and limits.needs_book:
        refusal = bad_market(s, slot, limits.max_spread, limits.max_slippage, now)
    if not refusal[0] and limits.groups:
        held = {key.symbol: x for key, x in account.scopes.items() if _may_be_open(x)}
        worst: dict[str, Decimal] = {}
        for key, x in account.scopes.items():
            worst[key.symbol] = worst.get(key.symbol, ZERO) + worst_notional(account, x)
        refusal = group_full(s, limits.groups, added, frozenset(held), worst)
    return refusal


def _may_be_open(s: ScopeState) -> bool:
    """A position, or an order that may make one at any moment."""
    return bool(s.position.quantity) or any(
        c.role in EXPOSING and not c.is_terminal for c in s.contexts.values()
    )
