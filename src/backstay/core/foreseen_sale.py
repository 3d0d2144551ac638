"""The SELL of the lot that will be bought next, decided before its BUY fills.

Of the BUYs that rest in a symbol the one with the highest price is filled first, most likely as a whole, at
its own price, with a commission as that of the trade before. `foresee_sale` folds exactly that future onto a
copy of the state and asks `decide` what follows. Nothing is assumed (see `backstay.core.foresight`): a fill
of another size or price, another commission, or anything else that the answer follows from and that has
changed meanwhile was not foreseen. The lot alone is open until it is bought; the answer is the same for each.
"""

from decimal import Decimal
from typing import ClassVar

import msgspec
from msgspec.structs import replace

from backstay.core.account import fold
from backstay.core.coins import kin
from backstay.core.decisions import Approved
from backstay.core.engine import Engine, Manager, decide
from backstay.core.events import AccountReport, AnyEvent, OrderReport
from backstay.core.foresight import Premise
from backstay.core.instruments import Instrument
from backstay.core.lots import NONE
from backstay.core.lots_view import SPOT_FEE
from backstay.core.money import round_down
from backstay.core.orders import is_open
from backstay.core.state import AccountState, ScopeState
from backstay.core.types import (
    ZERO,
    Action,
    ExecutionType,
    OrderStatus,
    OrderType,
    Scope,
    Side,
    TimeNs,
)

NEXT_LOT = 1 << 62
"""Stands for the lot: above every trade id, as that of the next trade will be."""
EIGHT_PLACES = Decimal("1E-8")
"""What the venue cuts a commission to."""


class SaleForecast(msgspec.Struct, frozen=True):
    """The SELL that follows if `fill` is what will be told of a resting BUY."""

    by_trade_alone: ClassVar[bool] = True
    """Spot has no position rows: nothing else has to be told."""

    fill: OrderReport
    """Its time is the first one that will do, its trade the last one that will not."""
    answer: Approved
    """The SELL of lot `NEXT_LOT`."""
    by_rate: bool
    """Of the commission only its asset matters, not its amount."""
    base: ScopeState
    """The scope as it was when the forecast was made; no other state will do."""
    after: ScopeState
    """The scope as the SELL's context is to be written for."""
    kin: tuple[Scope, ...]
    """Other scopes of the same base asset: together their lots are held against the balance."""
    premise: Premise

    @property
    def scope(self) -> Scope:
        return self.base.scope

    @property
    def order(self) -> str:
        """Custom id of the BUY."""
        return self.fill.client_id

    def holds(self, account: AccountState, event: AnyEvent) -> bool:
        """Nothing has changed since the forecast, save time; the balances do not show `event` yet."""
        base = self.base
        return (
            account.scopes.get(base.scope) is base
            and isinstance(event, OrderReport)
            and self._is_untold(account, event)
            and self.premise == _premise_of(account, base, self.kin)
        )

    def _is_untold(self, account: AccountState, event: OrderReport) -> bool:
        """The balances are those before the trade. Of the same millisecond they are another trade's, unless
        what was missing may have been this very trade.
        """
        if event.at != account.balances_at:
            return event.at > account.balances_at
        return self.base.lots is None or not self.base.lots.lacking

    def is_filled_by(self, event: AnyEvent) -> bool:
        mine = self.fill
        return (
            isinstance(event, OrderReport)
            and event.order_id == mine.order_id
            and event.symbol == mine.symbol
            and event.execution is ExecutionType.TRADE
            and event.status is OrderStatus.FILLED
            and event.filled == mine.filled
            and event.last_qty == mine.last_qty
            and event.last_price == mine.last_price
            and event.maker
            and event.at >= mine.at
            and event.trade_id > mine.trade_id
            and self._costs(event)
        )

    def _costs(self, event: OrderReport) -> bool:
        """The commission is what was foreseen."""
        mine = self.fill
        if not mine.commission:
            return not event.commission
        if event.commission_asset != mine.commission_asset:
            return False
        return event.commission > 0 if self.by_rate else event.commission == mine.commission

    def is_position_of(self, event: AccountReport) -> bool:
        return False


