"""What the refused sale of a lot waits for: the coins that lack, or room among the venue's open orders.

Evidence ends both waits, not time: asked again each minute such a sale would be refused each minute (I-29).
"""

from collections.abc import Mapping

from msgspec.structs import replace

from backstay.core.account_scopes import each, release, scope_state, with_scope
from backstay.core.events import AnswerReceived, BalanceRow, Effect
from backstay.core.money import round_down
from backstay.core.state import AccountState, Block, ScopeState
from backstay.core.types import EXPOSING, ZERO, Product, Scope, Side

A = AccountState


def with_room(account: A) -> A:
    """An order has left, of whichever symbol: some limits count all of them."""
    waits = [k for k, s in account.scopes.items() if s.blocks and any(map(_lacks_room, s.blocks))]
    return each(account, waits, lambda s: release(s, "max_orders")) if waits else account


def _lacks_room(b: Block) -> bool:
    return b.by_lot and b.effect == "max_orders"


def funded(account: A, s: ScopeState, balances: Mapping[str, BalanceRow]) -> ScopeState:
    """The scope when balances have changed: a sale that lacked coins is tried again when they are there.

    What another asset's balance does is no changed premise for it (8.1).
    """
    if s.lots is None:
        return release(s, "margin")
    kept = tuple(b for b in s.blocks if b.effect != "margin" or _waits(account, s, b, balances))
    return s if len(kept) == len(s.blocks) else replace(s, blocks=kept)


def _waits(account: A, s: ScopeState, b: Block, balances: Mapping[str, BalanceRow]) -> bool:
    """Of a sale: the news leave the balance of its coins as it is, or too small still."""
    rules = account.instruments.get(s.scope.symbol)
    sale = b.by_lot or (b.key is not None and b.key.role not in EXPOSING)
    if rules is None or not sale:
        return False
    as_it_is = account.balances.get(rules.base) == balances.get(rules.base)
    return as_it_is or _lacks(account, s, b, balances)


def unfunded(account: A, key: Scope) -> A:
    """A sale was refused for lack of coins. Where we know that they lack, it waits for them, not for a time:
    asked again each minute it would be refused each minute.
    """
    s = scope_state(account, key)
    if s.lots is None:
        return account
    waits = [
        b for b in s.blocks if b.effect == "margin" and b.until and _lacks(account, s, b, account.balances)
    ]
    if not waits:
        return account
    blocks = tuple(replace(b, until=0) if b in waits else b for b in s.blocks)
    return with_scope(account, replace(s, blocks=blocks))


def is_contradicted(account: A, e: AnswerReceived) -> bool:
    """A sale on spot was refused for lack of coins that our balances show to be free."""
    s = account.scopes.get(e.scope)
    ctx = s.contexts.get(e.ctx_id) if s is not None and e.effect is Effect.MARGIN else None
    rules = account.instruments.get(e.scope.symbol)
    if e.scope.product is not Product.SPOT or ctx is None or ctx.slot.side is not Side.SELL or rules is None:
        return False
    row = account.balances.get(rules.base)
    free = row.available if row is not None else None
    return free is not None and free >= (ctx.slot.quantity or ZERO)


def _lacks(account: A, s: ScopeState, b: Block, balances: Mapping[str, BalanceRow]) -> bool:
    """Fewer coins are known to be free than the lots of this refused sale hold."""
    rules = account.instruments.get(s.scope.symbol)
    row = balances.get(rules.base) if rules is not None else None
    if rules is None or not b.by_lot or not rules.step:
        return False
    free = row.available if row is not None else ZERO
    return free is not None and free < round_down(b.position, rules.step)
