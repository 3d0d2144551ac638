"""What forbids an exposure order besides the caps on notional and on the number of positions.

Every function answers with a gate's name and a sentence, or with two empty texts. Nothing here ever holds up
protection: only ENTRY and DCA orders are asked about. A figure that a limit needs and that is not known is a
refusal, never a pass.
"""

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from backstay.core.contexts import Phase
from backstay.core.names import counted
from backstay.core.scored import Book
from backstay.core.slots import Slot
from backstay.core.state import AccountState, ScopeState
from backstay.core.types import EXPOSING, SECOND, ZERO, OrderType, Side, TimeNs

type Refusal = tuple[str, str]
"""(gate, reason); both empty: no objection."""

NO_OBJECTION: Refusal = ("", "")
UNKNOWN = Decimal("Infinity")
"""The price, and so the notional, of what no price was ever told of: above every cap."""
BOOK_FRESH = 5 * SECOND
MAINTENANCE = Decimal("0.01")
"""Maintenance margin rate that liquidation distances are estimated with; the venue's lowest bracket asks for
0.4 % (BTC) to 2.5 %, and its own liquidation price, once there is one, is what counts."""


class CorrelationGroup(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Symbols that move together and therefore count together."""

    name: str
    symbols: tuple[str, ...]
    max_positions: int | None = None
    max_notional: Decimal | None = None


def above(cap: str, total: Decimal, most: Decimal) -> Refusal:
    """Whether a worst case is more than a cap allows."""
    if total <= most:
        return NO_OBJECTION
    if not total.is_finite():
        return cap, "an order at market has no price to be counted with"
    return cap, f"{total} would exceed {most}"


def loss_streak(account: AccountState) -> tuple[int, TimeNs]:
    """How many of the latest closed positions in a row lost, and when the latest of them was closed.

    A position's result is what the venue reported as realised, without fees; exactly 0 ends a streak.
    """
    ended: list[tuple[TimeNs, Decimal]] = []
    for s in account.scopes.values():
        ended.extend(s.results)
        if s.epoch and s.closed_at and not s.position.quantity:
            ended.append((s.closed_at, s.realized))
    ended.sort(reverse=True)
    count = 0
    for _, result in ended:
        if result >= 0:
            break
        count += 1
    return count, ended[0][0] if count else 0


def after_losses(account: AccountState, most: int, pause: TimeNs, now: TimeNs) -> Refusal:
    """No exposure for `pause` after `most` losses in a row."""
    count, last = loss_streak(account)
    if count >= most and now < last + pause:
        return "loss_streak", f"{counted(count, 'position')} in a row lost; exposure waits"
    return NO_OBJECTION


def too_many_orders(account: AccountState, most: int, approved: int, now: TimeNs) -> Refusal:
    """At most so many exposure orders in any minute, over the whole account."""
    since = now - 60 * SECOND
    sent = sum(
        1
        for s in account.scopes.values()
        for c in s.contexts.values()
        if c.role in EXPOSING and c.phase is not Phase.PRE_ARMED and c.created_at > since
    )
    if sent + approved >= most:
        return "max_orders_per_minute", f"{sent + approved} exposure orders in the last minute"
    return NO_OBJECTION


def near_liquidation(
    account: AccountState, s: ScopeState, equity: Decimal | None, notional: Decimal, floor: Decimal
) -> Refusal:
    """The estimated distance to liquidation, as a share of price, with everything filled.

    The nearer one of two estimates counts, since which margin type will hold is not known of a flat symbol:
    isolated, ``1 / leverage - maintenance``; cross, ``equity / notional of the account - maintenance``.
    """
    symbol = s.scope.symbol
    leverage = account.leverages.get(symbol)
    if not leverage or equity is None:
        return "liquidation_distance", f"the leverage of {symbol} or the balance is not known"
    isolated = Decimal(1) / leverage - MAINTENANCE
    cross = equity / notional - MAINTENANCE if notional > 0 else isolated
    distance = min(isolated, cross)
    if distance < floor:
        return "liquidation_distance", f"about {distance:.4f} at {leverage}x, less than {floor}"
    plan = s.entry_signal
    if plan is not None and distance <= plan.stop_distance:
        return "liquidation_distance", f"about {distance:.4f}: liquidation would come before the stop"
    return NO_OBJECTION


def bad_market(
    s: ScopeState, slot: Slot, max_spread: Decimal | None, max_slippage: Decimal | None, now: TimeNs
) -> Refusal:
    """Spread and expected slippage, by the latest book."""
    book = s.book
    if book is None or now > book.at + BOOK_FRESH:
        return "book_unknown", "spread and slippage limits need the order book"
    spread = book.spread
    if max_spread is not None and (spread is None or spread > max_spread):
        told = "one side is empty" if spread is None else f"{spread:.6f} is above {max_spread}"
        return "max_spread", f"the spread: {told}"
    if max_slippage is not None:
        slips = expected_slippage(book, slot)
        if slips is None:
            return "max_slippage", f"the book does not show {slot.quantity}"
        if slips > max_slippage:
            return "max_slippage", f"{slips:.6f} is above {max_slippage}"
    return NO_OBJECTION


def expected_slippage(book: Book, slot: Slot) -> Decimal | None:
    """How far the last level that the order would reach lies from the first, as a share of the first.

    A limit order stops at its price; one that reaches nothing slips by nothing. None: a market order larger
    than what is visible.
    """
    levels = book.facing(slot.side)
    left = slot.quantity or ZERO
    best = last = levels[0].price if levels else ZERO
    for level in levels:
        if slot.price is not None and _beyond(slot.side, level.price, slot.price):
            return abs(last - best) / best
        last = level.price
        left -= level.quantity
        if left <= 0:
            return abs(last - best) / best
    if slot.kind is OrderType.MARKET or not levels:
        return None if slot.kind is OrderType.MARKET else ZERO
    return abs(last - best) / best


def _beyond(side: Side, price: Decimal, limit: Decimal) -> bool:
    return price > limit if side is Side.BUY else price < limit


def group_full(
    s: ScopeState,
    groups: Iterable[CorrelationGroup],
    added: Decimal,
    open_: frozenset[str],
    notionals: dict[str, Decimal],
) -> Refusal:
    """Caps of every group that the scope's symbol belongs to.

    `open_` are the symbols with a position or an order that may make one, `notionals` their worst cases.
    """
    symbol = s.scope.symbol
    for group in groups:
        if symbol not in group.symbols:
            continue
        others = [x for x in group.symbols if x in open_ and x != symbol]
        if group.max_positions is not None and symbol not in open_ and len(others) >= group.max_positions:
            return "correlation", f"{group.name}: {', '.join(others)} are open or about to be"
        if group.max_notional is not None and added > 0:
            total = sum((notionals.get(x, ZERO) for x in group.symbols), ZERO) + added
            refused, why = above("correlation", total, group.max_notional)
            if refused:
                return refused, f"{group.name}: {why}"
    return NO_OBJECTION
