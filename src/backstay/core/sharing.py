"""What is equal in an account that was just decoded becomes one value.

A decoder makes every number and every word anew: ten thousand resting orders come with ten thousand copies of
each price, of zero and of their scope, and with three of their own id, more than half of the memory that they
take. Equal means to the last digit: 0.10 and 0.1 stay two numbers.
"""

from collections.abc import Mapping
from decimal import Decimal

import msgspec
from msgspec.structs import force_setattr

from backstay.core.contexts import OrderContext, Premise
from backstay.core.events import OrderReport
from backstay.core.lots import Lot, Lots
from backstay.core.slots import Slot
from backstay.core.types import Scope


def _numbers(kind: type[msgspec.Struct]) -> tuple[tuple[str, object], ...]:
    found = msgspec.structs.fields(kind)
    return tuple((f.name, f.default) for f in found if f.type in (Decimal, Decimal | None))


NUMBERS: dict[type[msgspec.Struct], tuple[tuple[str, object], ...]] = {
    kind: _numbers(kind) for kind in (Lot, OrderContext, OrderReport, Premise, Slot)
}
"""The fields that hold a number, with their defaults, by kind of value."""


class Sharing:
    """Makes equal parts of scopes the same. No value changes: all is packed as it was before.

    The values are changed in place: nobody else may hold them yet.
    """

    def __init__(self) -> None:
        self._numbers: dict[str, Decimal] = {}
        self._words: dict[str, str] = {}

    def contexts(self, scope: Scope, contexts: Mapping[str, OrderContext]) -> None:
        for name, ctx in contexts.items():
            force_setattr(ctx, "ctx_id", name)
            if ctx.scope == scope:
                force_setattr(ctx, "scope", scope)
            for part in (ctx, ctx.slot, ctx.premise):
                self._same_numbers(part)

    def orders(
        self, scope: Scope, orders: Mapping[int, OrderReport], contexts: Mapping[str, OrderContext]
    ) -> None:
        for order_id, row in orders.items():
            force_setattr(row, "order_id", order_id)
            if row.symbol == scope.symbol:
                force_setattr(row, "symbol", scope.symbol)
            if row.emitted_at == row.at:
                force_setattr(row, "emitted_at", row.at)
            self._same_word(row, "commission_asset")
            self._same_numbers(row)
            ctx = contexts.get(row.client_id)
            if ctx is not None:
                force_setattr(row, "client_id", ctx.ctx_id)
                if ctx.order_id == order_id:
                    force_setattr(ctx, "order_id", order_id)

    def lots(self, lots: Lots) -> None:
        for held in (*lots.buckets.values(), lots.retired):
            for trade_id, lot in held.items():
                force_setattr(lot, "trade_id", trade_id)
                self._same_word(lot, "commission_asset")
                self._same_numbers(lot)

    def _same_word(self, value: msgspec.Struct, name: str) -> None:
        word: str = getattr(value, name)
        force_setattr(value, name, self._words.setdefault(word, word))

    def _same_numbers(self, value: msgspec.Struct) -> None:
        numbers = self._numbers
        for name, default in NUMBERS[type(value)]:
            number: Decimal | None = getattr(value, name)
            # A default is one value already; by that packing knows it, and leaves it out.
            if number is not None and number is not default:
                known = numbers.setdefault(str(number), number)
                if known is not number:
                    force_setattr(value, name, known)