def foresee_sale(account: AccountState, key: Scope, engine: Engine, now: TimeNs) -> SaleForecast | None:
    """The forecast for spot scope `key` at local time `now` (ns); None: its future is not that simple."""
    s, instrument, manager = account.scopes.get(key), account.instruments.get(key.symbol), engine.manager(key)
    if s is None or instrument is None or manager is None or not manager.sells_at_once:
        return None
    buy = _next_buy(s)
    if buy is None or not s.trusted or s.blocks or s.flatten_since:
        return None
    lots = s.lots or NONE
    at = max(account.balances_at, s.fill_at, s.position.at, lots.price_at, buy.at) + 1
    commission, asset = _usual_commission(account, s, buy, instrument)
    fill = replace(
        buy,
        status=OrderStatus.FILLED,
        execution=ExecutionType.TRADE,
        filled=buy.quantity,
        at=at,
        emitted_at=at,
        avg_price=buy.price,
        last_qty=buy.quantity - buy.filled,
        last_price=buy.price,
        trade_id=NEXT_LOT,
        commission=commission,
        commission_asset=asset,
        maker=True,
    )
    future = fold(account, fill, now)
    approved = decide(future, key, engine, now).approved
    slot = approved[0].intent.slot if len(approved) == 1 else None
    if slot is None or slot.lots != (NEXT_LOT,) or approved[0].intent.action is not Action.PLACE:
        return None
    others = tuple([other.scope for other in kin(account, key, instrument.base)])
    return SaleForecast(
        fill=replace(
            fill,
            at=max(s.fill_at, s.position.at, lots.price_at, buy.at) + 1,
            trade_id=max((lots.read_to, *lots.ahead[-1:])),
        ),
        answer=approved[0],
        by_rate=_by_rate(manager, asset, instrument),
        base=s,
        after=future.scopes[key],
        kin=others,
        premise=_premise_of(account, s, others),
    )


def _next_buy(s: ScopeState) -> OrderReport | None:
    """The BUY of somebody by hand that is filled before every other one that rests."""
    best: OrderReport | None = None
    for row in s.orders.values():
        if (
            row.side is Side.BUY
            and row.kind is OrderType.LIMIT
            and is_open(row)
            and row.on_book
            and (best is None or (row.price, -row.order_id) > (best.price, -best.order_id))
        ):
            best = row
    return best if best is not None and best.client_id not in s.contexts else None


def _usual_commission(
    account: AccountState, s: ScopeState, buy: OrderReport, instrument: Instrument
) -> tuple[Decimal, str]:
    """(amount, asset) of the next BUY's commission, going by the symbol's latest trade."""
    traded = [row for row in s.orders.values() if row.last_qty and row.trade_id]
    latest = max(traded, key=lambda row: row.trade_id, default=None)
    if latest is not None and not latest.commission:
        return ZERO, latest.commission_asset
    if latest is not None and latest.commission_asset not in (instrument.base, instrument.quote):
        return latest.commission, latest.commission_asset
    rate = account.maker_fee if account.maker_fee is not None else SPOT_FEE
    return round_down((buy.quantity - buy.filled) * rate, EIGHT_PLACES), instrument.base


def _by_rate(manager: Manager, asset: str, instrument: Instrument) -> bool:
    return asset in manager.by_rate and asset not in (instrument.base, instrument.quote)


def _premise_of(account: AccountState, s: ScopeState, others: tuple[Scope, ...]) -> Premise:
    """Everything outside the scope that `decide` reads for the SELL of a lot."""
    instrument = account.instruments.get(s.scope.symbol)
    shared = [account.scopes[key] for key in others]
    return (
        account.run,
        instrument,
        account.gates,
        account.maker_fee,
        account.taker_fee,
        account.connected,
        account.balances.get(instrument.base) if instrument is not None else None,
        account.balances_at >= max([s.fill_at, *[other.fill_at for other in shared]]),
        len(account.scopes),
        *[other.lots for other in shared],
    )
